"""Real servers on free ports below one directory: what the fixtures hand out, and a development stack.

`python -m cdc_assets_tests.services.servers` keeps all of them running, prints their addresses and writes them to a
file; with CDC_TEST_SERVERS set to that file the fixtures use these servers instead of starting their own.
"""

import contextlib
import json
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg
import requests
from psycopg import sql
from tenacity import retry, retry_if_exception_type, retry_if_not_result, stop_after_delay, wait_fixed

from cdc_assets.embedded.connect import Worker
from cdc_assets.embedded.distribution import Distribution, ensure_distribution
from cdc_assets.embedded.java import java_program
from cdc_assets.embedded.kafka import Broker
from cdc_assets.embedded.postgres import PostgresCluster, cluster_directory
from cdc_assets.embedded.server_process import ServerProcess, free_port
from cdc_assets.settings import Settings, inherited_environment

MAJORS = (18, 15)
PASSWORD = "throw-away"


@dataclass
class Servers:
    """Servers below one directory; each is started when it is first asked for and all are stopped by `stop`."""

    home: Path
    running: dict[str, ServerProcess] = field(default_factory=dict)
    rebalance_delay_seconds: int = 10
    _clusters: dict[int, PostgresCluster] = field(default_factory=dict)
    _broker: Broker | None = None
    _worker: Worker | None = None
    _programs: Distribution | None = None

    @classmethod
    def make(cls) -> "Servers":
        """Use a new directory that `nobody` can enter: as root PostgreSQL runs as that user."""
        home = Path(tempfile.mkdtemp(prefix="cdc-tests-"))
        home.chmod(0o755)
        return cls(home)

    @property
    def programs(self) -> Distribution:
        if self._programs is None:
            self._programs = ensure_distribution(Settings.load(), postgres=MAJORS, progress=None)
        return self._programs

    def postgres(self, major: int = 18) -> PostgresCluster:
        """Return a running cluster of that major version."""
        name = f"postgres-{major}"
        if major not in self._clusters:
            self._clusters[major] = PostgresCluster(
                name=name,
                major=major,
                binaries=self.programs.postgres[major],
                directory=cluster_directory(self.home, name),
                port=free_port(),
                password=PASSWORD,
                log=self.home / "logs" / f"{name}.log",
                durable=False,
            )
        if name not in self.running:
            self.running[name] = self._clusters[major].process().start()
        return self._clusters[major]

    def kafka(self) -> str:
        """Return the bootstrap address of a running broker."""
        if self._broker is None:
            self._broker = Broker(
                directory=self.home / "kafka",
                libraries=self.programs.libraries,
                java=self.java,
                port=free_port(),
                log=self.home / "logs" / "kafka.log",
                fast=True,
            )
        if "kafka" not in self.running:
            self.running["kafka"] = self._broker.process().start()
        return f"127.0.0.1:{self._broker.port}"

    def connect(self) -> Worker:
        """Return a running Connect worker; its broker runs too."""
        bootstrap = self.kafka()
        if self._worker is None:
            self._worker = Worker(
                directory=self.home / "connect",
                libraries=self.programs.libraries,
                plugins=self.programs.plugins,
                secrets=self.home / "secrets" / "connect",
                java=self.java,
                port=free_port(),
                kafka_bootstrap=bootstrap,
                log=self.home / "logs" / "connect.log",
                fast=True,
                rebalance_delay_seconds=self.rebalance_delay_seconds,
            )
        if "connect" not in self.running:
            self.running["connect"] = self._worker.process().start()
        return self._worker

    @property
    def java(self) -> Path:
        return java_program(None, inherited_environment())

    def kill(self, name: str) -> None:
        """Kill -9 one server: postgres-18, postgres-15, kafka or connect. Asking for it again starts it again."""
        self.running.pop(name).kill()

    def postmaster(self, major: int) -> psutil.Process:
        """The main process of a running PostgreSQL server."""
        process = self.running[f"postgres-{major}"].process
        assert process is not None
        return psutil.Process(process.pid)

    @contextmanager
    def log_kept_in_memory(self, major: int) -> Iterator[None]:
        """Have a PostgreSQL server write of its log only what a session insists on: its own writers are held.

        A `kill` of the server inside the block loses the rest.
        """
        server = self.postmaster(major)
        writers = _log_writers(server)
        for writer in writers:
            writer.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            # One that is held does not see its server die, and would be in the way of the next one.
            lives = server.is_running() and server.status() != psutil.STATUS_ZOMBIE
            after = signal.SIGCONT if lives else signal.SIGKILL
            for writer in writers:
                with contextlib.suppress(psutil.NoSuchProcess):
                    writer.send_signal(after)

    def stop(self) -> None:
        """Stop all, last started first, and remove the directory; nothing is kept, so nothing is waited for."""
        for name, process in reversed(list(self.running.items())):
            if name.startswith("postgres"):
                process.end()
            else:
                process.kill()
        self.running.clear()
        for cluster in self._clusters.values():
            shutil.rmtree(cluster.directory, ignore_errors=True)
        shutil.rmtree(self.home, ignore_errors=True)


@dataclass(frozen=True)
class Addresses:
    """Where the servers of a test run are."""

    postgres_18: str
    postgres_15: str
    kafka_bootstrap: str
    connect_url: str
    secrets_dir: Path
    """CDC_HOME/secrets of the Connect worker; its config providers may read below `connect` in it."""

    @classmethod
    def read(cls, file: Path) -> "Addresses":
        content = json.loads(file.read_text())
        return cls(**{**content, "secrets_dir": Path(content["secrets_dir"])})

    @classmethod
    def of(cls, servers: Servers) -> "Addresses":
        return cls(
            postgres_18=servers.postgres(18).url("postgres"),
            postgres_15=servers.postgres(15).url("postgres"),
            kafka_bootstrap=servers.kafka(),
            connect_url=servers.connect().url,
            secrets_dir=servers.home / "secrets",
        )

    def write(self, file: Path) -> None:
        file.write_text(json.dumps({**self.__dict__, "secrets_dir": str(self.secrets_dir)}, indent=1) + "\n")


@dataclass(frozen=True)
class Databases:
    """Three empty databases of one test, in one cluster."""

    source_url: str
    target_url: str
    state_url: str
    """Has an empty schema `dagster` besides `public`."""


def make_databases(cluster_url: str) -> Databases:
    """Make source, target and state database under names of their own."""
    mark = secrets.token_hex(4)
    urls = {}
    with psycopg.connect(cluster_url, autocommit=True) as session:
        for role in ("source", "target", "state"):
            name = f"{role}_{mark}"
            session.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            urls[role] = cluster_url.rpartition("/")[0] + f"/{name}"
    with psycopg.connect(urls["state"], autocommit=True) as session:
        session.execute("CREATE SCHEMA dagster")
    return Databases(source_url=urls["source"], target_url=urls["target"], state_url=urls["state"])


def drop_databases(cluster_url: str, databases: Databases) -> None:
    """Drop them with their slots and sessions."""
    with psycopg.connect(cluster_url, autocommit=True) as session:
        for url in (databases.source_url, databases.target_url, databases.state_url):
            name = url.rpartition("/")[2]
            drop_slots(session, name)
            session.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@retry(stop=stop_after_delay(20), wait=wait_fixed(0.1), retry=retry_if_not_result(lambda found: len(found) == 3))
def _log_writers(server: psutil.Process) -> list[psutil.Process]:
    """The processes that write a server's log and pages for others; a moment after its start all of them are there."""
    found = []
    for child in server.children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if any(word in " ".join(child.cmdline()) for word in ("walwriter", "background writer", "checkpointer")):
                found.append(child)
    return found


@retry(
    stop=stop_after_delay(20),
    wait=wait_fixed(0.1),
    # A walsender needs a moment to let go of its slot.
    retry=retry_if_exception_type((psycopg.errors.ObjectInUse, psycopg.errors.UndefinedObject)),
)
def drop_slots(session: psycopg.Connection, database: str) -> None:
    """Drop every slot of a database, also those in use."""
    mine = "FROM pg_replication_slots WHERE database = %s"
    session.execute(f"SELECT pg_terminate_backend(active_pid) {mine} AND active_pid IS NOT NULL", [database])
    session.execute(f"SELECT pg_drop_replication_slot(slot_name) {mine}", [database])


@retry(
    stop=stop_after_delay(30), wait=wait_fixed(0.2), retry=retry_if_not_result(bool) | retry_if_exception_type(OSError)
)
def delete_connectors(connect_url: str) -> bool:
    """Delete every connector of the worker; True when none is left."""
    answer = requests.get(f"{connect_url}/connectors", timeout=10)
    if not answer.ok:
        return False
    names = answer.json()
    for name in names:
        requests.delete(f"{connect_url}/connectors/{name}", timeout=10)
    return not names


def main() -> None:
    """Run all servers until interrupted."""
    servers = Servers.make()
    try:
        addresses = Addresses.of(servers)
        file = Path(sys.argv[1]) if len(sys.argv) > 1 else servers.home / "servers.json"
        addresses.write(file)
        sys.stdout.write(f"{file.read_text()}CDC_TEST_SERVERS={file}   (Ctrl-C or kill stops all)\n")
        sys.stdout.flush()
        # A handler for both: a background job of a shell inherits SIGINT as ignored.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: sys.exit(0))
        signal.pause()
    finally:
        servers.stop()


if __name__ == "__main__":
    main()
