"""The tick that turns wishes into runs, on a real state database and real run processes."""

import logging
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from cdc_assets.adapters.pipeline_store import PostgresPipelineStore
from cdc_assets.model.errors import RunDiedError
from cdc_assets.settings import Settings
from cdc_assets.wiring.basics import open_store
from cdc_assets.wiring.control import reconcile
from cdc_assets_tests.integration.state.run_process import OK, run_process

_CONNECTIONS = "app: {kind: postgres, host: db.example, port: 5432, user: cdc, password: {env: APP_PASSWORD}}\n"
_PIPELINE = """
mode: full_load_and_cdc
source: {connection: app, database: cdctest, schema: public}
target: {connection: app, database: cdctest, schema: dbo}
tables: [projects, orders]
"""


class EveryRunSeemsAlive:
    """What Dagster says of a run whose launcher is gone with it."""

    def is_pending(self, run_key: str) -> bool:  # noqa: ARG002
        return True

    def is_alive(self, run_id: str) -> bool:  # noqa: ARG002
        return True


@pytest.fixture
def settings(state_url: str, tmp_path: Path, wanted: str) -> Settings:
    (tmp_path / f"{wanted}.yaml").write_text(_PIPELINE)
    (tmp_path / "connections.yaml").write_text(_CONNECTIONS)
    return Settings.load(
        CDC_DATABASE_URL=state_url,
        pipelines_dir=tmp_path,
        connections_file=tmp_path / "connections.yaml",
        home=tmp_path / "home",
    )


def _ask_long_ago(store: PostgresPipelineStore, url: str, name: str) -> None:
    """Ask for the first run; the pause before the next attempt is over."""
    store.note_run_asked(name, version=1)
    with psycopg.connect(url) as session:
        session.execute("UPDATE pipelines SET asked_at = asked_at - interval '1 minute' WHERE name = %s", [name])


def test_a_holder_fallen_silent_is_found_dead_within_the_same_tick(
    settings: Settings, store: PostgresPipelineStore, state_url: str, wanted: str
) -> None:
    life = open_store(settings).lease_duration()
    _ask_long_ago(store, state_url, wanted)
    with run_process(state_url, life=life / 2) as run:
        assert run.take(wanted, "killed") == OK
        run.kill()
    (wish,) = reconcile(settings, EveryRunSeemsAlive(), log=logging.getLogger(__name__).info)
    assert (wish.pipeline, wish.version, wish.attempt) == (wanted, 1, 2)
    record = store.find(wanted)
    assert record is not None
    assert record.last_error_code == RunDiedError.code


def test_a_holder_that_renews_keeps_no_tick_waiting(
    settings: Settings, store: PostgresPipelineStore, state_url: str, wanted: str
) -> None:
    _ask_long_ago(store, state_url, wanted)
    with run_process(state_url, life=timedelta(minutes=1)) as run:
        assert run.take(wanted, "at work") == OK
        assert reconcile(settings, EveryRunSeemsAlive(), log=logging.getLogger(__name__).info) == ()
        assert run.ask("check") == OK
