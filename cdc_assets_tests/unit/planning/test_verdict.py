"""The verdict says what, where, why and what next, and does not call one table's trouble the stream's."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cdc_assets.model.connector import ConnectorReport, ConnectorState, ConnectorTask
from cdc_assets.model.errors import ConnectUnavailableError
from cdc_assets.model.marker import Marker
from cdc_assets.model.position import Lsn
from cdc_assets.planning.healing import RestartHistory
from cdc_assets.planning.health_memory import HealthMemory
from cdc_assets.planning.lag_plots import LagFigures
from cdc_assets.planning.sink_failures import SinkFailure, classify
from cdc_assets.planning.slot_check import SlotCheck, SlotVerdict
from cdc_assets.planning.verdict import Level, StreamFacts, judge, last_look

RUNNING = ConnectorState.RUNNING
NOW = datetime(2026, 11, 24, tzinfo=UTC)


def _report(name: str, task: ConnectorState = RUNNING, cause: str | None = None) -> ConnectorReport:
    return ConnectorReport(name, RUNNING, (ConnectorTask(0, task, "w", cause),))


FACTS = StreamFacts(
    pipeline="shop",
    observed_at=NOW,
    source_connector="s",
    sinks={"orders": "k0", "lines": "k1"},
    reports={name: _report(name) for name in ("s", "k0", "k1")},
    slot=SlotCheck(SlotVerdict.ACTIVE, "in use"),
)


def _with(report: ConnectorReport) -> StreamFacts:
    return replace(FACTS, reports={**FACTS.reports, report.name: report})


def test_all_running_and_moving_is_healthy() -> None:
    assert judge(replace(FACTS, standstill_seconds=14)).level is Level.HEALTHY


def test_running_without_moving_is_not() -> None:
    verdict = judge(replace(FACTS, standstill_seconds=15, waits_for="sinks behind the marker: k0"))
    assert verdict.stream_failure is not None
    assert verdict.stream_failure.code == "NOT_FLOWING"
    assert "k0" in str(verdict)


def test_a_stream_whose_progress_is_told_once_a_minute_stands_later() -> None:
    """As with workers that have Kafka's own `offset.flush.interval.ms`; after an outage the limit has an end."""
    assert judge(replace(FACTS, usual_seconds=14, standstill_seconds=15)).level is Level.FAILED
    slow = replace(FACTS, usual_seconds=60)
    assert judge(replace(slow, standstill_seconds=119)).level is Level.HEALTHY
    assert "for 120 s" in str(judge(replace(slow, standstill_seconds=120)))
    assert judge(replace(FACTS, usual_seconds=3600, standstill_seconds=150)).level is Level.FAILED


def test_a_failed_source_task_fails_the_stream_with_its_cause() -> None:
    verdict = judge(_with(_report("s", ConnectorState.FAILED, "PSQLException: FATAL: terminating")))
    assert verdict.stream_failure is not None
    assert "terminating" in str(verdict.stream_failure)


def test_a_refused_record_concerns_its_table_only() -> None:
    verdict = judge(_with(_report("k0", ConnectorState.FAILED, "PSQLException: ERROR: value too long for type")))
    (finding,) = verdict.findings
    assert (finding.table, finding.failure) == ("orders", SinkFailure.REFUSED_RECORD)
    assert verdict.stream_failure is None


def test_a_target_that_is_away_concerns_the_stream() -> None:
    verdict = judge(_with(_report("k0", ConnectorState.FAILED, "PSQLException: Connection refused")))
    assert verdict.stream_failure is not None
    assert verdict.stream_failure.table == "orders"


@pytest.mark.parametrize("state", [ConnectorState.STOPPED, ConnectorState.PAUSED])
def test_a_connector_held_against_the_intent_is_found(state: ConnectorState) -> None:
    verdict = judge(_with(ConnectorReport("k1", state, ())))
    assert verdict.stream_failure is not None
    assert str(state) in str(verdict)


def test_a_missing_connector_is_found_and_a_starting_one_is_only_degraded() -> None:
    reports = {name: report for name, report in FACTS.reports.items() if name != "k1"}
    assert judge(replace(FACTS, reports=reports)).level is Level.FAILED
    assert judge(_with(ConnectorReport("k1", RUNNING, ()))).level is Level.DEGRADED


def _after(facts: StreamFacts, seconds: float) -> Level:
    """The verdict on the same facts that many seconds later."""
    first = judge(facts)
    assert first.level is Level.DEGRADED
    return judge(replace(facts, observed_at=NOW + timedelta(seconds=seconds)), first.since).level


@pytest.mark.parametrize(
    ("state", "words"), [(RUNNING, "is starting"), (ConnectorState.UNASSIGNED, "waits for a worker of Kafka Connect")]
)
def test_a_connector_that_does_not_come_up_fails_the_stream_when_it_lasts(state: ConnectorState, words: str) -> None:
    facts = _with(ConnectorReport("k1", state, ()))
    assert words in str(judge(facts))
    assert _after(facts, 29) is Level.DEGRADED
    assert _after(facts, 30) is Level.FAILED


def test_what_passed_and_came_again_begins_to_count_anew() -> None:
    facts = _with(ConnectorReport("k1", RUNNING, ()))
    mended = judge(replace(FACTS, observed_at=NOW + timedelta(seconds=10)), judge(facts).since)
    again = judge(replace(facts, observed_at=NOW + timedelta(seconds=60)), mended.since)
    assert again.level is Level.DEGRADED


def test_what_may_pass_is_shown_with_the_time_at_which_it_is_a_failure() -> None:
    unread = replace(FACTS, slot=SlotCheck(SlotVerdict.USABLE, "replication slot g is usable from 0/1"))
    first = judge(unread)
    shown = last_look(unread, first)
    assert (shown.observed_at, shown.level) == (NOW, "DEGRADED")
    (finding,) = shown.findings
    assert (finding.code, finding.since, finding.fails_at) == ("NOT_FLOWING", NOW, NOW + timedelta(seconds=4))
    later = replace(unread, observed_at=NOW + timedelta(seconds=5))
    (finding,) = last_look(later, judge(later, first.since)).findings
    assert (finding.level, finding.since, finding.fails_at) == ("FAILED", NOW, None)
    lasting = replace(FACTS, remade_topics={"orders": "t.orders"})
    (finding,) = last_look(lasting, judge(lasting)).findings
    assert (finding.table, finding.since, finding.fails_at) == ("orders", None, None)
    assert last_look(FACTS, judge(FACTS)).findings == ()


def test_a_slot_that_nobody_reads_fails_the_stream_at_the_next_look_but_one() -> None:
    unread = replace(FACTS, slot=SlotCheck(SlotVerdict.USABLE, "replication slot g is usable from 0/1"))
    assert "nobody reads" in str(judge(unread))
    assert _after(unread, 5) is Level.FAILED
    starting = replace(unread, reports={**FACTS.reports, "s": ConnectorReport("s", RUNNING, ())})
    assert "nobody reads" not in str(judge(starting)), "a task that starts has not come to its slot yet"
    assert judge(replace(unread, is_paused=True)).level is Level.HEALTHY


def test_a_topic_that_ends_before_what_was_applied_is_a_gap_of_its_table() -> None:
    (finding,) = judge(replace(FACTS, remade_topics={"orders": "t.orders"})).findings
    assert (finding.table, finding.failure) == ("orders", SinkFailure.GAP)
    assert "t.orders" in str(finding.error)


def test_a_slot_that_lost_changes_comes_first() -> None:
    verdict = judge(replace(FACTS, slot=SlotCheck(SlotVerdict.MISSING, "replication slot g is gone", "reload")))
    assert verdict.stream_failure is not None
    assert verdict.stream_failure.code == "SLOT_UNUSABLE"


def test_connect_away_is_one_finding_not_one_a_connector() -> None:
    away = ConnectUnavailableError("Kafka Connect does not answer", hint="start it")
    assert len(judge(replace(FACTS, reports={}, outages=(away,))).findings) == 1


def test_the_same_trouble_has_the_same_keys_whatever_its_figures() -> None:
    first = judge(_with(_report("k0", ConnectorState.FAILED, "PSQLException: Connection refused")))
    second = judge(_with(_report("k0", ConnectorState.FAILED, "PSQLException: connection reset")))
    assert first.keys == second.keys
    assert first.keys != judge(FACTS).keys


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        ("OffsetOutOfRangeException: Fetch position FetchPosition is out of range for partition", SinkFailure.GAP),
        ("NoOffsetForPartitionException: Undefined offset with no reset policy for partitions", SinkFailure.GAP),
        (
            'PSQLException: ERROR: null value in column "v" of relation "t" violates not-null',
            SinkFailure.REFUSED_RECORD,
        ),
        ("ConnectException: Cannot alter table ... because schema evolution is disabled", SinkFailure.REFUSED_RECORD),
        ("PSQLException: ERROR: canceling statement due to lock timeout", SinkFailure.OTHER),
        ('PSQLException: FATAL: password authentication failed for user "u"', SinkFailure.OTHER),
        ("PSQLException: ERROR: deadlock detected", SinkFailure.OTHER),
    ],
)
def test_causes_are_sorted_by_what_helps(cause: str, kind: SinkFailure) -> None:
    assert classify(cause) is kind


def test_the_memory_survives_its_journey_as_text() -> None:
    now = datetime(2026, 11, 24, tzinfo=UTC)
    memory = HealthMemory(
        root="cdc_shop_1_abc123",
        observed_at=now,
        marker=Marker(Lsn(7), {"t": 3}),
        moved_at=now,
        footprint="f",
        passed_at=now,
        passed_lsn=Lsn(5),
        restarts={"s": RestartHistory(2, now)},
        findings=("a",),
        since={"a": now},
        emitted_at=now,
        passed_seconds=4.5,
        lag=LagFigures(now, 4.5, 1000, {"t": 3}),
    )
    assert HealthMemory.from_json(memory.to_json()) == memory
    assert HealthMemory.from_json(None) == HealthMemory.from_json("not json") == HealthMemory()


def test_the_lag_in_seconds_is_the_last_markers_way_or_that_of_one_that_takes_longer() -> None:
    now = datetime(2026, 11, 24, tzinfo=UTC)
    assert HealthMemory().seconds_behind(now) is None
    passed = HealthMemory(passed_seconds=4.0)
    assert passed.seconds_behind(now) == 4.0
    on_its_way = replace(passed, marker=Marker(Lsn(7)), emitted_at=now)
    assert on_its_way.seconds_behind(now + timedelta(seconds=1)) == 4.0
    assert on_its_way.seconds_behind(now + timedelta(minutes=2)) == 120.0


def test_in_a_pause_only_lost_changes_matter() -> None:
    stopped = {name: ConnectorReport(name, ConnectorState.STOPPED, ()) for name in ("s", "k0", "k1")}
    paused = replace(FACTS, is_paused=True, reports=stopped, standstill_seconds=99)
    assert judge(paused).level is Level.HEALTHY
    away = ConnectUnavailableError("away", hint="wait")
    assert judge(replace(paused, outages=(away,))).stream_failure is None
    gone = SlotCheck(SlotVerdict.MISSING, "gone")
    assert judge(replace(paused, slot=gone)).stream_failure is not None
