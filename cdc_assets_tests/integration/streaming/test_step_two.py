"""Step 2 as a user lives it: started, stopped, started again, refused, dropped."""

from datetime import timedelta

import psycopg
import pytest

from cdc_assets.model.errors import NotFlowingError, SlotError
from cdc_assets.model.pipeline import Mode
from cdc_assets.model.status import CdcStatus, PipelineStatus, TableState
from cdc_assets.stages import flow
from cdc_assets_tests.integration.streaming.bench import StreamBench

TABLES = "CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (id int PRIMARY KEY, v text);"
ROWS = "INSERT INTO a SELECT g, 'a' || g FROM generate_series(1, 500) g; INSERT INTO b SELECT * FROM a;"


def test_a_start_ends_running_with_every_table_streaming(bench: StreamBench) -> None:
    bench.source(TABLES + ROWS)
    pipeline = bench.pipeline("a", "b")
    bench.sync(pipeline)
    record = bench.record()
    assert (record.status, record.cdc_status) == (PipelineStatus.RUNNING, CdcStatus.RUNNING)
    assert set(bench.states().values()) == {TableState.STREAMING}
    step = [line for line in bench.log if line.startswith("Step 2")]
    assert step[0] == "Step 2: Starting CDC setup for pipeline: bench (mode: full_load_and_cdc)"
    assert step[1] == "Step 2: Full load completed, now setting up CDC connectors"
    assert step[-1] == "Step 2: CDC status set to RUNNING and persisted to database"
    bench.source(
        "UPDATE a SET v = 'changed' WHERE id % 2 = 0; DELETE FROM b WHERE id < 100; UPDATE b SET id = id + 1000"
    )
    bench.until_equal("a", "b")


def test_a_second_start_leaves_a_stream_that_flows_alone(bench: StreamBench) -> None:
    bench.source(TABLES + ROWS)
    pipeline = bench.pipeline("a", "b")
    bench.sync(pipeline)
    before = bench.source("SELECT active_pid FROM pg_replication_slots WHERE database = current_database()")
    bench.sync(pipeline)
    assert bench.record().cdc_status is CdcStatus.RUNNING
    assert before == bench.source("SELECT active_pid FROM pg_replication_slots WHERE database = current_database()")


def test_what_is_written_while_stopped_arrives_after_the_next_start_without_a_reload(bench: StreamBench) -> None:
    bench.source(TABLES + ROWS)
    pipeline = bench.pipeline("a", "b")
    bench.sync(pipeline)
    loaded = [table.load_lsn for table in bench.record().tables]
    bench.stop(pipeline)
    record = bench.record()
    assert (record.status, record.cdc_status) == (PipelineStatus.STOPPED, CdcStatus.STOPPED)
    assert set(bench.states().values()) == {TableState.LOADED}
    assert bench.source("SELECT active_pid FROM pg_replication_slots WHERE database = current_database()") == [(None,)]
    assert bench.target("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'cdc_bench%sink%'") == [(0,)]
    bench.source("TRUNCATE b; INSERT INTO b VALUES (7, 'after'); UPDATE a SET v = v || '!'")
    bench.sync(pipeline)
    bench.until_equal("a", "b")
    assert [table.load_lsn for table in bench.record().tables] == loaded


def test_cdc_only_applies_changes_and_loads_nothing(bench: StreamBench) -> None:
    bench.source(TABLES)
    bench.target("CREATE SCHEMA dbo; CREATE TABLE dbo.a (id int PRIMARY KEY, v text)")
    pipeline = bench.pipeline("a", mode=Mode.CDC_ONLY)
    bench.sync(pipeline)
    assert bench.record().status is PipelineStatus.RUNNING
    bench.source("INSERT INTO a VALUES (1, 'x')")
    bench.until_equal("a")


def test_a_slot_dropped_meanwhile_is_not_made_again_at_now(bench: StreamBench) -> None:
    bench.source(TABLES + ROWS)
    pipeline = bench.pipeline("a", "b")
    bench.sync(pipeline)
    bench.stop(pipeline)
    bench.source(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()"
    )
    bench.source("INSERT INTO a VALUES (9999, 'written while nobody kept it')")
    with pytest.raises(SlotError, match="is gone"):
        bench.sync(pipeline)
    assert bench.record().status is PipelineStatus.ERROR
    assert set(bench.states().values()) == {TableState.RESYNC_REQUIRED}
    assert bench.source("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()") == [(0,)]


def test_a_slot_made_anew_by_somebody_is_refused(bench: StreamBench) -> None:
    bench.source(TABLES + ROWS)
    pipeline = bench.pipeline("a", "b")
    bench.sync(pipeline)
    bench.stop(pipeline)
    slot = bench.names(pipeline).slot
    bench.source(f"SELECT pg_drop_replication_slot('{slot}'); INSERT INTO a VALUES (9999, 'lost')")
    bench.source(f"SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')")
    with pytest.raises(SlotError, match="beyond"):
        bench.sync(pipeline)
    assert set(bench.states().values()) == {TableState.RESYNC_REQUIRED}


def test_a_refused_record_holds_its_table_and_no_other(bench: StreamBench) -> None:
    bench.source(TABLES + ROWS)
    pipeline = bench.pipeline("a", "b")
    bench.sync(pipeline)
    bench.stop(pipeline)
    bench.target("ALTER TABLE dbo.a ADD CONSTRAINT planted CHECK (id < 1000)")
    bench.source("INSERT INTO a VALUES (2000, 's3cret'); INSERT INTO b VALUES (2000, 'fine')")
    report = bench.sync(pipeline)
    assert set(report.failed) == {"a"}
    assert bench.states() == {"a": TableState.QUARANTINED, "b": TableState.STREAMING}
    record = bench.record()
    assert (record.cdc_status, record.status) == (CdcStatus.RUNNING, PipelineStatus.ERROR)
    error = record.table("a").last_error or ""
    assert 'violates check constraint "planted"' in error
    assert "s3cret" not in error
    bench.until_equal("b")


def test_running_is_not_said_while_a_sink_stands_still(bench: StreamBench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.source(TABLES + ROWS)
    pipeline = bench.pipeline("a", "b")
    bench.sync(pipeline)
    bench.stop(pipeline)
    bench.source("UPDATE a SET v = 'waits'")
    monkeypatch.setattr(flow, "_STANDSTILL", timedelta(seconds=8))
    with psycopg.connect(bench.databases.target_url) as session:
        # Readers may pass, the sink may not.
        session.execute("LOCK TABLE dbo.a IN SHARE MODE")
        with pytest.raises(NotFlowingError, match="_sink_0_a"):
            bench.sync(pipeline)
        assert bench.record().cdc_status is CdcStatus.ERROR


def test_a_drop_leaves_nothing_but_the_target(bench: StreamBench) -> None:
    bench.source(TABLES + ROWS)
    pipeline = bench.pipeline("a", "b")
    bench.sync(pipeline)
    names = bench.names(pipeline)
    report = bench.drop(pipeline)
    assert report.left == ()
    assert {f"replication slot {names.slot}", f"publication {names.publication}"} <= set(report.removed)
    assert not [name for name in bench.connect.reports() if name.startswith(names.root)]
    assert bench.kafka.topics_like(names.root) == bench.kafka.topics_like(names.heartbeat_topic) == ()
    assert bench.kafka.groups_like(f"connect-{names.root}") == ()
    assert bench.source("SELECT count(*) FROM pg_publication") == [(0,)]
    assert bench.source("SELECT DISTINCT relreplident::text FROM pg_class WHERE relname IN ('a', 'b')") == [("d",)]
    assert bench.target("SELECT count(*) FROM dbo.a") == [(500,)]
    assert bench.drop(pipeline).left == ()


def test_a_drop_takes_the_target_tables_only_when_asked(bench: StreamBench) -> None:
    bench.source(TABLES + ROWS)
    pipeline = bench.pipeline("a", "b")
    bench.sync(pipeline)
    bench.target("DROP TABLE dbo.b")
    report = bench.drop(pipeline, drop_target=True)
    assert report.left == ()
    # What was gone before it did not remove.
    assert [each for each in report.removed if each.startswith("target table")] == ["target table dbo.a"]
    assert bench.target("SELECT count(*) FROM pg_class WHERE relname IN ('a', 'b')") == [(0,)]
