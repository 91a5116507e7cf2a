"""A pipeline for one fault, and what a user sees of it: everything is read from the state tables and the databases."""

import contextlib
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg
import requests

from cdc_assets_tests.faults.matrix import Row
from cdc_assets_tests.services import workload
from cdc_assets_tests.services.installation import Installation, database_name, prepare_roles, wait_until
from cdc_assets_tests.services.proxy import Proxy
from cdc_assets_tests.services.servers import Databases, Servers, make_databases
from cdc_assets_tests.services.workload import Writers

TABLES = ("orders", "order_lines", "documents")
ROWS = 3000
SOURCE, TARGET = 18, 15
# Names and places of one test run, which would make each printed table another one.
_OWN = re.compile(r"\b(f_[0-9a-f]+)\w*|127\.0\.0\.1:\d+|\b(source|target)_[0-9a-f]{8}\b|\b(src|tgt)_[0-9a-f]{6}\b")


@dataclass
class Ground:
    """One installation, a source and a target server with a network in between that can be cut."""

    installation: Installation
    servers: Servers
    networks: dict[int, Proxy] = field(default_factory=dict)

    def process(self, *words: str) -> psutil.Process:
        """The process of the installation's stack with these words on its command line."""
        found = self._processes(*words)
        assert found, f"no process with {words}"
        return found[0]

    def has_process(self, *words: str, besides: psutil.Process | None = None) -> bool:
        """Whether the stack has such a process, another one than `besides`."""
        return any(process != besides for process in self._processes(*words))

    def supervisor(self) -> psutil.Process:
        """The process of `./cdc up`."""
        return psutil.Process(int((self.installation.directory / "home" / "stack.lock").read_text()))

    def _processes(self, *words: str) -> list[psutil.Process]:
        home = str(self.installation.directory)
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                command = " ".join(process.cmdline())
                is_ours = home in command or process.environ().get("CDC_HOME", "").startswith(home)
                if is_ours and all(word in command for word in words):
                    found.append(process)
        return found

    def url(self, major: int, database: str) -> str:
        """A database as the product reaches it, through the network."""
        return f"postgresql://127.0.0.1:{self.networks[major].port}/{database}"


@dataclass
class Scene:
    """A pipeline between databases of its own."""

    ground: Ground
    name: str
    source_url: str
    target_url: str
    source_role: str
    target_role: str

    @classmethod
    def set(cls, ground: Ground, name: str, *, options: str = "") -> "Scene":
        """Make databases, connections and the pipeline's file; nothing runs yet."""
        source = make_databases(ground.servers.postgres(SOURCE).url("postgres"))
        target = make_databases(ground.servers.postgres(TARGET).url("postgres"))
        databases = Databases(source.source_url, target.target_url, source.state_url)
        workload.create_tables(databases.source_url, rows=ROWS)
        source_role, target_role = prepare_roles(databases)
        for side, url, role, major in (
            ("source", databases.source_url, source_role, SOURCE),
            ("target", databases.target_url, target_role, TARGET),
        ):
            ground.installation.connect_to(f"{name}_{side}", ground.url(major, database_name(url)), user=role)
        scene = cls(ground, name, databases.source_url, databases.target_url, source_role, target_role)
        listed = "".join(f"  - {table}\n" for table in TABLES)
        ground.installation.write_pipeline(
            name,
            "mode: full_load_and_cdc\n"
            f"source: {{connection: {name}_source, database: {database_name(scene.source_url)}, schema: public}}\n"
            f"target: {{connection: {name}_target, database: {database_name(scene.target_url)}, schema: dbo}}\n"
            f"tables:\n{listed}{options}",
        )
        return scene

    def strike(self) -> None:
        """Remove the pipeline and its file."""
        installation = self.ground.installation
        installation.cdc("stop", self.name, expect=None)
        installation.cdc("drop", self.name, expect=None)
        (installation.directory / "pipelines" / f"{self.name}.yaml").unlink()

    # -- what is done to the servers --------------------------------------------------------------------------------

    def on_source(self, *statements: str) -> None:
        """Run statements as the superuser of the source server."""
        _run(self.source_url, statements)

    def on_target(self, *statements: str) -> None:
        """Run statements as the superuser of the target server."""
        _run(self.target_url, statements)

    def start(self) -> None:
        """Start the pipeline and wait until it is RUNNING."""
        self.ground.installation.cdc("start", self.name)

    # -- what is seen -----------------------------------------------------------------------------------------------

    @property
    def status(self) -> str:
        """The pipeline's status now."""
        return str(self.ground.installation.pipeline(self.name)["status"])

    def now(self) -> datetime:
        """The time of the clock that dates the events."""
        (row,) = self.ground.installation.query("SELECT clock_timestamp() AS now")
        moment: datetime = row["now"]
        return moment

    def events_since(self, moment: datetime) -> list[dict[str, Any]]:
        """What was recorded after that moment, oldest first."""
        return [event for event in self.ground.installation.events(self.name) if event["at"] > moment]

    def wait_shown(
        self, row: Row, since: datetime, is_sign: Callable[[dict[str, Any]], bool], *, seconds: float = 120
    ) -> dict[str, Any]:
        """Wait for the event that shows the fault, and keep in the row what it says and after how many seconds."""

        def sign() -> dict[str, Any] | None:
            return next((event for event in self.events_since(since) if is_sign(event)), None)

        event = wait_until(sign, what=f"an event that shows: {row.fault}", seconds=seconds) or {}
        row.state = f"{event['table_name'] or 'pipeline'} {event['new_value']}"
        row.cause = plain(event["cause"] or "")
        row.seconds = (event["at"] - since).total_seconds()
        return event

    def wait_running(self, *, seconds: float = 240) -> None:
        """Wait until the status is RUNNING with no error left over."""

        def is_running() -> bool:
            row = self.ground.installation.pipeline(self.name)
            return row["status"] == "RUNNING" and row["last_error"] is None

        wait_until(is_running, what=f"{self.name} RUNNING again", seconds=seconds)

    def check_equal(self, row: Row) -> None:
        """Wait until every row is equal; the writers must have stopped. RUNNING is said meanwhile, and so it is due."""
        wait_until(
            lambda: not workload.differences(self.source_url, self.target_url, schema="dbo", tables=TABLES),
            what=f"source and target equal after: {row.fault}",
            seconds=120,
        )
        row.is_equal = True

    def wait_for_look(self) -> None:
        """Wait until two more looks at the health of what streams, which may say something else, have ended."""
        query = (
            "SELECT id FROM dagster.job_ticks WHERE status IN ('SUCCESS', 'SKIPPED', 'FAILURE') AND tick_body LIKE "
            "'%%cdc_health%%' AND id > %s"
        )
        (newest,) = self.ground.installation.query("SELECT max(id) AS id FROM dagster.job_ticks")
        wait_until(
            lambda: len(self.ground.installation.query(query, newest["id"])) >= 2,
            what="two more ticks of cdc_health",
            seconds=120,
        )

    def log_line_of(self, words: str) -> Callable[[], str]:
        """Look for a line with these words in the pipeline's log."""
        log = self.ground.installation.directory / "home" / "logs" / f"{self.name}.log"

        def look() -> str:
            lines = log.read_text().splitlines() if log.exists() else []
            return next((line for line in lines if words in line), "")

        return look

    def write_password(self, side: str, password: str) -> None:
        """Write a new password into the file where the connection has it."""
        (self.ground.installation.directory / f"{self.name}_{side}.password").write_text(password + "\n")

    def wait_slot_in_the_making(self) -> None:
        """Wait until the run has asked for its slot, which waits for open transactions."""
        query = (
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'walsender' AND "
            "query LIKE 'CREATE_REPLICATION_SLOT%'"
        )
        with psycopg.connect(self.source_url, autocommit=True) as connection:
            wait_until(lambda: connection.execute(query).fetchall(), what="a slot in the making", seconds=180)

    def objects_left(self) -> list[str]:
        """What is on the servers beyond one slot, one publication and one connector for each part of the pipeline."""
        pipeline = self.ground.installation.pipeline(self.name)
        connectors = [
            name for name in self.ground.installation.connectors() if name.startswith(pipeline["sink_connector_name"])
        ]
        with psycopg.connect(self.source_url) as connection:
            slots = connection.execute(
                "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()"
            ).fetchall()
            publications = connection.execute("SELECT pubname FROM pg_publication").fetchall()
        found = [str(name) for (name,) in (*slots, *publications)]
        left = sorted(found) != sorted([pipeline["slot_name"], pipeline["publication_name"]])
        return [*found, *connectors] if left or len(connectors) > len(TABLES) + 1 else []

    @contextmanager
    def writing(self) -> Iterator[Writers]:
        """Change the source all the while, at the pace of a quiet shop."""
        with Writers(self.source_url, per_second=40) as writers:
            yield writers


def is_error(event: dict[str, Any]) -> bool:
    """Whether the pipeline is said to be in ERROR from here on."""
    return bool(event["field"] == "status" and event["new_value"] == "ERROR")


def is_death(event: dict[str, Any]) -> bool:
    """Whether the run is said to have died."""
    return bool(event["field"] == "run" and (event["cause"] or "").startswith("RUN_DIED"))


def plain(sentence: str) -> str:
    """A sentence without the names of this test run."""
    return _OWN.sub(lambda match: match[2] or match[3] or ("P" if match[1] else "HOST"), sentence).strip()


def answers(url: str) -> bool:
    """Whether something answers there with success."""
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def kill(process: psutil.Process) -> None:
    """Kill -9."""
    process.send_signal(signal.SIGKILL)


def _run(url: str, statements: tuple[str, ...]) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def port_of(url: str) -> int:
    """The port of a URL."""
    return int(urlsplit(url).port or 0)
