"""The log that the slot makes the source keep: told while there is room, and the end of it when the slot is lost."""

from collections.abc import Iterator
from contextlib import contextmanager

from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.status import CdcStatus, TableState
from cdc_assets_tests.integration.load.bench import execute
from cdc_assets_tests.integration.streaming.bench import StreamBench
from cdc_assets_tests.services.installation import wait_until

_LIMIT = "64MB"


@contextmanager
def _limited(bench: StreamBench) -> Iterator[None]:
    """The source keeps no more than that for a slot."""
    url = bench.databases.source_url
    try:
        execute(url, f"ALTER SYSTEM SET max_slot_wal_keep_size = '{_LIMIT}'")
        _reload(url, _LIMIT)
        yield
    finally:
        execute(url, "ALTER SYSTEM RESET max_slot_wal_keep_size")
        _reload(url, "-1")


def _reload(url: str, shown: str) -> None:
    execute(url, "SELECT pg_reload_conf()")
    wait_until(lambda: execute(url, "SHOW max_slot_wal_keep_size") == [(shown,)], what="the setting is in force")


def _running(bench: StreamBench) -> Pipeline:
    bench.source("CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a VALUES (1, 'one')")
    # Not captured: it only fills the log.
    bench.source("CREATE TABLE ballast (v text)")
    pipeline = bench.pipeline("a")
    bench.sync(pipeline)
    bench.look_until(pipeline, lambda _: bench.states()["a"] is TableState.STREAMING)
    return pipeline


def _write_log(bench: StreamBench, megabytes: int) -> None:
    bench.source(f"INSERT INTO ballast SELECT repeat('x', 1000) FROM generate_series(1, {megabytes * 1000})")


def test_a_slot_that_is_near_its_limit_is_told_and_then_lost(bench: StreamBench) -> None:
    pipeline = _running(bench)
    source = bench.names(pipeline).source_connector
    with _limited(bench):
        bench.connect.stop([source])
        _write_log(bench, 66)
        verdict = str(bench.look(pipeline).verdict)
        assert f"of log for replication slot {bench.names(pipeline).slot}" in verdict
        assert "more and it is lost (max_slot_wal_keep_size)" in verdict
        # The look has resumed the connector: what it reads is kept no longer.
        bench.source("INSERT INTO a VALUES (2, 'two')")
        bench.look_until(pipeline, lambda seen: "it is lost" not in str(seen.verdict))
        bench.until_equal("a")
        bench.connect.stop([source])
        bench.source("INSERT INTO a VALUES (3, 'nobody kept this')")
        _write_log(bench, 150)
        bench.source("CHECKPOINT")
        assert bench.source("SELECT wal_status FROM pg_replication_slots WHERE database = current_database()") == [
            ("lost",)
        ]
        report = bench.look(pipeline)
        record = bench.record()
        assert report.healed == ()
        assert (record.cdc_status, record.last_error_code) == (CdcStatus.ERROR, "SLOT_UNUSABLE")
        assert bench.states() == {"a": TableState.RESYNC_REQUIRED}
        assert bench.connect.reports()[source].is_stopped
