"""The view of the source is lost, or no longer means what it meant: the load goes on under a newer one, complete."""

from datetime import timedelta

import pytest

from cdc_assets.model.errors import SourceError
from cdc_assets.model.pipeline import Mode
from cdc_assets.model.status import FullLoadStatus
from cdc_assets_tests.integration.load.bench import ONE_STREAM, LoadBench, after_chunks

_ROWS = "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 3000) g;"
_END_OURS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'cdc_assets:bench:%'"
_CHANGES = "DELETE FROM t WHERE id <= 10; UPDATE t SET v = v || '!' WHERE id % 2 = 0;INSERT INTO t VALUES (5000, 'new')"


@pytest.mark.parametrize("mode", [Mode.FULL_LOAD_AND_CDC, Mode.FULL_LOAD_ONLY])
def test_ended_sessions_make_the_table_begin_again_under_a_newer_view(bench_each: LoadBench, mode: Mode) -> None:
    bench = bench_each
    bench.source(_ROWS)

    def act() -> None:
        bench.source(_CHANGES)
        bench.source(_END_OURS)

    outcomes = bench.start(bench.pipeline("t", mode=mode, options=ONE_STREAM), progress=after_chunks(3, act))

    assert outcomes["t"].error is None
    assert bench.differences([("t", "t")]) == {}
    record = bench.record()
    assert record.full_load_status is FullLoadStatus.COMPLETED
    table = record.table("t")
    if mode.captures:
        assert table.load_lsn is not None
        assert table.captured_from_lsn is not None
        assert table.load_lsn > table.captured_from_lsn
    assert any("begin again under a newer snapshot" in line for line in bench.log)


@pytest.mark.parametrize(
    "rewrite",
    [
        "ALTER TABLE t ALTER v TYPE text USING v || '?'",
        "TRUNCATE t; INSERT INTO t SELECT g, 'w' || g FROM generate_series(1, 100) g",
        "VACUUM FULL t",
    ],
    ids=["rewritten", "truncated", "repacked"],
)
def test_rows_that_an_older_view_no_longer_sees_are_not_missed(bench: LoadBench, rewrite: str) -> None:
    bench.source(_ROWS)

    def act() -> None:
        for command in rewrite.split("; "):
            bench.source(command)

    outcomes = bench.start(bench.pipeline("t", options=ONE_STREAM), progress=after_chunks(3, act))

    assert outcomes["t"].error is None
    assert bench.differences([("t", "t")]) == {}


def test_a_table_truncated_again_before_the_newer_view_has_read_it_is_not_given_up(bench: LoadBench) -> None:
    # Seen red with one newer view only.
    bench.source(_ROWS)
    first, second = after_chunks(3, lambda: _refill(bench, 2000)), after_chunks(6, lambda: _refill(bench, 1500))

    def progress(moment: object) -> None:
        first(moment)
        second(moment)

    outcomes = bench.start(bench.pipeline("t", options=ONE_STREAM), progress=progress)

    assert outcomes["t"].error is None
    assert bench.differences([("t", "t")]) == {}
    assert sum("begin again under a newer snapshot" in line for line in bench.log) == 2


def _refill(bench: LoadBench, rows: int) -> None:
    bench.source("TRUNCATE t")
    bench.source(f"INSERT INTO t SELECT g, 'again ' || g FROM generate_series(1, {rows}) g")


def test_a_partition_attached_while_its_table_is_loaded_is_not_missed(bench: LoadBench) -> None:
    bench.source(
        "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id);"
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (1000);"
        "INSERT INTO p SELECT generate_series(0, 999)"
    )
    attach = (
        "CREATE TABLE p2 (id int PRIMARY KEY); INSERT INTO p2 SELECT generate_series(1000, 1999);"
        "ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (1000) TO (2000)"
    )

    outcomes = bench.start(
        bench.pipeline("p", options=ONE_STREAM), progress=after_chunks(3, lambda: bench.source(attach))
    )

    assert outcomes["p"].error is None
    assert bench.differences([("p", "p")]) == {}


def test_a_table_altered_while_it_is_loaded_fails_and_the_next_start_takes_it_up(bench: LoadBench) -> None:
    bench.source(_ROWS + "CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other VALUES (1)")
    pipeline = bench.pipeline("t", "other", options=ONE_STREAM)

    outcomes = bench.start(
        pipeline, progress=after_chunks(3, lambda: bench.source("ALTER TABLE t ALTER id TYPE bigint"))
    )

    assert outcomes["t"].error is not None
    assert "altered" in outcomes["t"].error.message
    assert outcomes["other"].error is None
    assert bench.start(pipeline)["t"].error is None
    assert bench.differences([("t", "t"), ("other", "other")]) == {}


def test_a_later_view_waits_for_what_was_open_and_names_it(bench: LoadBench) -> None:
    bench.source(_ROWS)
    bench.deadline = timedelta(seconds=6)
    pipeline = bench.pipeline("t", mode=Mode.FULL_LOAD_ONLY)
    with bench.source_session() as open_one:
        open_one.execute("SET application_name = 'the long one'")
        open_one.execute("INSERT INTO t VALUES (-1, 'open')")
        with pytest.raises(SourceError, match=r"older transactions are open: pid .*the long one"):
            bench.start(pipeline)
        open_one.commit()

    assert any("the long one" in line for line in bench.log)
    assert bench.start(pipeline)["t"].error is None
    assert bench.differences([("t", "t")]) == {}


def test_a_slot_that_cannot_be_made_in_time_names_who_blocks_and_leaves_none(bench: LoadBench) -> None:
    bench.source(_ROWS)
    bench.deadline = timedelta(seconds=2)
    with bench.source_session() as open_one:
        open_one.execute("SET application_name = 'the long one'")
        open_one.execute("SELECT pg_current_xact_id()")
        with pytest.raises(SourceError, match=r"it waits for: pid .*the long one"):
            bench.start(bench.pipeline("t"))

    assert bench.record().full_load_status is FullLoadStatus.IN_PROGRESS
    assert bench.source("SELECT slot_name FROM pg_replication_slots WHERE database = current_database()") == []
