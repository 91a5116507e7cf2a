"""What a look at a running stream sees, heals and records, with real faults."""

import re

import psycopg
import pytest
import requests
from tenacity import Retrying, retry_if_not_result, stop_after_delay, wait_fixed

from cdc_assets.model.errors import SecretMissingError
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.status import CdcStatus, Intent, PipelineStatus, TableState
from cdc_assets.planning.healing import HealKind
from cdc_assets.planning.verdict import Level
from cdc_assets.stages.health import HealthReport
from cdc_assets_tests.integration.streaming.bench import StreamBench

TABLES = "CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (id int PRIMARY KEY, v text);"
ROWS = "INSERT INTO a SELECT g, 'a' || g FROM generate_series(1, 50) g; INSERT INTO b SELECT * FROM a;"
SLOTS = "FROM pg_replication_slots WHERE database = current_database()"


@pytest.fixture
def running(bench: StreamBench) -> Pipeline:
    """A pipeline that streams."""
    bench.source(TABLES + ROWS)
    pipeline = bench.pipeline("a", "b")
    bench.sync(pipeline)
    assert bench.record().cdc_status is CdcStatus.RUNNING
    return pipeline


def _is_healthy(report: HealthReport) -> bool:
    return report.verdict is not None and report.verdict.level is Level.HEALTHY


def _is_running(bench: StreamBench) -> bool:
    return bench.record().cdc_status is CdcStatus.RUNNING


def _task_failed(bench: StreamBench, connector: str) -> None:
    waiting = Retrying(stop=stop_after_delay(60), wait=wait_fixed(0.2), retry=retry_if_not_result(bool))
    waiting(lambda: bench.connect.reports()[connector].failure)


def _end_walsender(bench: StreamBench, pipeline: Pipeline) -> None:
    bench.source(f"SELECT pg_terminate_backend(active_pid) {SLOTS}")
    _task_failed(bench, bench.names(pipeline).source_connector)


def test_a_stream_that_flows_is_healthy_and_markers_pass(bench: StreamBench, running: Pipeline) -> None:
    # Connect's word for a task may come after the marker that it has passed on.
    first = bench.look_until(running, lambda seen: bench.memory.passed_lsn is not None and _is_healthy(seen))
    assert first.healed == ()
    passed = bench.memory.passed_lsn
    events = len(bench.store.events("bench", limit=1000))
    bench.look_until(running, lambda _: bench.memory.passed_lsn != passed)
    written = bench.store.events("bench", limit=1000)[events:]
    assert written == (), "a healthy look writes nothing"


def test_a_failed_source_is_shown_restarted_and_running_again_only_when_a_marker_has_passed(
    bench: StreamBench, running: Pipeline
) -> None:
    _end_walsender(bench, running)
    report = bench.look(running)
    record = bench.record()
    assert (record.cdc_status, record.status) == (CdcStatus.ERROR, PipelineStatus.ERROR)
    # By timing it is the server's farewell or the broken connection.
    assert re.search(r"terminating connection|connection failed", record.last_error or ""), record.last_error
    assert [action.kind for action in report.healed] == [HealKind.RESTART]
    bench.source("INSERT INTO a VALUES (1000, 'after the fault')")
    bench.look_until(running, lambda _: _is_running(bench))
    assert bench.record().last_error is None
    bench.until_equal("a", "b")
    steps = [event.new_value for event in bench.store.events("bench", limit=1000) if event.field == "cdc_status"]
    assert steps == ["NOT_STARTED", "STARTING", "RUNNING", "ERROR", "STARTING", "RUNNING"]
    assert [event for event in bench.store.events("bench", limit=1000) if event.field == "heal"]


def test_nothing_is_healed_against_a_stop(bench: StreamBench, running: Pipeline) -> None:
    _end_walsender(bench, running)
    bench.store.write_intent("bench", Intent.STOPPED, cause="a test")
    report = bench.look(running)
    assert (report.verdict, report.healed) == (None, ())
    assert bench.connect.reports()[bench.names(running).source_connector].failure


def test_a_run_at_work_is_left_alone(bench: StreamBench, running: Pipeline) -> None:
    _end_walsender(bench, running)
    with bench.store.take_lease("bench", run_id="a run"):
        report = bench.look(running)
    # Not even judged: what a run changes just now is no trouble.
    assert (report.verdict, report.healed) == (None, ())
    assert bench.record().cdc_status is CdcStatus.RUNNING


def test_a_slot_dropped_under_a_failed_connector_is_never_made_again_at_now(
    bench: StreamBench, running: Pipeline
) -> None:
    _end_walsender(bench, running)
    bench.source(f"SELECT pg_drop_replication_slot(slot_name) {SLOTS}")
    bench.source("INSERT INTO a VALUES (1000, 'nobody kept this')")
    report = bench.look(running)
    assert report.healed == ()
    record = bench.record()
    assert (record.status, record.last_error_code) == (PipelineStatus.ERROR, "SLOT_UNUSABLE")
    assert set(bench.states().values()) == {TableState.RESYNC_REQUIRED}
    # A restart of the worker must not start it either.
    assert bench.connect.reports()[bench.names(running).source_connector].is_stopped
    assert bench.source(f"SELECT count(*) {SLOTS}") == [(0,)]


def test_a_slot_made_anew_at_now_is_seen_though_everything_says_running(bench: StreamBench, running: Pipeline) -> None:
    names = bench.names(running)
    bench.connect.stop([names.source_connector])
    bench.source(f"SELECT pg_drop_replication_slot('{names.slot}')")
    bench.source("INSERT INTO a VALUES (1000, 'nobody kept this')")
    bench.source(f"SELECT pg_create_logical_replication_slot('{names.slot}', 'pgoutput')")
    bench.look(running)
    assert bench.record().last_error_code == "SLOT_UNUSABLE"
    assert set(bench.states().values()) == {TableState.RESYNC_REQUIRED}


def test_a_stream_whose_tables_must_all_be_loaded_anew_stays_held_though_its_slot_is_usable_again(
    bench: StreamBench, running: Pipeline
) -> None:
    names = bench.names(running)
    bench.connect.stop([names.source_connector])
    bench.source(f"SELECT pg_copy_logical_replication_slot('{names.slot}', 'put_aside')")
    bench.source(f"SELECT pg_drop_replication_slot('{names.slot}')")
    bench.look(running)
    error = bench.record().last_error
    assert set(bench.states().values()) == {TableState.RESYNC_REQUIRED}
    bench.source(f"SELECT pg_copy_logical_replication_slot('put_aside', '{names.slot}')")
    for _ in range(2):
        assert bench.look(running).healed == ()
    assert bench.connect.reports()[names.source_connector].is_stopped
    assert (bench.record().cdc_status, bench.record().last_error) == (CdcStatus.ERROR, error), "the cause stays shown"


def test_a_table_in_quarantine_streams_again_when_the_cause_is_gone(bench: StreamBench, running: Pipeline) -> None:
    bench.target("ALTER TABLE dbo.a ADD CONSTRAINT planted CHECK (id < 1000)")
    bench.source("INSERT INTO a VALUES (2000, 's3cret'); INSERT INTO b VALUES (2000, 'fine')")
    _task_failed(bench, bench.names(running).sink_connector(0, running.tables[0]))
    bench.look(running)
    record = bench.record()
    assert bench.states() == {"a": TableState.QUARANTINED, "b": TableState.STREAMING}
    assert record.cdc_status is CdcStatus.RUNNING
    assert "s3cret" not in str(bench.store.events("bench", limit=1000))
    bench.until_equal("b")
    bench.target("ALTER TABLE dbo.a DROP CONSTRAINT planted")
    bench.look_until(running, lambda _: set(bench.states().values()) == {TableState.STREAMING})
    assert bench.record().table("a").last_error is None
    bench.until_equal("a", "b")
    assert bench.record().status is PipelineStatus.RUNNING


def test_connectors_stopped_by_a_shutdown_are_resumed_by_intent(bench: StreamBench, running: Pipeline) -> None:
    bench.connect.stop([bench.names(running).source_connector, *(n for n in bench.connect.reports() if "_sink_" in n)])
    report = bench.look(running)
    assert {action.kind for action in report.healed} == {HealKind.RESUME}
    assert len(report.healed) == 3
    bench.source("INSERT INTO a VALUES (1000, 'x')")
    bench.look_until(running, lambda _: _is_running(bench))
    bench.until_equal("a", "b")


def test_a_connector_held_by_hand_is_reported_and_left(bench: StreamBench, running: Pipeline) -> None:
    source = bench.names(running).source_connector
    requests.put(f"{bench.connect_url}/connectors/{source}/pause", timeout=10)
    report = bench.look_until(running, lambda _: bench.record().cdc_status is CdcStatus.ERROR)
    assert report.healed == ()
    assert "is PAUSED though the pipeline shall run" in (bench.record().last_error or "")


def test_running_without_moving_is_an_error_that_names_what_stands(bench: StreamBench, running: Pipeline) -> None:
    with psycopg.connect(bench.databases.target_url) as session:
        # The sink waits for this lock; Connect says RUNNING all the while.
        session.execute("LOCK TABLE dbo.a IN SHARE MODE")
        bench.source("INSERT INTO a VALUES (1000, 'waits')")
        bench.look_until(running, lambda _: bench.record().cdc_status is CdcStatus.ERROR, seconds=25)
        record = bench.record()
        assert record.last_error_code == "NOT_FLOWING"
        assert "_sink_0_a" in (record.last_error or "")
    bench.look_until(running, lambda _: _is_running(bench))
    bench.until_equal("a", "b")


def test_a_stream_that_does_not_move_is_shown_within_thirty_seconds(bench: StreamBench, running: Pipeline) -> None:
    """Looked at every five seconds, as by the sensor; the worst moment is when a marker has just passed."""
    bench.look_until(running, lambda _: bench.memory.passed_lsn is not None and bench.memory.marker is None)
    with psycopg.connect(bench.databases.target_url) as session:
        session.execute("LOCK TABLE dbo.a IN SHARE MODE")
        bench.source("INSERT INTO a VALUES (1000, 'waits')")
        since = bench.clock.now()
        looking = Retrying(
            stop=stop_after_delay(90),
            wait=wait_fixed(5),
            retry=retry_if_not_result(lambda _: bench.record().cdc_status is CdcStatus.ERROR),
        )
        looking(bench.look, running, ahead=0)
        seconds = (bench.clock.now() - since).total_seconds()
        assert bench.record().last_error_code == "NOT_FLOWING"
    assert seconds <= 30
    bench.look_until(running, lambda _: _is_running(bench))


def test_a_password_that_is_gone_is_named(bench: StreamBench, running: Pipeline) -> None:
    with_password = bench.read_password

    def gone() -> str:
        raise SecretMissingError("file /run/app.password does not exist", hint="write the password into it")

    bench.read_password = gone
    bench.look(running)
    record = bench.record()
    assert (record.cdc_status, record.last_error_code) == (CdcStatus.ERROR, "SECRET_MISSING")
    bench.read_password = with_password
    bench.look_until(running, lambda _: _is_running(bench))


def test_a_server_that_is_away_is_named(bench: StreamBench, running: Pipeline) -> None:
    reachable = bench.connect
    bench.connect = type(reachable)("http://127.0.0.1:9", patience_seconds=1)
    report: HealthReport = bench.look(running)
    assert bench.record().last_error_code == "CONNECT_UNAVAILABLE"
    assert report.has_changed
    assert not bench.look(running).has_changed
    bench.connect = reachable
    bench.look_until(running, lambda _: _is_running(bench))
