"""A load that waits for others on a SQL Server says for whom, in the state database, until that is over."""

from concurrent.futures import ThreadPoolExecutor

from cdc_assets.stages.full_load import full_load
from cdc_assets.stages.prepare import prepare
from cdc_assets.stages.run_watch import run_watched
from cdc_assets_tests.integration.load.bench import ONE_STREAM, after_chunks
from cdc_assets_tests.services.installation import wait_until
from cdc_assets_tests.sqlserver.bench import SqlServerBench


def _last_error(bench: SqlServerBench) -> str:
    record = bench.store.find(bench.name)
    return "" if record is None else record.last_error or ""


def test_a_lock_on_the_target_is_told_while_a_load_waits_for_it(bench: SqlServerBench) -> None:
    """Else a load that somebody's forgotten transaction holds up looks like one that is slow."""
    bench.source("CREATE TABLE t (id int PRIMARY KEY, v text)")
    bench.source("INSERT INTO t SELECT g, 'value ' || g FROM generate_series(1, 800) g")
    pipeline = bench.pipeline("t", options=ONE_STREAM)
    with bench.server.session(autocommit=False) as holder, ThreadPoolExecutor(1) as pool:

        def hold() -> None:
            holder.execute(f"ALTER TABLE {bench.server.table('t')} ADD another int NULL")

        with bench.run(pipeline, progress=after_chunks(1, hold)) as context, run_watched(context):
            prepare(context, ["t"])
            (session,) = holder.execute("SELECT @@SPID").fetchone()
            loading = pool.submit(full_load, context, ["t"])
            try:
                told = wait_until(lambda: _last_error(bench), what="the wait is told", seconds=60)
                assert f"a lock is waited for that session {session} holds" in told
                assert bench.record().last_error_code == "WAITING"
            finally:
                holder.connection.rollback()
            assert loading.result(timeout=60)["t"].error is None
            wait_until(lambda: not _last_error(bench), what="the wait is over", seconds=60)
            context.lease.serve()
    assert bench.differences([("t", "t")]) == {}
