"""What servers, roles, publications and other people's objects may be like: each is found by its own check."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from cdc_assets.adapters.postgres import PostgresSource, PostgresTarget, definitions
from cdc_assets.adapters.system_clock import SystemClock
from cdc_assets.model.pipeline import Mode, Options
from cdc_assets.model.preflight import CheckStatus
from cdc_assets_tests.integration.preflight.conftest import PASSWORD, Site


@contextmanager
def _locked(url: str, table: str) -> Iterator[int]:
    """Hold a table as an ALTER TABLE does; gives the session's process id."""
    with psycopg.connect(url) as session:
        session.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        yield session.info.backend_pid
        session.rollback()


def test_a_publication_that_would_leave_changes_out_is_refused(site: Site) -> None:
    site.make_table("id int PRIMARY KEY, note text, region text")
    site.on_source("ALTER TABLE orders REPLICA IDENTITY FULL")
    site.publication = "owners"
    options = "WITH (publish_via_partition_root)"
    for what, sentence in (
        ("orders WHERE (region = 'eu')", "sends only the rows of public.orders that meet"),
        ("orders (id, region)", "does not send column note of public.orders"),
    ):
        site.on_source(f"CREATE PUBLICATION owners FOR TABLE {what} {options}")
        found = site.only_fail()
        assert found.name == "source_publication"
        assert sentence in found.what
        for script in found.scripts:
            site.on_source(script.sql)
        assert site.found() == []
        site.on_source("DROP PUBLICATION owners")


def test_a_partition_cannot_be_captured_beside_its_root(site_18: Site) -> None:
    site_18.make_table("id int, region text, PRIMARY KEY (region, id)", tail="PARTITION BY LIST (region)")
    site_18.on_source("CREATE TABLE orders_eu PARTITION OF orders FOR VALUES IN ('eu')")
    site_18.on_source(f'ALTER TABLE orders_eu OWNER TO "{site_18.source_role}"')
    site_18.tables = ("orders_eu", "orders")
    found = site_18.only_fail()
    assert (found.name, found.table) == ("table_partition", "orders_eu")
    site_18.tables = ("orders_eu",)
    assert site_18.found() == []


def test_limits_of_a_role_are_found(site: Site) -> None:
    site.make_table()
    for side, role, on in (
        ("source", site.source_role, site.on_source),
        ("target", site.target_role, site.on_target),
    ):
        on(f"ALTER ROLE \"{role}\" SET idle_session_timeout = '5min'")
        (found,) = site.found()
        assert (found.name, found.status) == (f"{side}_session_limits", CheckStatus.WARN)
        assert "idle_session_timeout = 300000ms" in found.what
        on(f'ALTER ROLE "{role}" RESET ALL')
        on(f'ALTER ROLE "{role}" CONNECTION LIMIT 1')
        assert site.only_fail().name == f"{side}_connections"
        on(f'ALTER ROLE "{role}" CONNECTION LIMIT -1')
    site.on_target(f'ALTER ROLE "{site.target_role}" SET default_transaction_read_only = on')
    assert site.only_fail().name == "target_primary"


def test_connections_of_others_count_for_a_role_that_may_not_see_them(site_18: Site) -> None:
    site_18.make_table()
    target = PostgresTarget(site_18.pipeline.target, password=PASSWORD, pipeline="sales", epoch=0, is_read_only=True)
    # Nobody else opens connections to this database, whatever else the server does.
    name = psycopg.conninfo.conninfo_to_dict(site_18.databases.target_url)["dbname"]
    site_18.on_target(f'ALTER DATABASE "{name}" CONNECTION LIMIT 20')
    before = target.server().free_connections
    with psycopg.connect(site_18.databases.target_url):
        after = target.server().free_connections
    assert (before, after) == (20, 19)


def test_what_else_may_have_the_name_of_the_target_table_is_named(site: Site) -> None:
    site.make_table()
    site.on_target(f'CREATE SCHEMA dbo AUTHORIZATION "{site.target_role}"')
    site.options = Options(if_target_not_empty="replace")
    for statement, kind in (
        ("VIEW dbo.orders AS SELECT 1 AS id", "a view"),
        ("MATERIALIZED VIEW dbo.orders AS SELECT 1 AS id", "a materialized view"),
        ("SEQUENCE dbo.orders", "a sequence"),
        ("TYPE dbo.orders AS (id int)", "a composite type"),
    ):
        site.on_target(f"CREATE {statement}")
        found = site.only_fail()
        assert found.name == "target_table"
        assert f"is taken by {kind}" in found.what
        site.on_target(f"DROP {statement.partition(' dbo.')[0]} dbo.orders")
    site.on_target("CREATE TABLE dbo.t (id int); CREATE INDEX orders ON dbo.t (id)")
    assert "is taken by an index" in site.only_fail().what


def test_a_table_that_somebody_holds_is_named_with_who_holds_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a limit a start would hang for as long as the lock is held, and say nothing."""
    monkeypatch.setattr(definitions, "_LOCK_TIMEOUT", "200ms")
    site.make_table()
    site.on_target(f'CREATE SCHEMA dbo AUTHORIZATION "{site.target_role}"')
    site.on_target("CREATE TABLE dbo.orders (id int)")
    with _locked(site.databases.target_url, "dbo.orders") as pid:
        found = site.only_fail()
        assert (found.name, found.table) == ("target_locked", "orders")
        assert f"orders by pid {pid}" in found.what
    with _locked(site.databases.source_url, "orders") as pid:
        names = {check.name: check for check in site.found()}
        assert f"orders by pid {pid}" in names["source_locked"].what


def test_a_row_that_no_kafka_message_holds_is_found(site: Site) -> None:
    """Compressed and TOASTed values count with what they are in an event."""
    site.make_table("id int PRIMARY KEY, t text, b bytea, j jsonb, a text[], n numeric")
    for column, value, is_refused in (
        ("t", "repeat('ab', 5300000)", True),
        ("b", "decode(repeat('ab', 8000000), 'hex')", True),
        ("j", "to_jsonb(repeat('ab', 5300000))", True),
        ("a", "ARRAY[repeat('ab', 2700000), repeat('cd', 2700000)]", True),
        ("t", "repeat('ab', 2000000)", False),
    ):
        site.on_source(f"TRUNCATE orders; INSERT INTO orders (id, {column}) VALUES (1, {value}), (2, NULL)")
        found = [(check.status, check.table) for check in site.found() if check.name == "row_size"]
        assert found == ([(CheckStatus.FAIL, "orders")] if is_refused else []), column
    site.mode = Mode.FULL_LOAD_ONLY
    assert "row_size" not in {check.name for check in site.checks()}


def test_nothing_is_changed_when_a_check_fails(site: Site) -> None:
    site.make_table("id int PRIMARY KEY, p regclass")
    site.on_target(f'CREATE SCHEMA dbo AUTHORIZATION "{site.target_role}"')
    site.on_target("CREATE TABLE dbo.orders (id int); INSERT INTO dbo.orders VALUES (1)")
    site.options = Options(if_target_not_empty="replace")
    assert set(site.failed()) == {"column_type"}


def test_the_facts_of_the_server_are_those_it_shows(site: Site) -> None:
    site.mode = Mode.FULL_LOAD_ONLY
    source = PostgresSource(
        site.pipeline.source, password=PASSWORD, pipeline="sales", epoch=0, clock=SystemClock(), is_read_only=True
    )
    found = source.server()
    assert (found.encoding, found.slot_wal_limit_mb, found.idle_slot_timeout_seconds) == ("UTF8", None, 0)
    assert found.wal_sender_timeout_seconds == 60
    assert found.session_limits == {}
    assert found.wal_mb is None
    site.on_source(f'GRANT pg_monitor TO "{site.source_role}"')
    assert (source.server().wal_mb or 0) > 0
