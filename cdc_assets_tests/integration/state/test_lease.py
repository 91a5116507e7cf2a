"""Two runs at once would load a table twice or make two slots: only the lease's holder may act, a stale one never."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta

import psycopg
import pytest
from tenacity import Retrying, retry_if_exception_type, retry_if_not_result, stop_after_delay, wait_fixed

from cdc_assets.adapters.pipeline_store import PostgresPipelineStore
from cdc_assets.adapters.pipeline_store.lease import PostgresLease
from cdc_assets.model.errors import IntentChangedError, LeaseHeldError, LeaseLostError, RunDiedError
from cdc_assets.model.record import Event, PipelineRecord
from cdc_assets.model.status import Intent
from cdc_assets_tests.integration.state.conftest import LONG
from cdc_assets_tests.integration.state.run_process import AT_COMMIT, OK, RunProcess, run_process
from cdc_assets_tests.integration.state.steps import EVERY_METHOD, STEPS

SHORT = timedelta(seconds=1.5)
WHEN_FREE = Retrying(
    retry=retry_if_exception_type(LeaseHeldError), stop=stop_after_delay(60), wait=wait_fixed(0.05), reraise=True
)


@pytest.fixture
def two_runs(state_url: str) -> Iterator[tuple[RunProcess, RunProcess]]:
    with run_process(state_url, life=LONG) as one, run_process(state_url, life=LONG) as other:
        yield one, other


@pytest.fixture
def short_run(state_url: str) -> Iterator[RunProcess]:
    with run_process(state_url, life=SHORT) as process:
        yield process


def _everything(store: PostgresPipelineStore, name: str) -> tuple[PipelineRecord | None, tuple[Event, ...]]:
    return store.find(name), store.events(name, limit=1000)


def test_of_two_runs_at_once_one_gets_the_lease(wanted: str, two_runs: tuple[RunProcess, RunProcess]) -> None:
    for turn in range(20):
        for position, run in enumerate(two_runs):
            run.tell("take", wanted, f"run-{turn}-{position}", 1)
        answers = [run.answer() for run in two_runs]
        assert sorted(answers) == [LeaseHeldError.__name__, OK]
        holder = two_runs[answers.index(OK)]
        assert holder.ask("do", "prepared") == OK
        assert holder.ask("leave") == OK


def test_a_held_lease_names_its_holder(store: PostgresPipelineStore, wanted: str, short_run: RunProcess) -> None:
    assert short_run.take(wanted, "the-other-run") == OK
    with pytest.raises(LeaseHeldError, match=f"the-other-run.*{short_run.process.pid}"):
        store.take_lease(wanted, run_id="me").__enter__()


def test_a_working_run_keeps_its_lease_far_beyond_one_life(
    store: PostgresPipelineStore, wanted: str, short_run: RunProcess
) -> None:
    assert short_run.take(wanted, "long") == OK
    first = store.find(wanted)
    assert first is not None
    assert first.lease_expires_at is not None
    later = first.lease_expires_at + 3 * SHORT

    def expires() -> bool:
        record = store.find(wanted)
        assert record is not None
        assert record.lease_is_live
        return record.lease_expires_at is not None and record.lease_expires_at > later

    Retrying(retry=retry_if_not_result(bool), stop=stop_after_delay(60), wait=wait_fixed(0.1))(expires)
    assert short_run.ask("do", "prepared") == OK


def test_leaving_frees_the_lease_also_on_an_error(store: PostgresPipelineStore, wanted: str) -> None:
    def fail() -> None:
        with store.take_lease(wanted, run_id="one"):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with store.take_lease(wanted, run_id="two") as lease:
        assert lease.epoch == 2
    assert not [event for event in store.events(wanted) if event.field == "run"]


def test_a_killed_run_is_replaced_when_its_lease_has_run_out_not_before(
    store: PostgresPipelineStore, wanted: str, short_run: RunProcess
) -> None:
    assert short_run.take(wanted, "killed") == OK
    short_run.kill()
    with pytest.raises(LeaseHeldError):
        store.take_lease(wanted, run_id="too early").__enter__()
    lease = _take_when_free(store, wanted, "next")
    assert lease.check().last_error_code == RunDiedError.code
    deaths = [event for event in store.events(wanted) if event.field == "run"]
    assert [(event.old_value, (event.cause or "")[:8]) for event in deaths] == [("killed", "RUN_DIED")]


def test_a_stopped_process_that_wakes_can_do_nothing(
    store: PostgresPipelineStore, wanted: str, short_run: RunProcess
) -> None:
    assert short_run.take(wanted, "sleeper") == OK
    short_run.stop()
    _take_when_free(store, wanted, "next")
    before = _everything(store, wanted)
    short_run.go_on()
    for step in EVERY_METHOD.values():
        assert short_run.ask("do", step) == LeaseLostError.__name__, step
    assert short_run.ask("check") == LeaseLostError.__name__
    # Its own way out must not end the lease of the one that works now.
    assert short_run.ask("leave") == OK
    assert _everything(store, wanted) == before


def test_a_stopped_process_that_wakes_has_lost_its_lease_even_when_nobody_took_it(
    store: PostgresPipelineStore, wanted: str, short_run: RunProcess
) -> None:
    assert short_run.take(wanted, "sleeper") == OK
    short_run.stop()

    def is_live() -> bool:
        record = store.find(wanted)
        assert record is not None
        return record.lease_is_live

    Retrying(retry=retry_if_not_result(lambda live: not live), stop=stop_after_delay(60), wait=wait_fixed(0.05))(
        is_live
    )
    before = _everything(store, wanted)
    short_run.go_on()
    for step in EVERY_METHOD.values():
        assert short_run.ask("do", step) == LeaseLostError.__name__, step
    assert _everything(store, wanted) == before


def test_no_renewal_brings_back_a_lease_that_has_run_out(
    state_url: str, wanted: str, let_lease_run_out: Callable[[str], None]
) -> None:
    store = PostgresPipelineStore(state_url, lease_duration=timedelta(seconds=4))
    with store.take_lease(wanted, run_id="run") as lease:
        let_lease_run_out(wanted)
        # It ends at its next renewal, long before the process itself counts the lease as over.
        lease._renewal._thread.join(60)
        assert not lease._renewal._thread.is_alive()
        assert lease._renewal.is_lost
        record = store.find(wanted)
        assert record is not None
        assert not record.lease_is_live
    store.close()


def test_a_process_stopped_in_the_middle_of_a_change_keeps_nobody_waiting(
    store: PostgresPipelineStore, wanted: str, short_run: RunProcess
) -> None:
    assert short_run.take(wanted, "sleeper") == OK
    assert short_run.ask("wait at commit") == OK
    assert short_run.ask("do", "prepared") == AT_COMMIT
    short_run.stop()
    _take_when_free(store, wanted, "next")
    before = _everything(store, wanted)
    assert before[0] is not None
    assert before[0].table("projects").state == "NOT_STARTED"
    short_run.go_on()
    short_run.tell("go on and commit")
    assert short_run.answer() == LeaseLostError.__name__
    assert _everything(store, wanted) == before


@pytest.mark.parametrize("step", EVERY_METHOD.values(), ids=EVERY_METHOD)
def test_every_method_compares_the_epoch(
    store: PostgresPipelineStore, wanted: str, let_lease_run_out: Callable[[str], None], step: str
) -> None:
    with store.take_lease(wanted, run_id="old") as old:
        let_lease_run_out(wanted)
        with store.take_lease(wanted, run_id="new"):
            before = _everything(store, wanted)
            with pytest.raises(LeaseLostError, match="another run took over"):
                STEPS[step].act(old)
            with pytest.raises(LeaseLostError, match="another run took over"):
                old.check()
            assert _everything(store, wanted) == before


@pytest.mark.parametrize("step", EVERY_METHOD.values(), ids=EVERY_METHOD)
def test_every_method_compares_the_database_clock(
    store: PostgresPipelineStore, wanted: str, let_lease_run_out: Callable[[str], None], step: str
) -> None:
    with store.take_lease(wanted, run_id="old") as old:
        let_lease_run_out(wanted)
        before = _everything(store, wanted)
        with pytest.raises(LeaseLostError, match="ran out"):
            STEPS[step].act(old)
        with pytest.raises(LeaseLostError, match="ran out"):
            old.check()
        assert _everything(store, wanted) == before


@pytest.mark.parametrize("step", EVERY_METHOD.values(), ids=EVERY_METHOD)
def test_every_method_compares_the_intent(store: PostgresPipelineStore, wanted: str, step: str) -> None:
    with store.take_lease(wanted, run_id="run") as lease:
        store.write_intent(wanted, Intent.STOPPED, cause="a test")
        before = _everything(store, wanted)
        with pytest.raises(IntentChangedError, match="wanted STOPPED now, version 2"):
            STEPS[step].act(lease)
        with pytest.raises(IntentChangedError):
            lease.check()
        assert _everything(store, wanted) == before


def test_a_lease_for_a_version_that_was_replaced_is_refused(store: PostgresPipelineStore, wanted: str) -> None:
    store.write_intent(wanted, Intent.STOPPED, cause="a test")
    with pytest.raises(IntentChangedError, match="version 2"):
        store.take_lease(wanted, run_id="late", serves=1).__enter__()
    record = store.find(wanted)
    assert record is not None
    assert record.lease_holder is None
    with store.take_lease(wanted, run_id="stopper", serves=2) as lease:
        assert lease.check().intent is Intent.STOPPED


def test_a_released_lease_keeps_who_held_it_last(store: PostgresPipelineStore, wanted: str) -> None:
    with store.take_lease(wanted, run_id="one"):
        pass
    record = store.find(wanted)
    assert record is not None
    assert (record.lease_holder, record.lease_serves, record.lease_is_live) == ("one", 1, False)
    assert record.lease_taken_at is not None


def test_a_released_lease_is_no_right(store: PostgresPipelineStore, wanted: str) -> None:
    with store.take_lease(wanted, run_id="one") as lease:
        pass
    with pytest.raises(LeaseLostError):
        lease.serve()


def test_the_lease_of_a_dropped_pipeline_is_lost(store: PostgresPipelineStore, wanted: str, state_url: str) -> None:
    with store.take_lease(wanted, run_id="one") as lease:
        with psycopg.connect(state_url) as session:
            session.execute("DELETE FROM pipelines WHERE name = %s", [wanted])
        with pytest.raises(LeaseLostError, match="dropped"):
            lease.check()
        with pytest.raises(LeaseLostError, match="dropped"):
            lease.serve()


@pytest.fixture(autouse=True)
def _leave() -> Iterator[None]:
    yield
    _HELD.close()


_HELD = ExitStack()


def _take_when_free(store: PostgresPipelineStore, name: str, run_id: str) -> PostgresLease:
    """Take the lease as soon as the one before has run out; held until the test ends."""
    return WHEN_FREE(lambda: _HELD.enter_context(store.take_lease(name, run_id=run_id)))
