"""Which alerts follow from the facts; times are arguments, nothing runs."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from cdc_assets.model.alert import Alert, AlertChannel, AlertKind, AlertRules
from cdc_assets.model.pipeline import SecretReference
from cdc_assets.model.record import Event, PipelineRecord, TableRecord
from cdc_assets.model.status import CdcStatus, FullLoadStatus, Intent, PipelineStatus, TableState
from cdc_assets.planning.alert_memory import AlertMemory
from cdc_assets.planning.alerts import decide
from cdc_assets_tests.services.records import pipeline_row, table_row

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
RUN = "0b7f4f0e-3c0a-4a54-9a53-0a2f5f2f8c11"
RULES = AlertRules(dagster_url="http://dagster", api_url="http://api")
ERROR = "target warehouse does not answer. Fix: start it"


def a_table(name: str, state: TableState = TableState.STREAMING, error: str | None = None) -> TableRecord:
    return table_row(name, state=state, last_error=error, updated_at=START)


def a_record(*tables: TableRecord, **changes: object) -> PipelineRecord:
    times = {"full_load_completed_at": START, "created_at": START, "updated_at": START}
    return pipeline_row(**{**times, "tables": tables or (a_table("orders"),), **changes})


GOOD = a_record()
CDC_ERROR = a_record(
    status=PipelineStatus.ERROR, cdc_status=CdcStatus.ERROR, last_error=ERROR, last_error_code="TARGET_UNAVAILABLE"
)


@dataclass
class Watch:
    """Looks again and again, as the sensor does; each time through the stored text, as after a restart."""

    rules: AlertRules = RULES
    text: str = field(default_factory=lambda: AlertMemory().to_json())
    now: datetime = START
    next_id: int = 1

    def look(self, *records: PipelineRecord, events: tuple[Event, ...] = (), after: float = 5) -> tuple[Alert, ...]:
        self.now += timedelta(seconds=after)
        memory, alerts = decide(
            AlertMemory.from_json(self.text), records=records, events=events, rules=self.rules, now=self.now
        )
        self.text = memory.to_json()
        return alerts

    def event(self, field_: str, old: str | None, new: str | None, **more: str) -> Event:
        self.next_id += 1
        return Event(
            id=self.next_id,
            at=self.now,
            pipeline_id=UUID(int=1),
            pipeline_name="sales",
            table_name=more.get("table"),
            field=field_,
            old_value=old,
            new_value=new,
            cause=more.get("cause"),
            run_id=more.get("run_id"),
        )


def kinds(alerts: tuple[Alert, ...]) -> list[AlertKind]:
    return [alert.kind for alert in alerts]


def test_a_failed_stream_is_told_once_with_cause_fix_and_links_and_its_end_once() -> None:
    watch = Watch()
    seen = [*watch.look(CDC_ERROR)]
    for _ in range(100):
        seen += watch.look(CDC_ERROR)
    (alert,) = seen
    assert (alert.kind, alert.title) == (AlertKind.CDC_FAILED, "sales: changes do not arrive")
    for part in (
        "target warehouse does not answer",
        "Fix: start it",
        "http://dagster/",
        "http://api/api/pipelines/sales",
    ):
        assert part in alert.body
    seen = []
    for _ in range(100):
        seen += watch.look(GOOD)
    assert [(each.kind, each.about) for each in seen] == [(AlertKind.RECOVERED, AlertKind.CDC_FAILED)]


def test_what_heals_by_itself_within_seconds_is_not_told() -> None:
    watch = Watch()
    assert [watch.look(CDC_ERROR), watch.look(CDC_ERROR), watch.look(GOOD)] == [(), (), ()]
    assert watch.look(GOOD, after=600) == ()


def test_a_stream_that_comes_and_goes_is_one_problem_and_no_storm() -> None:
    watch = Watch()
    watch.look(CDC_ERROR)
    told = [*watch.look(CDC_ERROR, after=31)]
    for _ in range(50):
        told += watch.look(GOOD, after=20)
        told += watch.look(CDC_ERROR, after=20)
    assert kinds(tuple(told)) == [AlertKind.CDC_FAILED]


def test_a_problem_that_stays_is_reminded_of() -> None:
    watch = Watch()
    watch.look(CDC_ERROR)
    watch.look(CDC_ERROR, after=31)
    assert watch.look(CDC_ERROR, after=3 * 3600) == ()
    (reminder,) = watch.look(CDC_ERROR, after=3700)
    assert reminder.is_reminder
    assert reminder.title == "sales: still: changes do not arrive"
    assert watch.look(CDC_ERROR, after=60) == ()


def test_reminders_can_be_off() -> None:
    watch = Watch(replace(RULES, remind_after=None))
    watch.look(CDC_ERROR)
    watch.look(CDC_ERROR, after=31)
    assert watch.look(CDC_ERROR, after=10 * 24 * 3600) == ()


def test_a_hundred_tables_that_fail_are_one_message_and_later_ones_another() -> None:
    def failed(count: int) -> PipelineRecord:
        tables = [a_table(f"t{n:03}", TableState.FAILED, f"table t{n:03} is locked. Fix: wait") for n in range(count)]
        return a_record(*tables, status=PipelineStatus.ERROR, full_load_status=FullLoadStatus.FAILED)

    watch = Watch()
    (first,) = watch.look(failed(100))
    assert first.kind is AlertKind.LOAD_FAILED
    assert first.title == "sales: the full load failed (100 tables)"
    assert "and 95 more tables" in first.body
    assert watch.look(failed(101)) == ()
    (more,) = watch.look(failed(101), after=301)
    assert more.title == "sales: more: the full load failed (101 tables)"
    assert watch.look(failed(101), after=301) == ()


def test_degraded_is_told_after_its_minutes_and_names_the_table() -> None:
    held = a_record(
        a_table("orders"), a_table("lines", TableState.QUARANTINED, "value too long. Fix: mend it"),
        status=PipelineStatus.ERROR,
    )  # fmt: skip
    watch = Watch()
    assert watch.look(held) == ()
    assert watch.look(held, after=290) == ()
    (alert,) = watch.look(held, after=11)
    assert (alert.kind, alert.title) == (AlertKind.DEGRADED, "sales: degraded (1 table)")
    assert "lines: value too long" in alert.body


def test_a_required_load_and_a_start_that_ended_early_are_told_at_once() -> None:
    (resync,) = Watch().look(
        a_record(a_table("orders", TableState.RESYNC_REQUIRED, "dropped"), status=PipelineStatus.ERROR)
    )
    assert resync.kind is AlertKind.RESYNC_REQUIRED
    early = a_record(
        a_table("orders", TableState.NOT_STARTED),
        status=PipelineStatus.ERROR,
        full_load_status=FullLoadStatus.NOT_STARTED,
        cdc_status=CdcStatus.NOT_STARTED,
        last_error="check source_login failed. Fix: correct the password",
    )
    (start,) = Watch().look(early)
    assert start.kind is AlertKind.START_FAILED
    assert "correct the password" in start.body


def test_wal_that_is_held_is_told_from_the_finding_and_ends_with_it() -> None:
    watch = Watch()
    found = watch.event("finding", None, "WAL_HELD", cause="the source keeps 9 GB. Fix: look")
    (alert,) = watch.look(GOOD, events=(found,))
    assert (alert.kind, "keeps 9 GB" in alert.body) == (AlertKind.WAL_HELD, True)
    gone = watch.event("finding", "WAL_HELD", None)
    watch.look(GOOD, events=(gone,))
    assert kinds(watch.look(GOOD, after=61)) == [AlertKind.RECOVERED]


def test_findings_of_a_lost_memory_are_void() -> None:
    watch = Watch()
    watch.look(GOOD, events=(watch.event("finding", None, "WAL_HELD", cause="much"),))
    watch.look(GOOD, events=(watch.event("finding", "*", None),))
    assert kinds(watch.look(GOOD, after=61)) == [AlertKind.RECOVERED]


def test_a_run_that_died_is_told_once_although_two_events_say_so() -> None:
    at_work = a_record(status=PipelineStatus.STARTING, intent_version=2)
    watch = Watch()
    events = (
        watch.event("run", RUN, None, cause="RUN_DIED: run ended without a word"),
        watch.event("last_error", None, "run 1 ended without a word. Fix: nothing", cause="RUN_DIED"),
    )
    (alert,) = watch.look(at_work, events=events)
    assert alert.kind is AlertKind.RUN_DIED
    assert watch.look(at_work, events=events) == ()
    served = a_record(intent_version=2, served_version=2)
    watch.look(served)
    watch.look(served)
    assert kinds(watch.look(served, after=61)) == [AlertKind.RECOVERED]


def test_when_every_run_died_that_is_the_one_alert_and_nothing_has_recovered() -> None:
    watch = Watch()
    watch.look(CDC_ERROR)
    told = [*watch.look(CDC_ERROR, after=31)]
    given_up = replace(CDC_ERROR, last_error="4 runs ended without a word. Fix: look", last_error_code="RUN_DIED")
    for _ in range(20):
        told += watch.look(given_up, after=30)
    assert kinds(tuple(told)) == [AlertKind.CDC_FAILED, AlertKind.RUN_DIED]
    told = []
    for _ in range(20):
        told += watch.look(GOOD, after=30)
    assert {alert.about for alert in told} == {AlertKind.RUN_DIED, AlertKind.CDC_FAILED}


def test_a_finished_load_is_told_once_with_the_run_to_look_at() -> None:
    watch = Watch()
    event = watch.event("full_load_status", "IN_PROGRESS", "COMPLETED", run_id=RUN)
    (alert,) = watch.look(GOOD, events=(event,))
    assert alert.kind is AlertKind.LOAD_FINISHED
    assert f"http://dagster/runs/{RUN}" in alert.body
    assert watch.look(GOOD, events=(event,)) == ()


def test_an_event_that_is_committed_after_a_later_one_is_told_too() -> None:
    watch = Watch()
    late = watch.event("full_load_status", "IN_PROGRESS", "COMPLETED")
    first = watch.event("intent", "STOPPED", "RUNNING")
    assert watch.look(GOOD, events=(first,)) == ()
    assert kinds(watch.look(GOOD, events=(late, first))) == [AlertKind.LOAD_FINISHED]
    assert watch.look(GOOD, events=(late, first), after=200) == ()
    assert AlertMemory.from_json(watch.text).mark == first.id
    assert not AlertMemory.from_json(watch.text).seen


def test_news_of_last_week_are_no_news() -> None:
    watch = Watch()
    event = watch.event("full_load_status", "IN_PROGRESS", "COMPLETED")
    assert watch.look(GOOD, events=(event,), after=7 * 24 * 3600) == ()


@pytest.mark.parametrize("end", ["stopped", "dropped"])
def test_what_the_operator_ended_is_over_without_a_word(end: str) -> None:
    watch = Watch()
    watch.look(CDC_ERROR)
    watch.look(CDC_ERROR, after=31)
    after = (replace(CDC_ERROR, intent=Intent.STOPPED, status=PipelineStatus.STOPPED),) if end == "stopped" else ()
    assert watch.look(*after) == ()
    assert watch.look(*after, after=3600 * 5) == ()


def test_a_pipeline_dropped_and_made_again_begins_anew() -> None:
    watch = Watch()
    watch.look(CDC_ERROR)
    watch.look(CDC_ERROR, after=31)
    again = replace(CDC_ERROR, id=UUID(int=2))
    assert watch.look(again) == ()
    assert kinds(watch.look(again, after=31)) == [AlertKind.CDC_FAILED]


def test_a_channel_takes_what_it_wants_and_the_end_of_it() -> None:
    alert = Watch().look(
        a_record(a_table("orders", TableState.RESYNC_REQUIRED, "dropped"), status=PipelineStatus.ERROR)
    )[0]
    address = SecretReference(env="X")
    end = replace(alert, kind=AlertKind.RECOVERED)
    assert AlertChannel("all", address).takes(alert)
    assert not AlertChannel("loads", address, kinds=frozenset({AlertKind.LOAD_FAILED})).takes(alert)
    assert not AlertChannel("other", address, pipelines=frozenset({"other"})).takes(alert)
    both = AlertChannel("both", address, kinds=frozenset({AlertKind.RESYNC_REQUIRED, AlertKind.RECOVERED}))
    assert both.takes(end)
    assert not AlertChannel("ends", address, kinds=frozenset({AlertKind.RECOVERED})).takes(end)
