"""Load and stream into SQL Server as a user lives them: under writers, stopped, started again."""

from cdc_assets.model.status import CdcStatus, PipelineStatus, TableState
from cdc_assets_tests.services.workload import TABLES, Writers, create_tables
from cdc_assets_tests.sqlserver.bench import SqlServerBench

_TWO = "CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (id int PRIMARY KEY, v text);"
_ROWS = "INSERT INTO a SELECT g, 'a' || g FROM generate_series(1, 500) g; INSERT INTO b SELECT * FROM a;"


def test_a_hand_off_under_writers_and_a_restart_lose_nothing(stream_bench: SqlServerBench) -> None:
    bench = stream_bench
    create_tables(bench.databases.source_url, rows=4000)
    pipeline = bench.pipeline(*TABLES, chunk_mb=1)
    with Writers(bench.databases.source_url, per_second=50) as writers:
        writers.wait_for(100)
        bench.sync(pipeline)
        assert bench.record().status is PipelineStatus.RUNNING
        assert set(bench.states().values()) == {TableState.STREAMING}
        writers.wait_for(300)
        bench.stop(pipeline)
        writers.wait_for(100)
        bench.sync(pipeline)
        writers.wait_for(200)
        assert writers.stop() > 700
    bench.until_equal(*TABLES, seconds=180)


def test_what_is_written_while_stopped_arrives_after_the_next_start_without_a_reload(
    stream_bench: SqlServerBench,
) -> None:
    bench = stream_bench
    bench.source(_TWO + _ROWS)
    pipeline = bench.pipeline("a", "b")
    bench.sync(pipeline)
    loaded = [table.load_lsn for table in bench.record().tables]
    bench.source(
        "UPDATE a SET v = 'changed' WHERE id % 2 = 0; DELETE FROM b WHERE id < 100; UPDATE b SET id = id + 1000"
    )
    bench.until_equal("a", "b")

    bench.stop(pipeline)
    record = bench.record()
    assert (record.status, record.cdc_status) == (PipelineStatus.STOPPED, CdcStatus.STOPPED)
    sinks = bench.target("SELECT COUNT(*) FROM sys.dm_exec_sessions WHERE program_name LIKE '%sink%'")
    assert sinks == [(0,)], "nobody writes to the target of a stopped pipeline"
    bench.source("TRUNCATE b; INSERT INTO b VALUES (7, 'after'), (8, NULL); UPDATE a SET v = v || '!'")
    bench.sync(pipeline)
    bench.until_equal("a", "b")
    assert [table.load_lsn for table in bench.record().tables] == loaded


def test_a_large_value_that_is_not_touched_stays(stream_bench: SqlServerBench) -> None:
    bench = stream_bench
    bench.source(
        "CREATE TABLE d (id int PRIMARY KEY, title text, body text);"
        "ALTER TABLE d ALTER body SET STORAGE EXTERNAL;"
        "INSERT INTO d SELECT g, 'title', repeat(md5(g::text), 2000) FROM generate_series(1, 20) g"
    )
    bench.sync(bench.pipeline("d"))
    bench.source("UPDATE d SET title = 'new' WHERE id % 2 = 0; UPDATE d SET title = NULL WHERE id % 3 = 0")
    bench.until_equal("d")


def test_a_drop_leaves_nothing_of_ours(stream_bench: SqlServerBench) -> None:
    bench = stream_bench
    bench.source(_TWO + _ROWS)
    pipeline = bench.pipeline("a", "b")
    bench.sync(pipeline)
    bench.drop(pipeline, drop_target=True)
    assert [name for name in bench.server.tables() if name in ("a", "b")] == []
    assert bench.open_target(pipeline, 0).bookkeeping(bench.server.schema) == ()
