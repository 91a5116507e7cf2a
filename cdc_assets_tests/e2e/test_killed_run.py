"""kill -9 of the run while it loads and between the connectors: the next run continues, and everything is equal."""

from collections.abc import Callable

import pytest

from cdc_assets_tests.e2e.conftest import Case
from cdc_assets_tests.services.installation import wait_until
from cdc_assets_tests.services.workload import Writers

# Small chunks and a slow load: many points at which the run can be killed, none reached by waiting.
_SLOW = "options: {chunk_mb: 1, max_mb_per_s: 4}\n"


def _some_rows_loaded(case: Case) -> bool:
    return any(
        row["state"] == "LOADING" and row["rows_loaded"] > 0 for row in case.installation.tables(case.name).values()
    )


def _source_connector_without_all_sinks(case: Case) -> bool:
    if not case.installation.tables(case.name):
        return False  # not recorded yet
    record = case.installation.pipeline(case.name)
    names = case.installation.connectors()
    sinks = [name for name in names if name.startswith(record["sink_connector_name"] or "?")]
    return record["debezium_connector_name"] in names and len(sinks) < len(case.installation.tables(case.name))


def _has_died(case: Case) -> bool:
    events = case.installation.events(case.name)
    return any(event["field"] == "run" and (event["cause"] or "").startswith("RUN_DIED") for event in events)


@pytest.mark.parametrize(
    "reached", [_some_rows_loaded, _source_connector_without_all_sinks], ids=["while-loading", "between-connectors"]
)
def test_a_killed_run_is_noticed_and_its_work_continued(case: Case, reached: Callable[[Case], bool]) -> None:
    case.write(options=_SLOW)
    with Writers(case.source_url) as writers:
        writers.wait_for(200)
        starting = case.installation.start_in_background(case.name)
        wait_until(lambda: reached(case), what="the point at which to kill", seconds=120)
        case.installation.kill_run(case.name)
        wait_until(
            lambda: _has_died(case),
            what="RUN_DIED among the events",
            seconds=30,
        )
        output, _ = starting.communicate(timeout=240)
        assert starting.returncode == 0, output
        row = case.installation.pipeline(case.name)
        assert (row["status"], row["full_load_status"], row["cdc_status"]) == ("RUNNING", "COMPLETED", "RUNNING")
        writers.wait_for(300)
        writers.stop()
    wait_until(lambda: not case.differences(), what="source and target equal after the kill", seconds=120)
