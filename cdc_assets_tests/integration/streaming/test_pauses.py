"""A pause keeps changes and applies none; health leaves it alone; a resume goes on where it was and loads nothing."""

import pytest

from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.status import CdcStatus, Intent, PipelineStatus, TableState
from cdc_assets.planning.table_pauses import plan_table_pauses
from cdc_assets.stages.pause import hold_tables, pause, release_tables
from cdc_assets_tests.integration.streaming.bench import StreamBench

TABLES = "CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (id int PRIMARY KEY, v text);"
ROWS = "INSERT INTO a SELECT g, 'a' || g FROM generate_series(1, 50) g; INSERT INTO b SELECT * FROM a;"
CHANGES = (
    "INSERT INTO {t} SELECT g, 'later' FROM generate_series({n}, {n} + 40) g; DELETE FROM {t} WHERE id = {n} + 1; "
    "UPDATE {t} SET v = 'altered {n}' WHERE id % 3 = 0"
)


@pytest.fixture
def running(bench: StreamBench) -> Pipeline:
    """A pipeline that streams."""
    bench.source(TABLES + ROWS)
    pipeline = bench.pipeline("a", "b")
    bench.sync(pipeline)
    return pipeline


def _change(bench: StreamBench, *tables: str, number: int) -> None:
    for table in tables:
        bench.source(CHANGES.format(t=table, n=number))


def _pause(bench: StreamBench, pipeline: Pipeline) -> None:
    bench.store.write_intent("bench", Intent.PAUSED, cause="a test")
    with bench.run_as_recorded(pipeline) as context:
        pause(context)
        context.lease.serve()


def _follow_intents(bench: StreamBench, pipeline: Pipeline) -> None:
    with bench.run_as_recorded(pipeline) as context:
        pauses = plan_table_pauses(context.lease.check())
        hold_tables(context, pauses.hold)
        release_tables(context, pauses.release)


def _loads(bench: StreamBench) -> int:
    return sum(event.new_value == "LOADING" for event in bench.store.events("bench", limit=1000))


def test_a_paused_pipeline_applies_nothing_survives_a_shutdown_and_goes_on_without_a_load(
    bench: StreamBench, running: Pipeline
) -> None:
    _change(bench, "a", "b", number=1000)
    _pause(bench, running)
    record = bench.record()
    assert (record.status, record.cdc_status) == (PipelineStatus.PAUSED, CdcStatus.PAUSED)
    assert set(bench.states().values()) == {TableState.PAUSED}
    frozen = bench.target("SELECT id, v FROM dbo.a ORDER BY id")
    _change(bench, "a", "b", number=2000)
    # As `down` does; `up` then looks again and again.
    bench.connect.stop([name for name in bench.connect.reports() if name.startswith(bench.names(running).root)])
    _change(bench, "a", "b", number=3000)
    for _ in range(3):
        report = bench.look(running)
        assert report.healed == ()
        assert report.verdict is not None
        assert report.verdict.findings == ()
    assert not any(each.says_running for each in bench.connect.reports().values())
    assert bench.target("SELECT id, v FROM dbo.a ORDER BY id") == frozen
    assert bench.record().status is PipelineStatus.PAUSED
    bench.sync(running)
    assert bench.record().status is PipelineStatus.RUNNING
    _change(bench, "a", "b", number=4000)
    bench.until_equal("a", "b")
    assert _loads(bench) == 2
    steps = [event.new_value for event in bench.store.events("bench", limit=1000) if event.field == "cdc_status"]
    assert steps == ["NOT_STARTED", "STARTING", "RUNNING", "PAUSED", "RUNNING"]


def test_changes_lost_in_a_pause_are_seen_in_it(bench: StreamBench, running: Pipeline) -> None:
    _pause(bench, running)
    names = bench.names(running)
    bench.connect.stop([names.source_connector])
    bench.source(f"SELECT pg_drop_replication_slot('{names.slot}')")
    bench.look(running)
    record = bench.record()
    assert (record.status, record.last_error_code) == (PipelineStatus.ERROR, "SLOT_UNUSABLE")
    assert set(bench.states().values()) == {TableState.RESYNC_REQUIRED}


def test_a_table_in_quarantine_is_not_tried_in_a_pause_and_nothing_is_started_for_it(
    bench: StreamBench, running: Pipeline
) -> None:
    bench.target("ALTER TABLE dbo.a ADD CONSTRAINT planted CHECK (id < 1000)")
    bench.source("INSERT INTO a VALUES (2000, 'x')")
    bench.look_until(running, lambda _: bench.states()["a"] is TableState.QUARANTINED)
    _pause(bench, running)
    bench.connect.stop([bench.names(running).source_connector])
    # Each look comes when the longest pause between two tries is over.
    assert [bench.look(running, ahead=600).healed for _ in range(2)] == [(), ()]
    assert bench.states() == {"a": TableState.QUARANTINED, "b": TableState.PAUSED}
    assert not any(each.says_running for each in bench.connect.reports().values())
    bench.target("ALTER TABLE dbo.a DROP CONSTRAINT planted")
    bench.sync(running)
    bench.until_equal("a", "b")
    assert _loads(bench) == 2


def test_a_paused_table_holds_up_no_other_and_stays_paused_over_a_restart(
    bench: StreamBench, running: Pipeline
) -> None:
    bench.store.write_table_intent("bench", "a", Intent.PAUSED, cause="a test")
    _follow_intents(bench, running)
    assert bench.states()["a"] is TableState.PAUSED
    frozen = bench.target("SELECT id, v FROM dbo.a ORDER BY id")
    _change(bench, "a", "b", number=1000)
    bench.until_equal("b")
    # A marker passes the tables that flow; the held sink is neither waited for nor started.
    bench.look_until(running, lambda _: bench.memory.passed_lsn is not None)
    assert bench.record().status is PipelineStatus.RUNNING
    bench.stop(running)
    assert bench.states() == {"a": TableState.PAUSED, "b": TableState.LOADED}
    bench.sync(running)
    assert bench.states()["a"] is TableState.PAUSED
    _change(bench, "a", "b", number=2000)
    bench.until_equal("b")
    assert bench.target("SELECT id, v FROM dbo.a ORDER BY id") == frozen
    bench.store.write_table_intent("bench", "a", Intent.RUNNING, cause="a test")
    _follow_intents(bench, running)
    bench.look_until(running, lambda _: set(bench.states().values()) == {TableState.STREAMING})
    bench.until_equal("a", "b")
    assert _loads(bench) == 2


def test_a_table_in_quarantine_is_tried_again_at_once_by_a_resume(bench: StreamBench, running: Pipeline) -> None:
    bench.target("ALTER TABLE dbo.a ADD CONSTRAINT planted CHECK (id < 1000)")
    bench.source("INSERT INTO a VALUES (2000, 'x')")
    bench.look_until(running, lambda _: bench.states()["a"] is TableState.QUARANTINED)
    bench.target("ALTER TABLE dbo.a DROP CONSTRAINT planted")
    with bench.run_as_recorded(running) as context:
        release_tables(context, [context.lease.check().table("a")])
    bench.until_equal("a")
    assert _loads(bench) == 2
