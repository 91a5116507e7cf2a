"""`pause` and `resume` through `./cdc`, under changes: nothing is lost and nothing is loaded again."""

import psycopg

from cdc_assets_tests.e2e.conftest import Case
from cdc_assets_tests.services.installation import wait_until
from cdc_assets_tests.services.workload import Writers

_TABLES = ("orders", "order_lines")


def test_pause_and_resume_of_a_table_and_of_the_pipeline_lose_nothing_and_load_nothing(case: Case) -> None:
    cdc, name = case.installation.cdc, case.name
    case.write(tables=_TABLES)
    assert "only one that is RUNNING can be paused" in cdc("pause", name, expect=1).stderr
    cdc("start", name)
    before = case.installation.tables(name)
    with Writers(case.source_url) as writers:
        writers.wait_for(200)
        assert "orders: PAUSED is wanted, PAUSED after" in cdc("pause", name, "-t", "orders").stdout
        frozen = _orders(case)
        writers.wait_for(500)
        assert _orders(case) == frozen
        assert case.installation.pipeline(name)["status"] == "RUNNING"
        assert "orders: RUNNING is wanted, STREAMING after" in cdc("resume", name, "-t", "orders").stdout
        assert "PAUSED" in cdc("pause", name).stdout
        frozen = _orders(case)
        # The stack goes down and up again: only the operator's word ends a pause.
        cdc("down")
        case.installation.up()
        writers.wait_for(500)
        assert case.installation.pipeline(name)["status"] == "PAUSED"
        assert _orders(case) == frozen
        cdc("resume", name)
        assert case.installation.pipeline(name)["status"] == "RUNNING"
        writers.wait_for(200)
        writers.stop()
    wait_until(lambda: not case.differences(_TABLES), what="source and target equal after the pauses", seconds=240)
    after = case.installation.tables(name)
    assert {table: row["load_lsn"] for table, row in after.items()} == {
        table: row["load_lsn"] for table, row in before.items()
    }
    loads = [event for event in case.installation.events(name) if event["new_value"] == "LOADING"]
    assert len(loads) == len(after)
    assert cdc("pause", name, "-t", "nobody", expect=2).stderr
    assert "nothing to resume" in cdc("stop", name, expect=0).stdout + cdc("resume", name, expect=1).stderr


def _orders(case: Case) -> list[tuple[object, ...]]:
    with psycopg.connect(case.target_url) as connection:
        return connection.execute("SELECT * FROM dbo.orders ORDER BY 1").fetchall()
