"""A table's own intent is followed while its pipeline runs, and only then."""

from dataclasses import replace

import pytest

from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.status import CdcStatus, Intent, TableState
from cdc_assets.planning.table_pauses import plan_table_pauses
from cdc_assets_tests.unit.planning.test_drift import RECORD
from cdc_assets_tests.unit.planning.test_run_requests import WANTED

RUNNING = replace(
    WANTED,
    served_version=3,
    cdc_status=CdcStatus.RUNNING,
    tables=(
        replace(RECORD, source_table="flows"),
        replace(RECORD, source_table="hold", intent=Intent.PAUSED),
        replace(RECORD, source_table="held", intent=Intent.PAUSED, state=TableState.PAUSED),
        replace(RECORD, source_table="release", state=TableState.PAUSED),
        replace(RECORD, source_table="lost", intent=Intent.PAUSED, state=TableState.RESYNC_REQUIRED),
    ),
)


def test_what_differs_from_its_intent_is_held_or_let_go() -> None:
    pauses = plan_table_pauses(RUNNING)
    assert [table.source_table for table in pauses.hold] == ["hold"]
    assert [table.source_table for table in pauses.release] == ["release"]


@pytest.mark.parametrize(
    "record",
    [
        replace(RUNNING, intent=Intent.PAUSED),
        replace(RUNNING, intent=Intent.STOPPED),
        replace(RUNNING, intent_version=4),
        replace(RUNNING, cdc_status=CdcStatus.STOPPED),
    ],
)
def test_nothing_is_done_against_the_pipelines_intent(record: PipelineRecord) -> None:
    assert not plan_table_pauses(record)
