"""A table that fails to load: the others flow, its changes are kept from the first start, and a later load ends equal.

Seen red with the failed table left out of the source connector's tables: its changes up to the later load are gone.
"""

from cdc_assets_tests.e2e.conftest import Case
from cdc_assets_tests.services.installation import wait_until
from cdc_assets_tests.services.trap import remove_trap, set_trap
from cdc_assets_tests.services.workload import TABLES, Writers

_OTHERS = tuple(table for table in TABLES if table != "orders")


def test_a_table_loaded_long_after_the_others_ends_equal(case: Case) -> None:
    set_trap(case.target_url, case.target_schema, "orders")
    with Writers(case.source_url, transactions=200_000) as writers:
        failed = case.installation.cdc("start", case.name, expect=1)
        assert "orders" in failed.stdout + failed.stderr
        row = case.installation.pipeline(case.name)
        assert (row["status"], row["full_load_status"], row["cdc_status"]) == ("ERROR", "FAILED", "RUNNING")
        states = {table: record["state"] for table, record in case.installation.tables(case.name).items()}
        assert states == {"orders": "FAILED", **dict.fromkeys(_OTHERS, "STREAMING")}
        # Half an hour of changes at a few a second, by volume.
        writers.wait_for(6000, timeout=240)
        remove_trap(case.target_url, case.target_schema, "orders")
        case.installation.cdc("start", case.name)
        row = case.installation.pipeline(case.name)
        assert (row["status"], row["full_load_status"], row["cdc_status"]) == ("RUNNING", "COMPLETED", "RUNNING")
        assert row["last_error"] is None
        writers.wait_for(300)
        writers.stop()
    wait_until(lambda: not case.differences(), what="source and target equal after the late load", seconds=120)
    loads = [event["table_name"] for event in case.installation.events(case.name) if event["new_value"] == "LOADED"]
    # Only what was missing is loaded again: every load says LOADING first.
    again = [event["table_name"] for event in case.installation.events(case.name) if event["new_value"] == "LOADING"]
    assert sorted(again) == sorted([*TABLES, "orders"])
    assert "orders" in loads
