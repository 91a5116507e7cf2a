"""The two other modes: a load alone, and changes alone."""

import json
from typing import LiteralString

import psycopg
from psycopg import sql

from cdc_assets_tests.e2e.conftest import Case
from cdc_assets_tests.services.installation import database_name, wait_until

_TABLES = ("orders", "scratch")
_TARGET_ROLE: LiteralString = """
SELECT r.rolname FROM pg_database d CROSS JOIN aclexplode(d.datacl) a JOIN pg_roles r ON r.oid = a.grantee
WHERE d.datname = current_database() AND a.privilege_type = 'CREATE' AND starts_with(r.rolname, 'tgt_')
"""
_Row = tuple[object, ...]


def test_full_load_only_ends_completed_and_leaves_nothing_in_the_source(case: Case) -> None:
    case.write(mode="full_load_only")
    case.installation.cdc("start", case.name)
    row = case.installation.pipeline(case.name)
    assert (row["status"], row["full_load_status"], row["cdc_status"]) == ("COMPLETED", "COMPLETED", "NOT_STARTED")
    assert case.differences() == {}
    with psycopg.connect(case.source_url) as connection:
        slots = connection.execute(
            "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()"
        ).fetchone()
        publications = connection.execute("SELECT count(*) FROM pg_publication").fetchone()
        identities = connection.execute(
            "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND "
            "relreplident <> 'd'"
        ).fetchone()
    assert (slots, publications, identities) == ((0,), (0,), (0,))
    assert not [name for name in case.installation.connectors() if name.startswith(f"cdc_{case.name}_")]


def test_cdc_only_loads_nothing_and_applies_what_comes(case: Case) -> None:
    case.write(mode="full_load_only", tables=_TABLES)
    case.installation.cdc("start", case.name)
    case.installation.cdc("drop", case.name)
    case.write(mode="cdc_only", tables=_TABLES)
    with psycopg.connect(case.source_url, autocommit=True) as connection:
        # Before the start: not captured, so it must not arrive.
        connection.execute("INSERT INTO scratch VALUES (9001, 'before the start')")
        case.installation.cdc("start", case.name)
        row = case.installation.pipeline(case.name)
        assert (row["status"], row["full_load_status"], row["cdc_status"]) == ("RUNNING", "NOT_STARTED", "RUNNING")
        connection.execute("INSERT INTO scratch VALUES (9002, 'after the start')")
        connection.execute("DELETE FROM orders WHERE id <= 10")
    wait_until(
        lambda: set(case.differences(_TABLES)) == {"scratch"} and _arrived(case),
        what="the changes after the start in the target",
        seconds=120,
    )


def test_a_missing_target_database_is_named_and_made_only_for_who_asks(case: Case) -> None:
    missing = f'{database_name(case.target_url)}_"new" %s'
    with psycopg.connect(case.target_url, autocommit=True) as connection:
        (role,) = _rows(
            connection, "SELECT rolname FROM pg_roles WHERE rolname LIKE 'tgt\\_%%' ORDER BY oid DESC LIMIT 1"
        )[0]
        connection.execute(sql.SQL("ALTER ROLE {} CREATEDB").format(sql.Identifier(str(role))))
        _write_target(case, missing)

        refused = case.installation.cdc("start", case.name, expect=1)
        assert f'database "{missing}" does not exist' in refused.stderr
        assert "./cdc start PIPELINE --create-database" in refused.stderr
        there = "SELECT count(*) FROM pg_database WHERE datname = %s"
        assert _rows(connection, there, missing) == [(0,)], "nobody asked for it"

        made = case.installation.cdc("start", case.name, "--create-database")
        assert f"Made database {missing} on {case.name}_target." in made.stderr
        assert case.installation.pipeline(case.name)["status"] == "COMPLETED"
        again = case.installation.cdc("start", case.name, "--create-database")
        assert "Made database" not in again.stderr
        with psycopg.connect(case.target_url, dbname=missing) as target, psycopg.connect(case.source_url) as source:
            arrived = _rows(target, "SELECT count(*) FROM dbo.orders")
            assert arrived == _rows(source, "SELECT count(*) FROM public.orders")
        case.installation.cdc("drop", case.name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(missing)))


def _write_target(case: Case, database: str) -> None:
    case.write(mode="full_load_only")
    path = case.installation.directory / "pipelines" / f"{case.name}.yaml"
    text = path.read_text().replace(
        f"database: {database_name(case.target_url)}, schema: dbo", f"database: {json.dumps(database)}, schema: dbo"
    )
    assert database_name(case.target_url) in text
    path.write_text(text)


def _rows(
    connection: psycopg.Connection[tuple[object, ...]], query: LiteralString, *values: object
) -> list[tuple[object, ...]]:
    return connection.execute(query, values).fetchall()


def _arrived(case: Case) -> bool:
    with psycopg.connect(case.target_url) as connection:
        rows = connection.execute("SELECT id FROM dbo.scratch WHERE id > 9000 ORDER BY id").fetchall()
    return rows == [(9002,)]
