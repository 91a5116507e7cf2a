"""Settings of a server, encodings and names, read from real servers as the pure judgement expects them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
from psycopg import sql
from tenacity import retry, retry_if_not_result, stop_after_delay, wait_fixed

from cdc_assets.model.pipeline import Mode
from cdc_assets.model.preflight import CheckStatus
from cdc_assets_tests.integration.preflight.conftest import Site


@contextmanager
def _server_setting(url: str, name: str, value: str, *, shown: str) -> Iterator[None]:
    """Set it for the whole server until the block ends; returns when a new session sees it."""
    _reload(url, sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
    try:
        _wait_until_shown(url, name, shown)
        yield
    finally:
        _reload(url, sql.SQL("ALTER SYSTEM RESET {}").format(sql.Identifier(name)))


def _reload(url: str, statement: sql.Composed) -> None:
    with psycopg.connect(url, autocommit=True) as session:
        session.execute(statement)
        session.execute("SELECT pg_reload_conf()")


@retry(stop=stop_after_delay(60), wait=wait_fixed(0.1), retry=retry_if_not_result(bool))
def _wait_until_shown(url: str, name: str, shown: str) -> bool:
    with psycopg.connect(url) as session:
        return session.execute("SELECT current_setting(%s)", (name,)).fetchone() == (shown,)


def test_a_limit_on_what_a_slot_may_keep_is_told(site: Site) -> None:
    site.make_table()
    url = site.databases.source_url
    with _server_setting(url, "max_slot_wal_keep_size", "1GB", shown="1GB"):
        (found,) = site.found()
    assert (found.name, found.status) == ("source_slot_keeping", CheckStatus.WARN)
    assert "max_slot_wal_keep_size is 1024 MB" in found.what


def test_a_target_that_cannot_hold_every_text_is_refused(site_18: Site) -> None:
    site_18.make_table()
    base, _, name = site_18.databases.target_url.rpartition("/")
    latin = sql.Identifier(f"{name}_latin")
    with psycopg.connect(site_18.databases.target_url, autocommit=True) as session:
        session.execute(
            sql.SQL("CREATE DATABASE {} ENCODING LATIN1 LOCALE 'C' TEMPLATE template0 OWNER {}").format(
                latin, sql.Identifier(site_18.target_role)
            )
        )
        direct = site_18.databases
        site_18.databases = replace(direct, target_url=f"{base}/{name}_latin")
        try:
            found = site_18.only_fail()
        finally:
            site_18.databases = direct
            session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(latin))
    assert found.name == "encoding"
    assert "LATIN1" in found.what


def test_columns_that_debezium_or_a_sink_cannot_name_are_refused(site_18: Site) -> None:
    site_18.make_table('id int PRIMARY KEY, "a""b" int, "x" int, "X" int')
    found = {(check.name, check.column) for check in site_18.found()}
    assert found == {("target_names", 'a"b'), ("table_columns", "X")}
    site_18.mode = Mode.FULL_LOAD_ONLY
    assert site_18.found() == []


def test_what_the_copy_is_without_is_told(site_18: Site) -> None:
    site_18.make_table("id int PRIMARY KEY", name="customers")
    site_18.make_table("id int PRIMARY KEY, customer int REFERENCES customers, code text UNIQUE")
    site_18.on_source(
        "CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TRIGGER audit AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION noted()"
    )
    assert site_18.found() == []
    (told,) = [check for check in site_18.checks() if check.name == "table_left_out"]
    for part in ("foreign key orders_customer_fkey", "trigger audit", "uniqueness of index orders_code_key"):
        assert part in told.what
