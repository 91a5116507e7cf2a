"""What drifted keeps its old baseline until it is recorded; what only looks like drift is none."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from cdc_assets.model.position import Lsn, SlotPosition
from cdc_assets.model.record import TableRecord
from cdc_assets.model.status import Intent, TableState
from cdc_assets.model.table import TableMapping, TableName
from cdc_assets.model.watch import SlotCounters, SourceWatch, TargetWatch, WatchedLeaf, WatchedTable
from cdc_assets.planning.drift import (
    Baseline,
    WatchedMapping,
    check_lineage,
    next_baseline,
    source_drifts,
    target_drifts,
)
from cdc_assets.planning.health_memory import HealthMemory
from cdc_assets.planning.slot_check import SlotCheck, SlotVerdict

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SOURCE, TARGET = TableName("public", "a"), TableName("dbo", "a")
RECORD = TableRecord(
    source_table="a",
    target_table="a",
    state=TableState.STREAMING,
    intent=Intent.RUNNING,
    rows_loaded=0,
    rows_estimated=0,
    bytes_loaded=0,
    bytes_estimated=0,
    load_lsn=None,
    captured_from_lsn=Lsn(1),
    start_offset=0,
    topic="t",
    sink_connector_name="k",
    original_identity=None,
    target_oid=7,
    last_error=None,
    last_error_code=None,
    updated_at=NOW,
    loaded_at=NOW,
)
TABLES = (WatchedMapping(TableMapping(SOURCE, TARGET), RECORD),)
WATCH = SourceWatch(
    system_identifier=1,
    timeline=1,
    current_lsn=Lsn(500),
    slot=SlotPosition("g", "db", "pgoutput", 3, Lsn(100), Lsn(90), "reserved"),
    counters=SlotCounters("s", 10, 1000),
    safe_wal_bytes=None,
    tables={SOURCE: WatchedTable(5, is_published=True, sent_as="x", leaves=(WatchedLeaf(SOURCE, 5, "f"),))},
)
GOOD = SlotCheck(SlotVerdict.ACTIVE, "in use")
BEFORE = next_baseline(Baseline(), WATCH, GOOD, TABLES, ())


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (WATCH, SlotVerdict.ACTIVE),
        (replace(WATCH, counters=SlotCounters("s", 11, 1100)), SlotVerdict.ACTIVE),
        (replace(WATCH, counters=SlotCounters("s", 9, 1100)), SlotVerdict.REMADE),
        (replace(WATCH, counters=SlotCounters("s", 11, 900)), SlotVerdict.REMADE),
        # The server crashed, or somebody reset the statistics.
        (replace(WATCH, counters=SlotCounters("later", 0, 0)), SlotVerdict.ACTIVE),
        (replace(WATCH, timeline=2), SlotVerdict.REMADE),
        (replace(WATCH, system_identifier=2), SlotVerdict.REMADE),
    ],
)
def test_a_slot_is_the_same_while_its_counters_grow_on_the_same_server(now: SourceWatch, verdict: SlotVerdict) -> None:
    assert check_lineage(BEFORE, now, GOOD).verdict is verdict


def test_nothing_is_told_of_a_first_look() -> None:
    assert check_lineage(Baseline(), WATCH, GOOD) is GOOD
    assert source_drifts(Baseline(), WATCH, TABLES) == ()


def test_a_worse_verdict_of_the_slot_is_kept() -> None:
    gone = SlotCheck(SlotVerdict.MISSING, "gone")
    assert check_lineage(BEFORE, replace(WATCH, slot=None, counters=None), gone) is gone


def test_what_drifted_is_found_again_until_its_table_is_no_longer_watched() -> None:
    now = replace(WATCH, timeline=2, tables={SOURCE: replace(WATCH.tables[SOURCE], oid=6)})
    drifts = source_drifts(BEFORE, now, TABLES)
    assert [drift.needs_load for drift in drifts] == [True]
    check = check_lineage(BEFORE, now, GOOD)
    assert check.verdict is SlotVerdict.REMADE
    # As it travels in the cursor.
    memory = HealthMemory(baseline=next_baseline(BEFORE, now, check, TABLES, drifts))
    assert HealthMemory.from_json(memory.to_json()).baseline == BEFORE
    assert next_baseline(BEFORE, now, check, (), ()) == Baseline((1, 2), WATCH.counters)


def test_a_table_loaded_anew_is_compared_with_what_it_is_since_then() -> None:
    now = replace(WATCH, tables={SOURCE: replace(WATCH.tables[SOURCE], oid=6)})
    reloaded = (replace(TABLES[0], record=replace(RECORD, loaded_at=NOW.replace(hour=1))),)
    assert source_drifts(BEFORE, now, reloaded) == ()


def test_a_target_without_bookkeeping_is_told_but_not_loaded_anew() -> None:
    (drift,) = target_drifts(TargetWatch({TARGET: 7}, {}), TABLES, pipeline_id=uuid4())
    assert not drift.needs_load
    assert target_drifts(TargetWatch({TARGET: 7}, {"a": (ours := uuid4())}), TABLES, pipeline_id=ours) == ()
