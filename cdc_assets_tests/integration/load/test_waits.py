"""A run that waits for others says for whom, in the state database, until that is over or the run is stopped."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from cdc_assets.adapters.connect_secrets import EmbeddedConnectSecrets
from cdc_assets.model.errors import IntentChangedError
from cdc_assets.model.pipeline import Mode
from cdc_assets.model.report import Stage
from cdc_assets.model.status import Intent, PipelineStatus
from cdc_assets.stages.context import StageContext
from cdc_assets.stages.run_watch import run_watched
from cdc_assets.stages.stop import stop
from cdc_assets.stages.sync import sync
from cdc_assets_tests.integration.load.bench import LoadBench, after_chunks, execute
from cdc_assets_tests.services.installation import wait_until
from cdc_assets_tests.services.servers import PASSWORD, Databases

_SESSIONS = "SELECT application_name FROM pg_stat_activity WHERE starts_with(application_name, 'cdc_assets')"


def _last_error(bench: LoadBench) -> str:
    record = bench.store.find(bench.name)
    return "" if record is None else record.last_error or ""


def test_a_lock_on_the_target_is_told_while_it_is_waited_for(bench: LoadBench) -> None:
    bench.source("CREATE TABLE t (id int PRIMARY KEY)")
    with (
        bench.run(bench.pipeline("t")) as context,
        psycopg.connect(bench.databases.target_url) as holder,
        ThreadPoolExecutor(1) as pool,
        run_watched(context),
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


@pytest.fixture
def far_bench(databases: Databases, databases_15: Databases, kafka_bootstrap: str) -> Iterator[LoadBench]:
    """The target is on a server of its own: what holds it holds neither the source nor the state database."""
    made = LoadBench(replace(databases, target_url=databases_15.target_url), kafka_bootstrap)
    yield made
    made.close()


@contextmanager
def _commits_held(bench: LoadBench) -> Iterator[Callable[[], None]]:
    """Gives what makes the target wait for a synchronous standby that is not there; it is put back at the end."""
    url = bench.databases.target_url
    try:
        yield lambda: _reload(url, "SET synchronous_standby_names = 'elsewhere'")
    finally:
        _reload(url, "RESET synchronous_standby_names")


def _reload(url: str, change: str) -> None:
    execute(url, f"ALTER SYSTEM {change}")
    execute(url, "SELECT pg_reload_conf()")


@pytest.mark.parametrize("held_from", ["the beginning", "the first chunk on"])
def test_a_stop_ends_a_run_whose_commits_a_standby_holds_back(
    far_bench: LoadBench, tmp_path: Path, held_from: str
) -> None:
    """Else `stop` waits for the run, the run for its commit, and the commit for ever."""
    bench = far_bench
    bench.source("CREATE TABLE t (id int PRIMARY KEY, v text)")
    bench.source("INSERT INTO t SELECT g, md5(g::text) FROM generate_series(1, 5000) g")
    pipeline = bench.pipeline("t", mode=Mode.FULL_LOAD_ONLY)
    contexts: list[StageContext] = []

    def start(hold: Callable[[], None]) -> None:
        with bench.run(pipeline, progress=after_chunks(1, hold)) as context:
            contexts.append(context)
            sync(
                context,
                stages=frozenset({Stage.TARGET_SCHEMA, Stage.LOADED_TABLE}),
                tables=["t"],
                preflight=list,
                secrets=EmbeddedConnectSecrets(tmp_path, lambda _: PASSWORD),
                finished=lambda *_: None,
            )

    with ThreadPoolExecutor(1) as pool, _commits_held(bench) as hold:
        if held_from == "the beginning":
            hold()
        starting = pool.submit(start, hold)
        told = wait_until(lambda: _last_error(bench), what="the wait is told", seconds=60)
        assert "waits for a synchronous standby" in told
        bench.store.write_intent(bench.name, Intent.STOPPED, cause="a test")
        with pytest.raises(IntentChangedError):
            starting.result(timeout=60)
        with bench.store.take_lease(bench.name, run_id="stop") as lease:
            stop(replace(contexts[0], lease=lease))
            lease.serve()
        assert bench.record().status in {PipelineStatus.STOPPED, PipelineStatus.NOT_STARTED}
        assert bench.record().last_error is None
        wait_until(lambda: not bench.target(_SESSIONS), what="no session of the run is left", seconds=30)
    assert bench.start(pipeline)["t"].error is None
    assert bench.differences([("t", "t")]) == {}
