"""What drifted keeps its old baseline until it is recorded; what only looks like drift is none."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from cdc_assets.model.position import Lsn, SlotPosition
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
from cdc_assets.planning.slot_check import SlotCheck, SlotVerdict
from cdc_assets.planning.target_types import may_alter_values
from cdc_assets_tests.services.records import table_row

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SOURCE, TARGET = TableName("public", "a"), TableName("dbo", "a")
RECORD = table_row("a", captured_from_lsn=Lsn(1), target_oid=7, loaded_at=NOW)
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
OURS = uuid4()


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
    # As it is kept.
    assert Baseline.from_json(next_baseline(BEFORE, now, check, TABLES, drifts).to_json()) == BEFORE
    assert next_baseline(BEFORE, now, check, (), ()) == Baseline((1, 2), WATCH.counters)


def test_a_table_loaded_anew_is_compared_with_what_it_is_since_then() -> None:
    now = replace(WATCH, tables={SOURCE: replace(WATCH.tables[SOURCE], oid=6)})
    reloaded = (replace(TABLES[0], record=replace(RECORD, loaded_at=NOW.replace(hour=1))),)
    assert source_drifts(BEFORE, now, reloaded) == ()


def test_a_target_without_bookkeeping_is_told_but_not_loaded_anew() -> None:
    (drift,) = target_drifts(TargetWatch({TARGET: 7}, {}), TABLES, pipeline_id=OURS)
    assert not drift.needs_load
    assert target_drifts(watched(), TABLES, pipeline_id=OURS) == ()


def watched(**columns: str) -> TargetWatch:
    """The target table with these columns."""
    return TargetWatch({TARGET: 7}, {"a": OURS}, {TARGET: columns})


def is_found(now: TargetWatch, *, made: Mapping[str, str] | None) -> bool:
    """Whether a look finds that the table, made with these columns, has to be loaded anew."""
    tables = (replace(TABLES[0], record=replace(RECORD, target_columns=made)),)
    return any(drift.needs_load for drift in target_drifts(now, tables, pipeline_id=OURS))


def test_a_column_that_was_cut_or_dropped_needs_a_new_load() -> None:
    made = {"id": "integer", "v": "numeric(10,2)"}
    assert not is_found(watched(**made), made=made)
    assert not is_found(watched(id="integer", v="numeric(14,2)"), made=made), "it holds every value"
    assert is_found(watched(id="integer", v="numeric(10,0)"), made=made)
    assert is_found(watched(id="integer"), made=made)


def test_a_column_that_somebody_added_is_theirs() -> None:
    assert not is_found(watched(id="integer", theirs="numeric(10,2)"), made={"id": "integer"})


def test_of_a_table_made_before_its_columns_were_recorded_nothing_is_told() -> None:
    assert not is_found(watched(id="integer"), made=None)


@pytest.mark.parametrize(
    ("then", "now", "may"),
    [
        ("numeric(10,2)", "numeric(10,0)", True),
        ("numeric(10,2)", "numeric(10,4)", True),
        ("numeric(10,2)", "numeric(12,2)", False),
        ("numeric(10,2)", "numeric", False),
        ("numeric", "numeric(10,2)", True),
        ("numeric(10,2)", "double precision", True),
        ("numeric(10,2)[]", "numeric(10,1)[]", True),
        ("double precision", "real", True),
        ("integer", "bigint", False),
        ("integer", "numeric", False),
        ("bigint", "integer", True),
        ("timestamp without time zone", "timestamp(0) without time zone", True),
        ("timestamp(6) without time zone", "timestamp without time zone", False),
        ("timestamp(3) with time zone", "timestamp(6) with time zone", False),
        ("timestamp without time zone", "date", True),
        ("timestamp without time zone", "timestamp with time zone", True),
        ("interval", "interval day to second(3)", True),
        ("interval", "interval(0)", True),
        ("character varying(10)", "character varying(20)", False),
        ("character varying(10)", "text", False),
        ("text", "character varying(10)", True),
        ("character(5)", "character(10)", True),
        ("json", "jsonb", True),
        ("bit(4)", "bit(5)", True),
        ("bit varying(4)", "bit varying(5)", False),
        # The server refuses what does not fit, and the sink says so.
        ("boolean", "integer", False),
        ("uuid", "text", False),
    ],
)
def test_types_that_alter_values_without_a_word(then: str, now: str, *, may: bool) -> None:
    assert may_alter_values(then, now) is may
