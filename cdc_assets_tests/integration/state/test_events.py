"""The history must tell what happened: events are the changes, neither more nor less, and cannot be rewritten."""

import random
from collections.abc import Callable, Sequence

import psycopg
import pytest

from cdc_assets.adapters.pipeline_store import PostgresPipelineStore
from cdc_assets.model.errors import IllegalTransitionError, StateDatabaseError, TargetError
from cdc_assets.model.position import Lsn
from cdc_assets.model.record import Event, PipelineRecord
from cdc_assets.model.status import TROUBLE, CdcStatus, FullLoadStatus, Intent, TableState, derive_status
from cdc_assets.ports.store import Lease
from cdc_assets_tests.integration.state.steps import STEPS, pipeline

# Written out: these are promised, whatever the store believes.
PIPELINE_FIELDS = ("mode", "intent", "intent_version", "full_load_status", "cdc_status", "last_error", "status")
TABLE_FIELDS = ("intent", "state", "last_error")
Values = dict[tuple[str | None, str], str | None]


def _replay(events: Sequence[Event]) -> Values:
    """Play the events from nothing; each must begin where the one before it ended."""
    values: Values = {}
    for event in events:
        if event.field not in (TABLE_FIELDS if event.table_name else PIPELINE_FIELDS):
            continue
        place = (event.table_name, event.field)
        assert values.get(place) == event.old_value, event
        assert event.old_value != event.new_value, event
        values[place] = event.new_value
    return values


def _recorded(record: PipelineRecord) -> Values:
    values: Values = {(None, field): _text(getattr(record, field)) for field in PIPELINE_FIELDS}
    for table in record.tables:
        values.update({(table.source_table, field): _text(getattr(table, field)) for field in TABLE_FIELDS})
    return {place: value for place, value in values.items() if value is not None}


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _actions(chance: random.Random) -> Sequence[Callable[[Lease], object]]:
    table = chance.choice(["projects", "orders"])
    error = TargetError(f"cause {chance.randrange(3)}", hint="mend it")
    return (
        lambda lease: lease.set_table(table, chance.choice(list(TableState)), cause="walk"),
        lambda lease: lease.set_full_load(chance.choice(list(FullLoadStatus)), cause="walk", lsn=Lsn(9)),
        lambda lease: lease.set_cdc(chance.choice(list(CdcStatus)), cause="walk"),
        lambda lease: lease.set_load_position(table, lsn=Lsn(9), start_offset=0, rows_estimated=0, bytes_estimated=0),
        lambda lease: lease.fail_table(table, chance.choice(sorted(TROUBLE)), error),
        lambda lease: lease.clear_table_error(table),
        lambda lease: lease.fail("walk", error),
        lambda lease: lease.clear_error(),
        lambda lease: lease.note("heal", "restart", cause="walk"),
        lambda lease: lease.set_progress(table, rows=chance.randrange(9), size_bytes=0),
        lambda lease: lease.serve(),
    )


@pytest.mark.parametrize("seed", range(6))
def test_replaying_the_events_gives_the_row(store: PostgresPipelineStore, name: str, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  a repeatable walk
    events: Sequence[Event] = ()
    store.ensure_pipeline(pipeline(name))
    for turn in range(8):
        store.write_intent(name, chance.choice(list(Intent)), cause="walk")
        with store.take_lease(name, run_id=f"run-{turn}") as lease:
            lease.set_captured_from(["projects", "orders"], Lsn(1))
            for _ in range(25):
                try:
                    chance.choice(_actions(chance))(lease)
                except IllegalTransitionError:
                    continue
                record = lease.check()
                assert record.status is derive_status(
                    intent=record.intent,
                    is_served=record.served_version >= record.intent_version,
                    mode=record.mode,
                    full_load=record.full_load_status,
                    cdc=record.cdc_status,
                    tables={table.state for table in record.tables},
                )
        events = store.events(name, limit=10_000)
        found = store.find(name)
        assert found is not None
        assert {place: value for place, value in _replay(events).items() if value is not None} == _recorded(found)
    assert len({event.field for event in events}) > len(PIPELINE_FIELDS)


def test_an_event_says_why_and_by_whom(store: PostgresPipelineStore, wanted: str) -> None:
    with store.take_lease(wanted, run_id="run-7") as lease:
        lease.set_table("projects", TableState.PREPARED, cause="made by step 0")
        lease.note("heal", "restart 1", cause="task FAILED", table="projects")
    change, note = store.events(wanted, limit=1000)[-2:]
    assert (change.table_name, change.field, change.old_value, change.new_value) == (
        "projects",
        "state",
        "NOT_STARTED",
        "PREPARED",
    )
    assert (change.cause, change.run_id, change.pipeline_name) == ("made by step 0", "run-7", wanted)
    assert (note.field, note.old_value, note.new_value, note.cause) == ("heal", None, "restart 1", "task FAILED")
    assert change.at <= note.at


def test_no_change_is_no_event(store: PostgresPipelineStore, wanted: str) -> None:
    with store.take_lease(wanted, run_id="run") as lease:
        STEPS["prepared"].act(lease)
        before = store.events(wanted, limit=1000)
        STEPS["prepared"].act(lease)
        STEPS["load position"].act(lease)
        STEPS["progress"].act(lease)
        lease.clear_error()
        lease.clear_table_error("projects")
    assert store.events(wanted, limit=1000) == before


def test_events_come_in_pages(store: PostgresPipelineStore, wanted: str) -> None:
    whole = store.events(wanted, limit=1000)
    first = store.events(wanted, limit=3)
    assert first + store.events(wanted, after=first[-1].id, limit=1000) == whole


def test_a_change_without_its_event_is_no_change(store: PostgresPipelineStore, wanted: str, state_url: str) -> None:
    with store.take_lease(wanted, run_id="run") as lease, psycopg.connect(state_url, autocommit=True) as session:
        before = store.find(wanted)
        session.execute("ALTER TABLE pipeline_events RENAME TO hidden")
        try:
            with pytest.raises(StateDatabaseError):
                lease.set_full_load(FullLoadStatus.IN_PROGRESS, cause="a test")
        finally:
            session.execute("ALTER TABLE hidden RENAME TO pipeline_events")
        assert store.find(wanted) == before


@pytest.mark.parametrize(
    "statement",
    ["UPDATE pipeline_events SET cause = 'other'", "DELETE FROM pipeline_events", "TRUNCATE pipeline_events"],
)
def test_events_cannot_be_rewritten(wanted: str, state_url: str, statement: str) -> None:
    with (
        psycopg.connect(state_url) as session,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"),
    ):
        session.execute(statement)
