"""A pipeline for one fault, and what a user sees of it: everything is read from the state tables and the databases."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psutil
import psycopg
import requests

from cdc_assets.adapters.kafka import Kafka
from cdc_assets_tests.faults.ground import SOURCE, TARGET, Ground, Side
from cdc_assets_tests.faults.matrix import Row
from cdc_assets_tests.faults.signs import plain
from cdc_assets_tests.services import workload
from cdc_assets_tests.services.installation import database_name, prepare_roles, wait_until
from cdc_assets_tests.services.servers import Databases, drop_slots, make_databases
from cdc_assets_tests.services.workload import Writers

TABLES = ("orders", "order_lines", "documents")
ROWS = 3000


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
        if ground.disk.tablespace is not None:
            _run(databases.target_url, (f"GRANT CREATE ON TABLESPACE small TO {target_role}",))
            _run(databases.target_url, (f"ALTER ROLE {target_role} SET default_tablespace = small",))
        ends: tuple[tuple[Side, str, str], ...] = (
            ("source", databases.source_url, source_role),
            ("target", databases.target_url, target_role),
        )
        for side, url, role in ends:
            ground.installation.connect_to(f"{name}_{side}", ground.url(side, database_name(url)), user=role)
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

    def ensure_running(self) -> None:
        """Leave it alone when it runs; everything is begun anew otherwise, with no table left in the target."""
        recorded = self.ground.installation.query("SELECT status FROM pipelines WHERE name = %s", self.name)
        if recorded and recorded[0]["status"] == "RUNNING":
            return
        if recorded:
            self.ground.installation.cdc("drop", self.name)
        self.on_target("DROP SCHEMA IF EXISTS dbo CASCADE")
        self.start()

    def remove(self) -> None:
        """Remove all of the pipeline with its target tables: what the operator does before a new load."""
        self.ground.installation.cdc("drop", self.name, "--drop-target")

    def load_anew(self) -> None:
        """Have everything loaded again."""
        self.remove()
        self.start()

    def end_sessions(self, side: Side) -> None:
        """End the product's sessions of one side, as a network or a server does some day."""
        url, role = (self.source_url, self.source_role) if side == "source" else (self.target_url, self.target_role)
        _run(url, (f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'",))

    @contextmanager
    def open_transaction(self) -> Iterator[int]:
        """Have a transaction with an id of its own open on the source; gives its process id."""
        with psycopg.connect(self.source_url) as blocker:
            blocker.execute("SELECT pg_current_xact_id()")
            yield blocker.info.backend_pid

    def drop_slot(self) -> None:
        """Drop the pipeline's slot, whoever uses it."""
        with psycopg.connect(self.source_url, autocommit=True) as connection:
            drop_slots(connection, database_name(self.source_url))

    def write_large(self) -> None:
        """Insert 20 MB of documents."""
        self.on_source(
            "INSERT INTO documents SELECT md5('large' || g)::uuid, 'large', repeat(md5(g::text), 640), '{}', now() "
            "FROM generate_series(1, 1000) g"
        )

    def write_once(self, first: int, count: int = 10) -> None:
        """Insert rows that no writer will touch again: whoever loses them does not get them back."""
        self.on_source(
            *(f"INSERT INTO orders VALUES ({key}, 1, 1, 1, 'once', now(), true)" for key in range(first, first + count))
        )

    def wait_confirmed(self, first: int, count: int = 10) -> None:
        """Wait until those rows are in the target and their sink has told Kafka so: it is never sent them again."""
        query = f"SELECT count(*) FROM dbo.orders WHERE id BETWEEN {first} AND {first + count - 1}"
        with psycopg.connect(self.target_url, autocommit=True) as connection:
            wait_until(lambda: connection.execute(query.encode()).fetchone() == (count,), what="the rows in the target")
        table = self.tables()["orders"]
        sink, topic = table["sink_connector_name"], table["topic"]
        kafka = Kafka(self.ground.installation.environment["CDC_KAFKA_BOOTSTRAP"])
        end = kafka.end_offsets([topic])[topic]
        wait_until(lambda: (kafka.committed({sink: topic})[sink] or 0) >= end, what="the sink's confirmation")

    # -- what is seen -----------------------------------------------------------------------------------------------

    @property
    def status(self) -> str:
        """The pipeline's status now."""
        return str(self.ground.installation.pipeline(self.name)["status"])

    def tables(self) -> dict[str, dict[str, Any]]:
        """The rows of the pipeline's tables by name."""
        return self.ground.installation.tables(self.name)

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
        if event["field"] in {"last_error", "run"}:
            # Neither is a change of the status: the pipeline is what it was.
            row.state = f"pipeline {self.status}"
            row.cause = plain(str(event["new_value"] or event["cause"]).partition(". Fix:")[0])
        else:
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

    def wait_streaming(self, table: str) -> None:
        """Wait until a table streams again, with no error left over."""

        def is_streaming() -> bool:
            row = self.tables()[table]
            return row["state"] == "STREAMING" and row["last_error"] is None

        wait_until(is_streaming, what=f"{table} STREAMING again", seconds=180)

    def reason_of(self, table: str) -> str:
        """What a table's last error says, without the way out and the names of this test run."""
        return plain(str(self.tables()[table]["last_error"]).partition(". Fix:")[0])

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

    def alter_password(self, side: Side, password: str) -> None:
        """Give the product's role another password on that server."""
        url, role = (self.source_url, self.source_role) if side == "source" else (self.target_url, self.target_role)
        _run(url, (f"ALTER ROLE {role} PASSWORD '{password}'",))

    def write_password(self, side: Side, password: str) -> None:
        """Write a new password into the file where the connection has it."""
        (self.ground.installation.directory / f"{self.name}_{side}.password").write_text(password + "\n")

    def wait_slot_in_the_making(self) -> None:
        """Wait until the run has asked for its slot, which waits for open transactions."""
        query = (
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'walsender' AND "
            "query LIKE 'CREATE_REPLICATION_SLOT%'"
        )
        with psycopg.connect(self.source_url, autocommit=True) as connection:
            wait_until(lambda: connection.execute(query).fetchall(), what="a slot in the making", seconds=300)

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


def answers(url: str) -> bool:
    """Whether something answers there with success."""
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def kill(process: psutil.Process) -> None:
    """Kill -9."""
    process.send_signal(signal.SIGKILL)


@contextmanager
def standing_still(process: psutil.Process) -> Iterator[None]:
    """Have a process do nothing for the length of the block."""
    process.suspend()
    try:
        yield
    finally:
        process.resume()


def _run(url: str, statements: tuple[str, ...]) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())
