"""Who gets a run, and when a run counts as dead: a wrong answer costs two runs at once, or none at all."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.status import CdcStatus, FullLoadStatus, Intent, PipelineStatus
from cdc_assets.planning.run_requests import (
    AskRun,
    Decision,
    GiveUp,
    PauseIdle,
    StopIdle,
    Wait,
    decide,
    is_silent,
    run_key,
)
from cdc_assets_tests.services.records import pipeline_row

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
WANTED = pipeline_row(
    name="p",
    status=PipelineStatus.STARTING,
    full_load_status=FullLoadStatus.NOT_STARTED,
    cdc_status=CdcStatus.NOT_STARTED,
    full_load_completed_at=None,
    suffix=None,
    intent_version=3,
    served_version=2,
    updated_at=NOW,
)
ASKED = replace(WANTED, attempt=1, asked_at=NOW - timedelta(minutes=1))
AT_WORK = replace(
    ASKED, lease_is_live=True, lease_serves=3, lease_holder="run", lease_taken_at=NOW - timedelta(seconds=50)
)
LEASE_RAN_OUT = replace(AT_WORK, lease_is_live=False)


def _decide(record: PipelineRecord, *, pending: bool = False, alive: bool = True) -> Decision:
    return decide(record, now=NOW, run_is_pending=pending, holder_is_alive=alive)


def test_an_unserved_wish_to_run_gets_its_first_run() -> None:
    assert _decide(WANTED) == AskRun(3, 1, after_death=False)


def test_a_served_version_needs_nothing() -> None:
    assert _decide(replace(WANTED, served_version=3)) == Wait()


def test_a_queued_run_is_waited_for_however_long() -> None:
    assert _decide(replace(ASKED, asked_at=NOW - timedelta(hours=5)), pending=True) == Wait()


def test_a_run_at_work_is_left_alone() -> None:
    assert _decide(AT_WORK, pending=True) == Wait()


def test_a_materialize_at_work_gets_no_second_run() -> None:
    assert _decide(replace(AT_WORK, attempt=0, asked_at=None)) == Wait()


def test_a_run_that_ended_without_a_word_is_tried_again() -> None:
    assert _decide(AT_WORK, alive=False) == AskRun(3, 2, after_death=True)


def test_a_run_whose_lease_ran_out_is_dead_even_when_its_launcher_calls_it_running() -> None:
    assert _decide(LEASE_RAN_OUT, pending=True) == AskRun(3, 2, after_death=True)


def test_the_next_attempt_is_not_dead_because_the_one_before_was() -> None:
    second = replace(LEASE_RAN_OUT, attempt=2, asked_at=NOW - timedelta(seconds=1))
    assert _decide(second, pending=True) == Wait()


def test_attempts_come_with_a_growing_pause() -> None:
    second = replace(LEASE_RAN_OUT, attempt=2, asked_at=NOW - timedelta(seconds=6))
    assert _decide(second) == Wait()
    assert _decide(replace(second, asked_at=NOW - timedelta(seconds=11))) == AskRun(3, 3, after_death=True)


def test_after_three_more_attempts_it_is_given_up() -> None:
    assert _decide(replace(LEASE_RAN_OUT, attempt=3)) == AskRun(3, 4, after_death=True)
    assert _decide(replace(LEASE_RAN_OUT, attempt=4)) == GiveUp(3, 4)


def test_a_stop_of_an_idle_pipeline_needs_no_run() -> None:
    assert _decide(replace(WANTED, intent=Intent.STOPPED)) == StopIdle(3)


def test_a_stop_waits_until_the_run_has_let_go() -> None:
    running_at_2 = replace(AT_WORK, intent=Intent.STOPPED, lease_serves=2)
    assert _decide(running_at_2) == Wait()
    assert _decide(replace(running_at_2, lease_is_live=False)) == StopIdle(3)


def test_a_new_wish_waits_for_the_run_of_the_old_one() -> None:
    assert _decide(replace(WANTED, lease_is_live=True, lease_serves=2)) == Wait()


def test_a_holder_is_silent_when_a_renewal_is_missing() -> None:
    left = {seconds: replace(AT_WORK, lease_time_left=timedelta(seconds=seconds)) for seconds in (7.9, 4.9, 4.7, 0.1)}
    assert [seconds for seconds, record in left.items() if is_silent(record, timedelta(seconds=8))] == [4.7, 0.1]


def test_nobody_is_silent_without_a_live_lease() -> None:
    assert not is_silent(WANTED, timedelta(seconds=8))
    assert not is_silent(replace(LEASE_RAN_OUT, lease_time_left=timedelta(seconds=-1)), timedelta(seconds=8))


def test_a_run_key_names_version_and_attempt() -> None:
    assert run_key("p", 3, 2) == "p:3:2"


def test_a_wish_to_pause_is_carried_out_by_the_tick_once_nobody_works() -> None:
    paused = replace(AT_WORK, intent=Intent.PAUSED)
    assert _decide(paused) == Wait()
    assert _decide(replace(paused, lease_is_live=False)) == PauseIdle(3)
    assert _decide(replace(paused, lease_is_live=False, served_version=3)) == Wait()
