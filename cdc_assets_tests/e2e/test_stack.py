"""`./cdc up` and `down` as a user runs them: what answers, what is refused, and that nothing is left behind."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import requests
from tenacity import Retrying, retry_if_not_result, stop_after_delay, wait_fixed

from cdc_assets.embedded.postgres import cluster_directory
from cdc_assets.embedded.reaper import MARK
from cdc_assets.embedded.server_process import free_port
from cdc_assets.settings import checkout
from cdc_assets_tests.services.home import Home, temporary_home


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with temporary_home("EMBEDDED_PG", "EMBEDDED_KAFKA", "EMBEDDED_CONNECT", "UI", "API") as made:
        yield made
        made.cdc("down")


@pytest.fixture
def up(home: Home) -> Home:
    """The stack, started when it does not run."""
    done = home.cdc("up", "--detach")
    assert done.returncode == 0 or "already running" in done.stderr, done.stderr
    return home


def eventually(seconds: float = 30) -> Retrying:
    return Retrying(stop=stop_after_delay(seconds), wait=wait_fixed(0.2), retry=retry_if_not_result(bool), reraise=True)


def test_detached_it_returns_when_every_server_answers(up: Home) -> None:
    assert requests.get(f"{up.connect_url}/connectors", timeout=10).ok
    assert requests.get(f"http://127.0.0.1:{up.ports['CDC_UI_PORT']}/server_info", timeout=10).ok
    health = requests.get(f"http://127.0.0.1:{up.ports['CDC_API_PORT']}/health", timeout=30)
    assert (health.status_code, health.json()) == (200, {"status": "healthy"})
    with psycopg.connect(up.settings().database_url) as session:
        found = session.execute("SELECT count(*) > 5 FROM pg_tables WHERE schemaname = 'dagster'").fetchone()
    assert found == (True,)


def test_secrets_logs_and_topics_are_closed_to_other_users(up: Home) -> None:
    for part in ("secrets", "logs", "kafka", "dagster"):
        assert (up.directory / part).stat().st_mode & 0o077 == 0, part
    assert up.settings().embedded_password_file.stat().st_mode & 0o777 == 0o600


def test_a_second_start_on_the_same_directory_names_the_first(up: Home) -> None:
    done = up.cdc("up")
    assert done.returncode == 1
    assert f"already running (pid {up.supervisor})" in done.stderr


def test_a_taken_port_is_named_before_anything_starts(home: Home, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        variables = {name: str(free_port()) for name in home.ports} | {"CDC_EMBEDDED_KAFKA_PORT": str(port)}
        done = home.cdc("up", CDC_HOME=str(tmp_path / "other"), **variables)
    assert done.returncode == 1
    assert f"port {port} (Kafka) is in use" in done.stderr
    assert "CDC_EMBEDDED_KAFKA_PORT" in done.stderr
    assert not (tmp_path / "other" / "postgres").exists()


def test_a_page_without_login_is_not_opened_to_others(home: Home, tmp_path: Path) -> None:
    done = home.cdc("up", CDC_HOME=str(tmp_path / "other"), CDC_UI_HOST="0.0.0.0")  # noqa: S104  what is refused
    assert done.returncode == 1
    assert "--insecure-ui" in done.stderr


def test_a_server_that_dies_is_started_again(up: Home) -> None:
    (worker,) = [
        process
        for process in psutil.Process(up.supervisor).children()
        if "org.apache.kafka.connect.cli.ConnectDistributed" in process.cmdline()
    ]
    worker.kill()
    log = up.directory / "logs" / "up.log"
    eventually(90)(lambda: "Kafka Connect is running again" in log.read_text())
    assert requests.get(f"{up.connect_url}/connectors", timeout=10).ok


def test_down_stops_connectors_first_and_leaves_nothing(up: Home) -> None:
    url = up.settings().database_url
    with psycopg.connect(url, autocommit=True) as session:
        session.execute("CREATE TABLE public.watched (id int PRIMARY KEY)")
        session.execute("CREATE PUBLICATION watched FOR TABLE public.watched")
    config = {
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "topic.prefix": "watched",
        "database.hostname": "127.0.0.1",
        "database.port": str(up.ports["CDC_EMBEDDED_PG_PORT"]),
        "database.dbname": "cdctest",
        "database.user": "cdc",
        "database.password": up.settings().embedded_password_file.read_text(),
        "plugin.name": "pgoutput",
        "slot.name": "watched",
        "publication.name": "watched",
        "publication.autocreate.mode": "disabled",
        "snapshot.mode": "no_data",
    }
    made = requests.put(f"{up.connect_url}/connectors/watched/config", json=config, timeout=30)
    assert made.ok, made.text

    def states() -> tuple[str, list[str]]:
        answer = requests.get(f"{up.connect_url}/connectors/watched/status", timeout=10).json()
        return answer["connector"]["state"], [task["state"] for task in answer["tasks"]]

    eventually(60)(lambda: requests.get(f"{up.connect_url}/connectors/watched/status", timeout=10).ok)
    eventually(60)(lambda: states() == ("RUNNING", ["RUNNING"]))
    assert up.cdc("down").returncode == 0
    assert up.processes() == []
    assert up.cdc("up", "--detach").returncode == 0
    eventually()(lambda: requests.get(f"{up.connect_url}/connectors/watched/status", timeout=10).ok)
    assert states() == ("STOPPED", [])
    requests.delete(f"{up.connect_url}/connectors/watched", timeout=30).raise_for_status()


def test_kill_9_of_the_supervisor_leaves_no_process_and_sound_data(up: Home) -> None:
    with psycopg.connect(up.settings().database_url, autocommit=True) as session:
        session.execute("CREATE TABLE public.kept AS SELECT 1 AS id")
    marked = [process for process in psutil.process_iter() if MARK in _environment(process)]
    assert marked, "the Dagster processes carry the stack's id"
    os.kill(up.supervisor, signal.SIGKILL)
    eventually(20)(lambda: up.processes() == [])
    assert up.cdc("up", "--detach").returncode == 0
    with psycopg.connect(up.settings().database_url) as session:
        assert session.execute("SELECT id FROM public.kept").fetchone() == (1,)


def test_ctrl_c_stops_a_stack_in_the_foreground(home: Home) -> None:
    home.cdc("down")
    with subprocess.Popen(
        [str(checkout() / "cdc"), "up"],
        env=home.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Logs"):
                process.send_signal(signal.SIGINT)
        assert process.wait(120) == 0
    assert lines[-1] == "Stopped.\n"
    assert home.processes() == []


def test_down_without_a_stack_says_so() -> None:
    with temporary_home() as empty:
        done = empty.cdc("down")
    assert done.returncode == 0
    assert "Nothing runs" in done.stdout


@pytest.mark.skipif(os.getuid() != 0, reason="only root's PostgreSQL runs as another user")
def test_where_nobody_cannot_enter_root_keeps_the_data_elsewhere(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert tmp_path not in cluster_directory(tmp_path / "home", "state").parents
    assert cluster_directory(tmp_path / "a", "state") != cluster_directory(tmp_path / "b", "state")


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.Error:
        return {}
