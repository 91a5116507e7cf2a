"""Servers that are killed while changes flow: the state shows it, the stream goes on by itself, nothing is lost."""

import re
from itertools import count

import psycopg
import pytest

from cdc_assets_tests.faults.ground import SOURCE, TARGET
from cdc_assets_tests.faults.matrix import NewRow
from cdc_assets_tests.faults.scene import Scene, answers, kill, standing_still
from cdc_assets_tests.faults.signs import is_error, told
from cdc_assets_tests.services.installation import wait_until

pytestmark = pytest.mark.faults

_NEVER_USED = count(90_000_000, 1000)


def test_kafka_connect_is_killed(running_scene: Scene, new_row: NewRow) -> None:
    """Its stack stands still meanwhile: on a quick machine it would be back before anybody looks."""
    row = new_row("kill -9 of Kafka Connect, started again when shown")
    with running_scene.writing() as writers:
        writers.wait_for(20)
        with standing_still(running_scene.ground.supervisor()):
            since = running_scene.now()
            kill(running_scene.ground.process("ConnectDistributed"))
            running_scene.wait_shown(row, since, is_error)
        running_scene.wait_running()
        writers.wait_for(20)
    row.mended_by = "by itself: the stack starts it again, the connectors resume"
    running_scene.check_equal(row)


def test_the_broker_is_killed(running_scene: Scene, new_row: NewRow) -> None:
    row = new_row("kill -9 of the Kafka broker, started again when shown")
    servers = running_scene.ground.servers
    with running_scene.writing() as writers:
        writers.wait_for(20)
        since = running_scene.now()
        servers.kill("kafka")
        running_scene.wait_shown(row, since, is_error)
        servers.kafka()
        running_scene.wait_running()
        writers.wait_for(20)
    row.mended_by = "by itself when the broker is back (the stack starts its own again): the connectors go on"
    running_scene.check_equal(row)
    assert re.search("Kafka (?!Connect)", row.cause), row.cause


def test_the_daemon_is_killed(running_scene: Scene, new_row: NewRow) -> None:
    row = new_row("kill -9 of the Dagster daemon")
    installation = running_scene.ground.installation
    daemon = running_scene.ground.process("dagster-daemon")
    with running_scene.writing() as writers:
        kill(daemon)
        wait_until(
            lambda: running_scene.ground.has_process("dagster-daemon", besides=daemon), what="a new daemon", seconds=60
        )
        writers.wait_for(20)
    assert running_scene.status == "RUNNING"
    row.state, row.cause = "pipeline RUNNING", "nothing: changes flow without the daemon"
    row.mended_by = "by itself: the stack starts it again"
    running_scene.check_equal(row)
    # What is asked of it is taken up by the new one.
    installation.cdc("stop", running_scene.name)
    running_scene.start()


def test_the_api_is_killed(running_scene: Scene, new_row: NewRow) -> None:
    row = new_row("kill -9 of the HTTP API")
    ground = running_scene.ground
    api = ground.process("uvicorn")
    with running_scene.writing() as writers:
        kill(api)
        url = f"http://127.0.0.1:{ground.installation.environment['CDC_API_PORT']}/health/live"
        wait_until(lambda: ground.has_process("uvicorn", besides=api) and answers(url), what="a new API", seconds=60)
        writers.wait_for(20)
    assert running_scene.status == "RUNNING"
    row.state, row.cause = "pipeline RUNNING", "nothing: changes flow without the API, which refuses connections"
    row.mended_by = "by itself: the stack starts it again"
    running_scene.check_equal(row)


def test_everything_is_killed(running_scene: Scene, new_row: NewRow) -> None:
    row = new_row("kill -9 of everything at once: the whole stack and the broker")
    ground = running_scene.ground
    with running_scene.writing() as writers:
        writers.wait_for(20)
        kill(ground.supervisor())
        ground.servers.kill("kafka")
        # Its reaper ends what it leaves.
        wait_until(lambda: not ground.has_process("postgres"), what="the end of everything", seconds=60)
        writers.wait_for(20)
        said = ground.installation.cdc("status", running_scene.name, expect=1)
        row.state, row.cause = "status: exit 1", told(said)
        ground.servers.kafka()
        ground.installation.up()
        running_scene.wait_running()
        writers.wait_for(20)
    row.mended_by = "the operator: ./cdc up; the rest by itself"
    running_scene.check_equal(row)


def test_the_source_is_restarted(running_scene: Scene, new_row: NewRow) -> None:
    row = new_row("kill -9 of the source server, started again when shown")
    servers = running_scene.ground.servers
    with running_scene.writing() as writers:
        writers.wait_for(20)
        since = running_scene.now()
        servers.kill(f"postgres-{SOURCE}")
        with pytest.raises(psycopg.OperationalError):
            writers.stop()
    running_scene.wait_shown(row, since, is_error)
    servers.postgres(SOURCE)
    with running_scene.writing() as writers:
        running_scene.wait_running()
        writers.wait_for(20)
    row.mended_by = "by itself when the server is back: the connector is restarted"
    running_scene.check_equal(row)


def test_the_target_is_restarted(running_scene: Scene, new_row: NewRow) -> None:
    """What a sink has confirmed it is never sent again: it must not vanish with a server whose owner commits lazily."""
    row = new_row("kill -9 of the target server, which keeps its log in memory, started again when shown")
    servers = running_scene.ground.servers
    first = next(_NEVER_USED)
    with running_scene.writing() as writers:
        writers.wait_for(20)
        with servers.log_kept_in_memory(TARGET):
            running_scene.write_once(first)
            running_scene.wait_confirmed(first)
            since = running_scene.now()
            servers.kill(f"postgres-{TARGET}")
        running_scene.wait_shown(row, since, is_error)
        servers.postgres(TARGET)
        running_scene.wait_running()
        writers.wait_for(20)
    row.mended_by = "by itself when the server is back: the sinks are restarted"
    running_scene.check_equal(row)
