"""An installation as a user has it: a state directory, pipeline files, and `./cdc` to drive it.

One installation runs for a whole test session: `up --detach` at the first use, `down` at the end. Each test brings
its own databases, connections and pipelines; nothing is called but `./cdc`, and nothing is read but the databases,
as a user would read them.
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import psycopg
import requests
from psycopg import sql
from psycopg.rows import dict_row
from tenacity import RetryError, Retrying, retry_if_not_result, stop_after_delay, wait_fixed

from cdc_assets.embedded.server_process import free_port
from cdc_assets.settings import inherited_environment
from cdc_assets_tests.services.servers import Databases

CHECKOUT = Path(__file__).resolve().parents[2]
_Value = TypeVar("_Value")
PASSWORD = "planted-p4ss:w/rd"
_PORTS = ("CDC_UI_PORT", "CDC_API_PORT", "CDC_EMBEDDED_PG_PORT", "CDC_EMBEDDED_KAFKA_PORT", "CDC_EMBEDDED_CONNECT_PORT")


@dataclass
class Installation:
    """A state directory of its own with its stack."""

    directory: Path
    environment: dict[str, str]
    _connections: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls) -> "Installation":
        """Prepare a directory and free ports; nothing runs yet."""
        # PostgreSQL runs as nobody when we are root: the directory must be one it can enter.
        directory = Path(tempfile.mkdtemp(prefix="cdc-installation-"))
        directory.chmod(0o755)
        (directory / "pipelines").mkdir()
        (directory / "connections.yaml").write_text("{}\n")
        ports = {name: str(free_port()) for name in _PORTS}
        environment = {
            **{
                key: value for key, value in inherited_environment().items() if not key.startswith(("CDC_", "DAGSTER_"))
            },
            **ports,
            "CDC_HOME": str(directory / "home"),
            "CDC_PIPELINES_DIR": str(directory / "pipelines"),
            "CDC_CONNECTIONS_FILE": str(directory / "connections.yaml"),
            "CDC_ALERTS_FILE": str(directory / "alerts.yaml"),
            "CDC_FAST_START": "1",
        }
        return cls(directory, environment)

    def cdc(self, *arguments: str, expect: int | None = 0, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run `./cdc` as a user does and check its exit code."""
        done = subprocess.run(
            [str(CHECKOUT / "cdc"), *arguments],
            cwd=CHECKOUT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if expect is not None and done.returncode != expect:
            log = self.log_tail()
            raise AssertionError(
                f"./cdc {' '.join(arguments)} ended with {done.returncode}, not "
                f"{expect}:\n{done.stdout}\n{done.stderr}\n{log}"
            )
        return done

    def start_in_background(self, pipeline: str) -> subprocess.Popen[str]:
        """Run `./cdc start` without waiting for it."""
        return subprocess.Popen(
            [str(CHECKOUT / "cdc"), "start", pipeline],
            cwd=CHECKOUT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def up(self) -> None:
        """Start the stack."""
        self.cdc("up", "--detach", timeout=600)

    def remove(self) -> None:
        """Stop the stack and delete everything of it."""
        self.cdc("down", expect=None, timeout=120)
        shutil.rmtree(self.directory, ignore_errors=True)

    def log_tail(self) -> str:
        """The ends of the logs, for a test that failed."""
        logs = sorted((self.directory / "home" / "logs").glob("*.log"))
        return "\n".join(
            f"--- {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-15:]) for log in logs
        )

    # -- what the user writes ---------------------------------------------------------------------------------------

    def connect_to(self, name: str, url: str, *, user: str, password: str = PASSWORD) -> None:
        """Add an entry to connections.yaml; its password goes into a secret file."""
        secret = self.directory / f"{name}.password"
        secret.write_text(password + "\n")
        secret.chmod(0o600)
        parts = urlsplit(url)
        self._connections[name] = (
            f"{name}:\n  kind: postgres\n  host: {parts.hostname}\n  port: {parts.port}\n  user: {user}\n  "
            f"password: {{file: {secret}}}\n"
        )
        (self.directory / "connections.yaml").write_text("".join(self._connections.values()))

    def write_pipeline(self, name: str, text: str) -> Path:
        """Write pipelines/NAME.yaml."""
        path = self.directory / "pipelines" / f"{name}.yaml"
        path.write_text(text)
        return path

    # -- what the user reads ----------------------------------------------------------------------------------------

    @property
    def state_url(self) -> str:
        """The embedded state database."""
        password = (self.directory / "home" / "secrets" / "embedded_postgres").read_text()
        return f"postgresql://cdc:{password}@127.0.0.1:{self.environment['CDC_EMBEDDED_PG_PORT']}/cdctest"

    @property
    def connect_url(self) -> str:
        """Kafka Connect's REST address."""
        return f"http://127.0.0.1:{self.environment['CDC_EMBEDDED_CONNECT_PORT']}"

    def query(self, statement: str, *parameters: object) -> list[dict[str, Any]]:
        """Read the state tables."""
        with psycopg.connect(self.state_url, row_factory=dict_row) as connection:
            return connection.execute(statement, parameters).fetchall()

    def pipeline(self, name: str) -> dict[str, Any]:
        """The pipeline's row."""
        (row,) = self.query("SELECT * FROM pipelines WHERE name = %s", name)
        return row

    def tables(self, name: str) -> dict[str, dict[str, Any]]:
        """The pipeline's table rows by source table."""
        rows = self.query(
            "SELECT t.* FROM pipeline_tables t JOIN pipelines p ON p.id = t.pipeline_id WHERE p.name = %s", name
        )
        return {row["source_table"]: row for row in rows}

    def events(self, name: str) -> list[dict[str, Any]]:
        """The pipeline's events, oldest first."""
        return self.query("SELECT * FROM pipeline_events WHERE pipeline_name = %s ORDER BY id", name)

    def status_json(self, name: str) -> Any:  # noqa: ANN401  parsed JSON
        """What `status --json` says."""
        return json.loads(self.cdc("status", name, "--json").stdout)

    def connectors(self) -> dict[str, Any]:
        """Every connector with its status, as Kafka Connect shows it."""
        answer = requests.get(f"{self.connect_url}/connectors", params={"expand": "status"}, timeout=10)
        answer.raise_for_status()
        return dict(answer.json())

    def kill_run(self, name: str) -> None:
        """Kill -9 the process that holds the pipeline's lease, which must be alive."""
        (row,) = self.query(
            "SELECT l.pid FROM pipeline_leases l JOIN pipelines p ON p.id = l.pipeline_id WHERE p.name = %s AND "
            "l.expires_at > now()",
            name,
        )
        os.kill(row["pid"], signal.SIGKILL)


def prepare_roles(databases: Databases) -> tuple[str, str]:
    """Make an ordinary source role that owns the tables of `public`, and an ordinary target role.

    Returns their names.
    """
    source_role, target_role = f"src_{secrets.token_hex(3)}", f"tgt_{secrets.token_hex(3)}"
    with psycopg.connect(databases.source_url, autocommit=True) as connection:
        role = sql.Identifier(source_role)
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN REPLICATION PASSWORD {}").format(role, sql.Literal(PASSWORD)))
        database = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(database, role))
        connection.execute(sql.SQL("ALTER SCHEMA public OWNER TO {}").format(role))
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        ).fetchall()
        for (table,) in tables:
            connection.execute(sql.SQL("ALTER TABLE {} OWNER TO {}").format(sql.Identifier("public", table), role))
    with psycopg.connect(databases.target_url, autocommit=True) as connection:
        role = sql.Identifier(target_role)
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(PASSWORD)))
        database = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(database, role))
    return source_role, target_role


def database_name(url: str) -> str:
    """The database of a URL."""
    return url.rpartition("/")[2]


def wait_until(condition: Callable[[], _Value], *, what: str, seconds: float = 60) -> _Value:
    """Return the first true value of `condition`; AssertionError naming `what` when there is none in time."""
    waiting = Retrying(stop=stop_after_delay(seconds), wait=wait_fixed(0.1), retry=retry_if_not_result(bool))
    try:
        return waiting(condition)
    except RetryError as error:
        raise AssertionError(f"not within {seconds} s: {what} (last: {error.last_attempt.result()})") from error
