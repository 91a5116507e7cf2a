"""Without a state database nothing is done, and the message says what to do; a new one begins at NOT_STARTED."""

from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest
from psycopg import sql
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from cdc_assets.adapters.pipeline_store import PostgresPipelineStore
from cdc_assets.migrations import migrate
from cdc_assets.model.errors import LeaseLostError, RunDiedError, StateDatabaseError
from cdc_assets.model.status import CdcStatus, FullLoadStatus, Intent, PipelineStatus, TableState
from cdc_assets_tests.integration.state.conftest import LONG
from cdc_assets_tests.integration.state.steps import EVERY_METHOD, STEPS, pipeline
from cdc_assets_tests.services.servers import PASSWORD, Servers

DIED = RunDiedError("died", hint="")
EVERY_CALL: dict[str, Callable[[PostgresPipelineStore], object]] = {
    "ensure_pipeline": lambda store: store.ensure_pipeline(pipeline("p")),
    "list_pipelines": lambda store: store.list_pipelines(),
    "find": lambda store: store.find("p"),
    "write_intent": lambda store: store.write_intent("p", Intent.RUNNING, cause="a test"),
    "take_lease": lambda store: store.take_lease("p", run_id="run").__enter__(),
    "note_run_asked": lambda store: store.note_run_asked("p", version=1),
    "give_up": lambda store: store.give_up("p", version=1, error=DIED),
    "events": lambda store: store.events("p"),
    "forget": lambda store: store.forget("p"),
}


def _require_helpful(error: StateDatabaseError) -> None:
    assert "./cdc up" in str(error)
    assert "CDC_DATABASE_URL" in str(error)
    assert PASSWORD not in str(error)


def _drop(cluster_url: str, url: str) -> None:
    with psycopg.connect(cluster_url, autocommit=True) as session:
        session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(url.rpartition("/")[2])))


def test_a_dropped_database_is_named_and_a_new_one_begins_anew(postgres_url: str, empty_url: str) -> None:
    migrate(empty_url)
    store = PostgresPipelineStore(empty_url, lease_duration=LONG)
    store.ensure_pipeline(pipeline("p"))
    store.write_intent("p", Intent.RUNNING, cause="a test")
    with store.take_lease("p", run_id="run") as lease:
        STEPS["load begins"].act(lease)
        _drop(postgres_url, empty_url)
        for step in EVERY_METHOD.values():
            with pytest.raises(StateDatabaseError) as raised:
                STEPS[step].act(lease)
            _require_helpful(raised.value)
        for call in EVERY_CALL.values():
            with pytest.raises(StateDatabaseError) as raised:
                call(store)
            _require_helpful(raised.value)
        with pytest.raises(StateDatabaseError) as raised:
            migrate(empty_url)
        _require_helpful(raised.value)

        with psycopg.connect(postgres_url, autocommit=True) as session:
            session.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(empty_url.rpartition("/")[2])))
        with pytest.raises(StateDatabaseError, match="no tables of this product"):
            store.list_pipelines()
        migrate(empty_url)
        record = store.ensure_pipeline(pipeline("p"))
        assert (record.status, record.intent) == (PipelineStatus.NOT_STARTED, Intent.STOPPED)
        assert record.full_load_status is FullLoadStatus.NOT_STARTED
        assert record.cdc_status is CdcStatus.NOT_STARTED
        assert {table.state for table in record.tables} == {TableState.NOT_STARTED}
        with pytest.raises(LeaseLostError):
            lease.serve()
        assert store.find("p") == record
    store.close()


@pytest.mark.parametrize("call", EVERY_CALL)
def test_an_unreachable_server_is_named(call: str) -> None:
    store = PostgresPipelineStore(f"postgresql://cdc:{PASSWORD}@127.0.0.1:1/cdctest")
    with pytest.raises(StateDatabaseError, match=r"127\.0\.0\.1:1/cdctest") as raised:
        EVERY_CALL[call](store)
    _require_helpful(raised.value)


def test_a_wrong_password_is_not_repeated(state_url: str) -> None:
    store = PostgresPipelineStore(state_url.replace(PASSWORD, "wrong-and-secret"))
    with pytest.raises(StateDatabaseError, match="password authentication failed") as raised:
        store.list_pipelines()
    assert "wrong-and-secret" not in str(raised.value)


def test_a_lease_outlives_a_short_outage_and_not_a_long_one(own_servers: Servers) -> None:
    url = own_servers.postgres(18).url("postgres")
    migrate(url)
    store = PostgresPipelineStore(url, lease_duration=LONG)
    short = PostgresPipelineStore(url, lease_duration=timedelta(seconds=4))
    for name in ("p", "q"):
        store.ensure_pipeline(pipeline(name))
    with store.take_lease("p", run_id="long") as patient, short.take_lease("q", run_id="short") as hasty:
        own_servers.kill("postgres-18")
        with pytest.raises(StateDatabaseError):
            patient.serve()

        def lost() -> None:
            with pytest.raises(LeaseLostError):
                hasty.serve()

        Retrying(
            retry=retry_if_exception_type(StateDatabaseError),
            stop=stop_after_delay(60),
            wait=wait_fixed(0.2),
            reraise=True,
        )(lost)
        assert own_servers.postgres(18).url("postgres") == url
        patient.set_cdc(CdcStatus.STARTING, cause="a test")
        with pytest.raises(LeaseLostError):
            hasty.check()
    store.close()
    short.close()
