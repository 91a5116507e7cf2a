"""A run that waits for others says for whom, in the state database, and no longer when it is over."""

from concurrent.futures import ThreadPoolExecutor

import psycopg

from cdc_assets.stages.waits import target_watched
from cdc_assets_tests.integration.load.bench import LoadBench
from cdc_assets_tests.services.installation import wait_until


def _last_error(bench: LoadBench) -> str:
    record = bench.store.find(bench.name)
    return "" if record is None else record.last_error or ""


def test_a_lock_on_the_target_is_told_while_it_is_waited_for(bench: LoadBench) -> None:
    bench.source("CREATE TABLE t (id int PRIMARY KEY)")
    with (
        bench.run(bench.pipeline("t")) as context,
        psycopg.connect(bench.databases.target_url) as holder,
        ThreadPoolExecutor(1) as pool,
        target_watched(context.target, context.waits),
    ):
        holder.execute("SELECT pg_advisory_lock(7)")
        # Any session of this run will do: what it does is not looked at.
        session = context.target._sessions.open()  # type: ignore[attr-defined]
        waiting = pool.submit(session.execute, "SELECT pg_advisory_lock(7)")
        try:
            told = wait_until(lambda: _last_error(bench), what="the wait is told", seconds=60)
            assert f"a lock is waited for that pid {holder.info.backend_pid} holds" in told
            assert bench.record().last_error_code == "WAITING"
        finally:
            holder.close()
            waiting.result(timeout=60)
            session.close()
        wait_until(lambda: not _last_error(bench), what="the wait is over", seconds=60)


def test_open_transactions_on_the_source_are_told_until_the_slot_is_made(bench: LoadBench) -> None:
    bench.source("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
    with bench.source_session() as blocker, ThreadPoolExecutor(1) as pool:
        blocker.execute("SELECT pg_current_xact_id()")
        starting = pool.submit(bench.start, bench.pipeline("t"))
        try:
            told = wait_until(lambda: _last_error(bench), what="the wait is told", seconds=120)
            assert f"pid {blocker.info.backend_pid}" in told
        finally:
            blocker.rollback()
        assert starting.result(timeout=120)["t"].error is None
    assert bench.record().last_error is None
