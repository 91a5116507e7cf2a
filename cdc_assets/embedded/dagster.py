"""The three Dagster processes of the stack: code server, web page, daemon. Nothing of Dagster is imported."""

import shutil
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import requests

from cdc_assets.embedded.server_process import ServerProcess, is_port_free
from cdc_assets.settings import Settings, checkout

LOCATION = "cdc_assets"
PORTS = ("ui_port", "api_port", "embedded_pg_port", "embedded_kafka_port", "embedded_connect_port")
REQUEST_SECONDS = 20
_SCHEMA = "-csearch_path=dagster"
HEALTH = "{ instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } } }"
LOCATIONS = """{ workspaceOrError { ... on Workspace { locationEntries { loadStatus
    locationOrLoadError { __typename ... on PythonError { message errorChain { error { message } } } } } } } }"""


@dataclass(frozen=True)
class DagsterServers:
    """How the three are started; `prepare` writes their files."""

    settings: Settings
    grpc_port: int
    stack_id: str
    """Put into the environment of the three and so of every run they start: the reaper finds them by it."""

    @property
    def url(self) -> str:
        """Address of the web page."""
        return f"http://{self.settings.ui_host}:{self.settings.ui_port}"

    def prepare(self) -> None:
        """Write DAGSTER_HOME: the instance's settings from the checkout, the workspace for our code server."""
        home = self.settings.dagster_home
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copyfile(checkout() / "dagster.yaml", home / "dagster.yaml")
        server = f"{{host: 127.0.0.1, port: {self.grpc_port}, location_name: {LOCATION}}}"
        (home / "workspace.yaml").write_text(f"load_from:\n  - grpc_server: {server}\n", encoding="utf-8")

    def code_server(self) -> ServerProcess:
        """Return the process that loads the definitions and starts the runs."""
        options = ["-m", "cdc_assets.definitions", "-h", "127.0.0.1", "-p", str(self.grpc_port)]
        where = ["-d", str(checkout()), "--location-name", LOCATION]
        return self._process(
            "Dagster code server",
            ["dagster", "code-server", "start", *options, *where],
            probe=lambda: not is_port_free("127.0.0.1", self.grpc_port),
        )

    def webserver(self) -> ServerProcess:
        """Return the web page's process."""
        address = ["-h", self.settings.ui_host, "-p", str(self.settings.ui_port)]
        return self._process(
            "Dagster web page",
            ["dagster-webserver", "-w", str(self._workspace), *address, "--suppress-warnings"],
            probe=self._locations_loaded,
        )

    def daemon(self) -> ServerProcess:
        """Return the daemon's process, which evaluates sensors and takes runs from the queue."""
        return self._process(
            "Dagster daemon", ["dagster-daemon", "run", "-w", str(self._workspace)], probe=self._daemons_beat
        )

    def load_error(self) -> str | None:
        """Return why the definitions could not be loaded, if so."""
        for entry in self._entries():
            problem = entry["locationOrLoadError"]
            if problem and problem["__typename"] == "PythonError":
                messages = [problem["message"], *(link["error"]["message"] for link in problem["errorChain"])]
                return str(messages[-1]).strip()
        return None

    @property
    def _workspace(self) -> Path:
        return self.settings.dagster_home / "workspace.yaml"

    def _process(self, name: str, command: list[str], *, probe: Any) -> ServerProcess:  # noqa: ANN401
        program = Path(sys.executable).parent / command[0]
        return ServerProcess(
            name,
            [str(program), *command[1:]],
            probe=probe,
            log=self.settings.logs_dir / f"{name.lower().replace(' ', '_')}.log",
            death_signal=signal.SIGTERM,
            environment=self.environment(),
            cwd=checkout(),
            # The code server waits a minute for calls that are still open; a run may be killed at any line.
            stop_seconds=15,
        )

    def environment(self) -> Mapping[str, str]:
        """Return what the Dagster processes get besides our own environment."""
        return {
            "DAGSTER_HOME": str(self.settings.dagster_home),
            "DAGSTER_PG_URL": dagster_database_url(self.settings.database_url),
            "DAGSTER_DISABLE_TELEMETRY": "1",
            # Events of a run are written in batches; one by one a run over 500 tables takes half as long again.
            "DAGSTER_EVENT_BATCH_SIZE": "200",
            "CDC_HOME": str(self.settings.home),
            # The demo has its own.
            "CDC_PIPELINES_DIR": str(self.settings.pipelines_dir),
            "CDC_CONNECTIONS_FILE": str(self.settings.connections_file),
            "CDC_ALERTS_FILE": str(self.settings.alerts_file),
            # A benchmark's ports stand nowhere else.
            **{f"CDC_{name.upper()}": str(getattr(self.settings, name)) for name in PORTS},
            "CDC_STACK_ID": self.stack_id,
            "PYTHONUNBUFFERED": "1",
        }

    def _locations_loaded(self) -> bool:
        entries = self._entries()
        return bool(entries) and all(entry["loadStatus"] == "LOADED" for entry in entries)

    def _entries(self) -> list[dict[str, Any]]:
        answer = self._ask(LOCATIONS)
        return answer["workspaceOrError"].get("locationEntries", []) if answer else []

    def _daemons_beat(self) -> bool:
        answer = self._ask(HEALTH)
        if not answer:
            return False
        return all(
            daemon["healthy"]
            for daemon in answer["instance"]["daemonHealth"]["allDaemonStatuses"]
            if daemon["required"]
        )

    def _ask(self, query: str) -> dict[str, Any] | None:
        try:
            answer = requests.post(f"{self.url}/graphql", json={"query": query}, timeout=REQUEST_SECONDS)
        except requests.RequestException:
            return None
        # After a break of the database the first answer is empty: not yet.
        return answer.json().get("data") if answer.ok else None


def dagster_database_url(url: str) -> str:
    """Return the state database's address as Dagster needs it: its driver, its schema, and all that was asked for."""
    parts = urlsplit(url)
    asked = parse_qsl(parts.query, keep_blank_values=True)
    options = " ".join([*(value for name, value in asked if name == "options"), _SCHEMA])
    query = [(name, value) for name, value in asked if name != "options"]
    # SQLAlchemy 2.1 takes a bare postgresql:// for psycopg 3; dagster-postgres brings psycopg2.
    whole = parts._replace(
        scheme="postgresql+psycopg2", query=urlencode([*query, ("options", options)], quote_via=quote)
    )
    return whole.geturl()
