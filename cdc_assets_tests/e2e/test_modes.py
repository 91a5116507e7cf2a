"""The two other modes: a load alone, and changes alone."""

import psycopg

from cdc_assets_tests.e2e.conftest import Case
from cdc_assets_tests.services.installation import wait_until

_TABLES = ("orders", "scratch")


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


def _arrived(case: Case) -> bool:
    with psycopg.connect(case.target_url) as connection:
        rows = connection.execute("SELECT id FROM dbo.scratch WHERE id > 9000 ORDER BY id").fetchall()
    return rows == [(9002,)]
