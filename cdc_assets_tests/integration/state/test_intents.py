"""Wishes of operators: two at once, a start during a stop, a stop during a load, a wish whose runs all died."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from cdc_assets.adapters.pipeline_store import PostgresPipelineStore
from cdc_assets.model.errors import IntentChangedError, LeaseHeldError, RunDiedError, UnknownPipelineError
from cdc_assets.model.pipeline import Mode
from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.status import CdcStatus, FullLoadStatus, Intent, PipelineStatus, TableState
from cdc_assets_tests.integration.state.steps import AWAY, STEPS, pipeline

DIED = RunDiedError("the run ended without a word", hint="look at the memory")
UNTIL_SERVED = tuple(STEPS)[: tuple(STEPS).index("served") + 1]
UNTIL_CATCHING_UP = tuple(STEPS)[: tuple(STEPS).index("catching up") + 1]
UNTIL_LOADING = tuple(STEPS)[: tuple(STEPS).index("loading") + 1]


def _live(store: PostgresPipelineStore, name: str, steps: tuple[str, ...]) -> PipelineRecord:
    with store.take_lease(name, run_id="run") as lease:
        for step in steps:
            STEPS[step].act(lease)
        return lease.check()


def _found(store: PostgresPipelineStore, name: str) -> PipelineRecord:
    record = store.find(name)
    assert record is not None
    return record


@pytest.fixture
def running(store: PostgresPipelineStore, wanted: str) -> str:
    assert _live(store, wanted, UNTIL_SERVED).status is PipelineStatus.RUNNING
    return wanted


def test_a_recorded_pipeline_is_stopped_and_never_started(store: PostgresPipelineStore, name: str) -> None:
    record = store.ensure_pipeline(pipeline(name))
    assert (record.intent, record.intent_version, record.status) == (Intent.STOPPED, 0, PipelineStatus.NOT_STARTED)
    assert store.write_intent(name, Intent.STOPPED, cause="a test") == record


def test_an_unknown_pipeline_has_no_intent(store: PostgresPipelineStore) -> None:
    with pytest.raises(UnknownPipelineError, match="nobody"):
        store.write_intent("nobody", Intent.RUNNING, cause="a test")
    assert store.find("nobody") is None


def test_two_starts_at_once_are_one_wish(store: PostgresPipelineStore, name: str) -> None:
    for turn in range(10):
        one = f"{name}_{turn}"
        barrier = Barrier(4)

        def start(one: str = one, barrier: Barrier = barrier) -> int:
            barrier.wait()
            store.ensure_pipeline(pipeline(one))
            return store.write_intent(one, Intent.RUNNING, cause="a test").intent_version

        with ThreadPoolExecutor(4) as threads:
            versions = [future.result() for future in [threads.submit(start) for _ in range(4)]]
        assert versions == [1, 1, 1, 1]
        assert len(_found(store, one).tables) == 2
        wishes = [event for event in store.events(one) if event.field == "intent" and event.table_name is None]
        assert [(event.old_value, event.new_value) for event in wishes] == [(None, "STOPPED"), ("STOPPED", "RUNNING")]


def test_a_start_of_a_running_pipeline_changes_nothing(store: PostgresPipelineStore, running: str) -> None:
    before = _found(store, running)
    assert store.write_intent(running, Intent.RUNNING, cause="a test") == before


def test_a_start_while_one_is_under_way_changes_nothing(store: PostgresPipelineStore, wanted: str) -> None:
    assert store.write_intent(wanted, Intent.RUNNING, cause="a test").intent_version == 1


def test_a_stop_during_a_load_reaches_the_run(store: PostgresPipelineStore, wanted: str) -> None:
    with store.take_lease(wanted, run_id="loading", serves=1) as lease:
        for step in UNTIL_LOADING:
            STEPS[step].act(lease)
        assert store.write_intent(wanted, Intent.STOPPED, cause="a test").status is PipelineStatus.STOPPING
        with pytest.raises(IntentChangedError):
            lease.set_table("projects", TableState.LOADED, cause="a test")
        with pytest.raises(LeaseHeldError):
            store.take_lease(wanted, run_id="stopper", serves=2).__enter__()
    with store.take_lease(wanted, run_id="stopper", serves=2) as lease:
        lease.set_table("projects", TableState.PREPARED, cause="a test")
        lease.set_full_load(FullLoadStatus.FAILED, cause="stopped")
        lease.serve()
    assert _found(store, wanted).status is PipelineStatus.STOPPED


def test_a_start_that_overtakes_a_stop_is_not_shown_as_running(store: PostgresPipelineStore, running: str) -> None:
    store.write_intent(running, Intent.STOPPED, cause="a test")
    with store.take_lease(running, run_id="stopper", serves=2) as stopper:
        # Here it stops connectors; `cdc_status` still says RUNNING.
        record = store.write_intent(running, Intent.RUNNING, cause="a test")
        assert (record.intent_version, record.cdc_status) == (3, CdcStatus.RUNNING)
        assert record.status is PipelineStatus.STARTING
        with pytest.raises(IntentChangedError):
            stopper.set_cdc(CdcStatus.STOPPED, cause="a test")
    with store.take_lease(running, run_id="starter", serves=3) as starter:
        starter.set_cdc(CdcStatus.STARTING, cause="a test")
        starter.set_cdc(CdcStatus.RUNNING, cause="a test")
    assert _found(store, running).status is PipelineStatus.RUNNING


def test_running_is_said_by_both_words_in_one_transaction(store: PostgresPipelineStore, wanted: str) -> None:
    record = _live(store, wanted, UNTIL_SERVED[:-1])
    assert (record.cdc_status, record.status) == (CdcStatus.RUNNING, PipelineStatus.RUNNING)


def test_a_run_of_some_tables_does_not_serve_the_wish_for_all(store: PostgresPipelineStore, wanted: str) -> None:
    record = _live(store, wanted, (*UNTIL_CATCHING_UP, "streaming", "flowing"))
    assert (record.table("projects").state, record.table("orders").state) == (TableState.STREAMING, TableState.LOADED)
    assert (record.cdc_status, record.status) == (CdcStatus.RUNNING, PipelineStatus.STARTING)
    assert record.served_version == 0


def test_running_with_a_failed_table_is_served_by_its_run_not_by_the_word(
    store: PostgresPipelineStore, wanted: str
) -> None:
    with store.take_lease(wanted, run_id="run") as lease:
        for step in (*UNTIL_LOADING, "loaded", "other table fails", "load fails", "capture starts", "flowing"):
            STEPS[step].act(lease)
        assert lease.check().status is PipelineStatus.STARTING
        lease.serve()
        record = lease.check()
    assert (record.full_load_status, record.cdc_status) == (FullLoadStatus.FAILED, CdcStatus.RUNNING)
    assert record.status is PipelineStatus.ERROR


@pytest.mark.parametrize("intent", [Intent.RUNNING, Intent.STOPPED])
def test_the_same_wish_after_it_failed_is_a_new_try(store: PostgresPipelineStore, running: str, intent: Intent) -> None:
    version = 1
    if intent is Intent.STOPPED:
        version = store.write_intent(running, intent, cause="a test").intent_version
    with store.take_lease(running, run_id="run") as lease:
        lease.set_cdc(CdcStatus.ERROR, cause="a test")
        lease.serve()
    assert _found(store, running).status is PipelineStatus.ERROR
    record = store.write_intent(running, intent, cause="a test")
    assert (record.intent_version, record.attempt, record.asked_at) == (version + 1, 0, None)
    assert record.status in {PipelineStatus.STARTING, PipelineStatus.STOPPING}


def test_attempts_are_counted_for_the_open_version_only(store: PostgresPipelineStore, wanted: str) -> None:
    assert [store.note_run_asked(wanted, version=1) for _ in range(2)] == [1, 2]
    asked = _found(store, wanted)
    assert asked.attempt == 2
    assert asked.asked_at is not None
    assert asked.last_error is None
    with pytest.raises(IntentChangedError):
        store.note_run_asked(wanted, version=2)
    store.write_intent(wanted, Intent.STOPPED, cause="a test")
    with pytest.raises(IntentChangedError):
        store.note_run_asked(wanted, version=1)
    assert store.note_run_asked(wanted, version=2) == 1


def test_a_served_version_gets_no_run(store: PostgresPipelineStore, running: str) -> None:
    with pytest.raises(IntentChangedError, match="served 1"):
        store.note_run_asked(running, version=1)


def test_a_death_is_shown_until_a_later_run_reaches_the_aim(store: PostgresPipelineStore, wanted: str) -> None:
    store.note_run_asked(wanted, version=1)
    store.note_run_asked(wanted, version=1, died=DIED)
    record = _found(store, wanted)
    assert (record.last_error, record.last_error_code) == (str(DIED), "RUN_DIED")
    assert (record.failed_step, record.last_error_at is not None) == ("run", True)
    assert store.events(wanted)[-1].cause == "RUN_DIED"
    without_clearing = tuple(step for step in UNTIL_SERVED if step not in {"error recorded", "error gone"})
    record = _live(store, wanted, without_clearing)
    assert (record.status, record.last_error, record.last_error_code) == (PipelineStatus.RUNNING, None, None)


def test_giving_up_waits_for_a_live_run(store: PostgresPipelineStore, wanted: str) -> None:
    with store.take_lease(wanted, run_id="alive"):
        before = _found(store, wanted)
        assert not store.give_up(wanted, version=1, error=DIED)
        assert _found(store, wanted) == before


@pytest.mark.parametrize("version", [0, 2])
def test_only_the_newest_version_can_be_given_up(store: PostgresPipelineStore, wanted: str, version: int) -> None:
    before = _found(store, wanted)
    assert not store.give_up(wanted, version=version, error=DIED)
    assert _found(store, wanted) == before


def test_given_up_while_it_loaded(
    store: PostgresPipelineStore, wanted: str, let_lease_run_out: Callable[[str], None]
) -> None:
    with store.take_lease(wanted, run_id="dead") as lease:
        for step in UNTIL_LOADING:
            STEPS[step].act(lease)
        let_lease_run_out(wanted)
        assert store.give_up(wanted, version=1, error=DIED)
    record = _found(store, wanted)
    assert (record.full_load_status, record.cdc_status) == (FullLoadStatus.FAILED, CdcStatus.NOT_STARTED)
    assert (record.status, record.last_error) == (PipelineStatus.ERROR, str(DIED))
    projects = record.table("projects")
    assert (projects.state, projects.last_error_code) == (TableState.FAILED, "RUN_DIED")
    assert record.table("orders").state is TableState.NOT_STARTED
    assert [event.old_value for event in store.events(wanted) if event.field == "run"] == ["dead"]
    assert not store.give_up(wanted, version=1, error=DIED)
    assert store.write_intent(wanted, Intent.RUNNING, cause="a test").intent_version == 2


def test_given_up_before_its_first_step(store: PostgresPipelineStore, wanted: str) -> None:
    assert store.give_up(wanted, version=1, error=DIED)
    record = _found(store, wanted)
    assert record.full_load_status is FullLoadStatus.NOT_STARTED
    assert record.status is PipelineStatus.ERROR


@pytest.mark.parametrize("intent", [Intent.STOPPED, Intent.PAUSED])
def test_a_stop_that_was_given_up_is_not_shown_as_stopped(
    store: PostgresPipelineStore, running: str, intent: Intent
) -> None:
    store.write_intent(running, intent, cause="a test")
    assert store.give_up(running, version=2, error=DIED)
    record = _found(store, running)
    assert (record.cdc_status, record.status) == (CdcStatus.ERROR, PipelineStatus.ERROR)


def test_a_new_table_of_the_file_is_recorded_beside_the_others(store: PostgresPipelineStore, running: str) -> None:
    before = _found(store, running)
    record = store.ensure_pipeline(pipeline(running, tables=("projects", "invoices")))
    assert [table.source_table for table in record.tables] == ["invoices", "orders", "projects"]
    assert record.table("invoices").state is TableState.NOT_STARTED
    assert record.table("projects") == before.table("projects")
    # A run takes it up, as after a start.
    assert (record.intent, record.intent_version) == (Intent.RUNNING, before.intent_version + 1)
    assert record.status is PipelineStatus.STARTING


def test_a_new_mode_counts_only_while_nothing_was_started(store: PostgresPipelineStore, name: str) -> None:
    store.ensure_pipeline(pipeline(name))
    assert store.ensure_pipeline(pipeline(name, Mode.CDC_ONLY)).mode is Mode.CDC_ONLY
    with store.take_lease(name, run_id="run") as lease:
        assert store.ensure_pipeline(pipeline(name)).mode is Mode.CDC_ONLY
        lease.set_cdc(CdcStatus.STARTING, cause="a test")
    assert store.ensure_pipeline(pipeline(name)).mode is Mode.CDC_ONLY


def test_recording_again_writes_nothing(store: PostgresPipelineStore, running: str) -> None:
    before = store.events(running, limit=1000)
    record = _found(store, running)
    assert store.ensure_pipeline(pipeline(running)) == record
    assert store.events(running, limit=1000) == before


def test_a_dropped_pipeline_leaves_its_events_and_begins_anew(store: PostgresPipelineStore, running: str) -> None:
    old = _found(store, running)
    store.forget(running)
    assert store.find(running) is None
    assert store.events(running, limit=1000)[-1].new_value is None
    new = store.ensure_pipeline(pipeline(running))
    assert new.id != old.id
    assert (new.status, new.suffix, new.lease_epoch) == (PipelineStatus.NOT_STARTED, None, 0)
    assert store.events(running, limit=1000)[0].pipeline_id == old.id


def test_a_pipeline_at_work_is_not_forgotten(store: PostgresPipelineStore, wanted: str) -> None:
    with store.take_lease(wanted, run_id="run"), pytest.raises(LeaseHeldError):
        store.forget(wanted)
    assert store.find(wanted) is not None


def test_pipelines_are_listed_by_name(store: PostgresPipelineStore, name: str) -> None:
    for each in (f"{name}_b", f"{name}_a"):
        store.ensure_pipeline(pipeline(each))
    listed = [record.name for record in store.list_pipelines()]
    assert listed == sorted(listed)
    assert {f"{name}_a", f"{name}_b"} <= set(listed)


def test_an_error_shows_its_whole_sentence(store: PostgresPipelineStore, wanted: str) -> None:
    with store.take_lease(wanted, run_id="run") as lease:
        lease.fail("prepare", AWAY)
        record = lease.check()
    assert (record.last_error, record.last_error_code) == (str(AWAY), AWAY.code)
    assert record.failed_step == "prepare"
