"""The whole stack of one state directory: which servers, in which order, with which settings.

Started by `./cdc up`, `./cdc demo` and the end-to-end tests. Servers whose address is configured are left out.
"""

import errno
import secrets
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from cdc_assets.embedded.api import api_server, api_url
from cdc_assets.embedded.connect import Worker
from cdc_assets.embedded.dagster import DagsterServers
from cdc_assets.embedded.distribution import Distribution, bytes_to_fetch, ensure_distribution
from cdc_assets.embedded.jars import Progress
from cdc_assets.embedded.java import java_program
from cdc_assets.embedded.kafka import Broker
from cdc_assets.embedded.postgres import PostgresCluster, cluster_directory, enterable_by_all, server_user
from cdc_assets.embedded.server_process import free_port, listen_error
from cdc_assets.embedded.supervisor import (
    Report,
    Supervisor,
    free_disk_gb,
    reaper,
    sole_supervisor,
    stop_signals,
)
from cdc_assets.model.errors import EmbeddedStackError, StateDatabaseError
from cdc_assets.settings import EMBEDDED_DATABASE, Settings, inherited_environment, is_loopback
from cdc_assets.wiring.parts import migrate

POSTGRES_MAJOR = 18
DAGSTER_SCHEMA = "dagster"
FIRST_START_GB = 1.5
LATER_START_GB = 0.3
LOOPBACK = "127.0.0.1"

ProgressBar = Callable[[int], AbstractContextManager[Progress]]
"""Called with the bytes to fetch; gives what is told of every arriving piece."""


@dataclass
class Stack:
    """What `up` runs; `running` is the whole of it."""

    settings: Settings
    report: Report
    progress_bar: ProgressBar
    insecure_ui: bool = False
    extra_postgres: dict[str, int] = field(default_factory=dict)
    """Further clusters by name and port (the demo's source and target)."""

    _programs: Distribution | None = None

    @contextmanager
    def running(self) -> Iterator[Supervisor]:
        """Have everything run while the context lasts; must be entered by the main thread.

        Raises EmbeddedStackError or StateDatabaseError with the cause when something does not start; nothing of it runs
        then. Raises StopRequested when asked to end.
        """
        self._refuse_open_page()
        self._refuse_wrong_java()
        self._refuse_shared_ports()
        with sole_supervisor(self.settings.home), stop_signals():
            self._refuse_taken_ports()
            self._refuse_full_disk()
            stack_id = uuid.uuid4().hex
            self._programs = self._fetch()
            with reaper(stack_id), self._supervisor() as supervisor:
                self._start(supervisor, stack_id)
                yield supervisor

    def cluster(self, name: str, port: int) -> PostgresCluster:
        """Return one of the stack's PostgreSQL clusters."""
        if self._programs is None:
            raise EmbeddedStackError(f"{name} was asked for before the stack runs", hint="this is a defect; report it")
        return PostgresCluster(
            name=f"PostgreSQL ({name})",
            major=POSTGRES_MAJOR,
            binaries=self._programs.postgres[POSTGRES_MAJOR],
            directory=cluster_directory(self.settings.home, name),
            port=port,
            password=self._password(),
            log=self.settings.logs_dir / f"postgres_{name}.log",
        )

    def _supervisor(self) -> Supervisor:
        return Supervisor(self.report, start_seconds=self.settings.start_seconds)

    def _start(self, supervisor: Supervisor, stack_id: str) -> None:
        settings = self.settings
        self._start_postgres(supervisor)
        ensure_schema(settings.database_url, DAGSTER_SCHEMA)
        migrate(settings)
        if settings.is_embedded_kafka:
            self.report(f"Starting the Kafka broker on port {settings.embedded_kafka_port}")
            supervisor.launch(self._broker().process())
        if settings.is_embedded_connect:
            self.report(f"Starting Kafka Connect on port {settings.embedded_connect_port}")
            worker = self._worker()
            supervisor.launch(worker.process())
            # Connectors end before their worker does, and after Dagster, which would start them again.
            supervisor.before_end(worker.stop_connectors)
        dagster = DagsterServers(settings, free_port(), stack_id)
        dagster.prepare()
        self.report(f"Starting Dagster on {dagster.url}")
        code_server = dagster.code_server()
        supervisor.launch(code_server)
        supervisor.await_ready()
        self.report(f"Starting the HTTP API on {api_url(settings)}")
        supervisor.start(dagster.webserver(), dagster.daemon(), api_server(settings, dagster.environment()))
        problem = dagster.load_error()
        if problem:
            raise EmbeddedStackError(
                f"Dagster could not load cdc_assets.definitions: {problem}", hint=f"see {code_server.log}"
            )

    def _start_postgres(self, supervisor: Supervisor) -> None:
        clusters = dict(self.extra_postgres)
        if self.settings.is_embedded_postgres:
            clusters = {"state": self.settings.embedded_pg_port, **clusters}
        if not clusters:
            return
        for name, port in clusters.items():
            self.report(f"Starting PostgreSQL {POSTGRES_MAJOR} ({name}) on port {port}")
        made = [self.cluster(name, port) for name, port in clusters.items()]
        if server_user() and not enterable_by_all(self.settings.home.resolve()):
            self.report(f"PostgreSQL does not run as root: its data is in {made[0].directory.parent}, as user nobody")
        supervisor.start(*(cluster.process() for cluster in made))
        for cluster in made:
            cluster.ensure_database(EMBEDDED_DATABASE)

    def _broker(self) -> Broker:
        return Broker(
            directory=self.settings.home / "kafka",
            libraries=self._fetched.libraries,
            java=self._java,
            port=self.settings.embedded_kafka_port,
            log=self.settings.logs_dir / "kafka.log",
            fast=self.settings.fast_start,
        )

    def _worker(self) -> Worker:
        return Worker(
            directory=self.settings.home / "connect",
            libraries=self._fetched.libraries,
            plugins=self._fetched.plugins,
            secrets=self.settings.connect_secrets_dir,
            java=self._java,
            port=self.settings.embedded_connect_port,
            kafka_bootstrap=self.settings.kafka_bootstrap,
            log=self.settings.logs_dir / "connect.log",
            fast=self.settings.fast_start,
        )

    @property
    def _java(self) -> Path:
        return java_program(self.settings.java_home, inherited_environment())

    @property
    def _fetched(self) -> Distribution:
        if self._programs is None:
            self._programs = self._fetch()
        return self._programs

    def _fetch(self) -> Distribution:
        majors = (POSTGRES_MAJOR,) if self.settings.is_embedded_postgres or self.extra_postgres else ()
        size = bytes_to_fetch(self.settings, postgres=majors)
        if not size:
            return ensure_distribution(self.settings, postgres=majors, progress=None)
        self.report(f"Fetching the servers' files: {size / 1e6:.0f} MB into {self.settings.cache_dir}")
        with self.progress_bar(size) as progress:
            return ensure_distribution(self.settings, postgres=majors, progress=progress)

    def _password(self) -> str:
        file = self.settings.embedded_password_file
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh = file.with_suffix(".new")
            fresh.touch(mode=0o600)
            fresh.write_text(secrets.token_urlsafe(24), encoding="utf-8")
            fresh.replace(file)
        return file.read_text(encoding="utf-8")

    def _refuse_open_page(self) -> None:
        if not is_loopback(self.settings.ui_host) and not self.insecure_ui:
            raise EmbeddedStackError(
                f"CDC_UI_HOST {self.settings.ui_host} would open Dagster's web page to other machines; it has no login",
                hint="use 127.0.0.1 behind a proxy with a login, or say --insecure-ui",
            )

    def _refuse_wrong_java(self) -> None:
        if self.settings.is_embedded_kafka or self.settings.is_embedded_connect:
            _ = self._java

    def _refuse_shared_ports(self) -> None:
        owners: dict[int, str] = {}
        for _, _, port, variable in self._addresses():
            if port in owners:
                raise EmbeddedStackError(
                    f"port {port} is both {owners[port]}_PORT and {variable}_PORT",
                    hint=f"give each server a port of its own: set {variable}_PORT to another",
                )
            owners[port] = variable

    def _refuse_taken_ports(self) -> None:
        for address in self._addresses():
            _refuse_unusable(*address)

    def _addresses(self) -> list[tuple[str, str, int, str]]:
        """Where something will listen: what it is, host, port, and its settings without `_PORT`."""
        settings = self.settings
        wanted = [
            ("ui", settings.ui_host, settings.ui_port, "CDC_UI"),
            ("api", settings.api_host, settings.api_port, "CDC_API"),
        ]
        if settings.is_embedded_postgres:
            wanted.append(("state database", LOOPBACK, settings.embedded_pg_port, "CDC_EMBEDDED_PG"))
        if settings.is_embedded_kafka:
            wanted.append(("Kafka", LOOPBACK, settings.embedded_kafka_port, "CDC_EMBEDDED_KAFKA"))
        if settings.is_embedded_connect:
            wanted.append(("Kafka Connect", LOOPBACK, settings.embedded_connect_port, "CDC_EMBEDDED_CONNECT"))
        for name, port in self.extra_postgres.items():
            wanted.append((f"demo {name}", LOOPBACK, port, f"CDC_DEMO_{name.upper()}"))
        return wanted

    def _refuse_full_disk(self) -> None:
        majors = (POSTGRES_MAJOR,)
        wanted = FIRST_START_GB if bytes_to_fetch(self.settings, postgres=majors) else LATER_START_GB
        free = free_disk_gb(self.settings.home)
        if free < wanted:
            raise EmbeddedStackError(
                f"{free:.1f} GB of disk are free at {self.settings.home}, {wanted} GB are needed",
                hint="free some, or set CDC_HOME to a larger file system",
            )


def _refuse_unusable(what: str, host: str, port: int, variable: str) -> None:
    error = listen_error(host, port)
    if error is None:
        return
    if error.errno == errno.EADDRINUSE:
        raise EmbeddedStackError(
            f"port {port} ({what}) is in use", hint=f"stop the program that uses it, or set {variable}_PORT"
        )
    if error.errno == errno.EACCES:
        raise EmbeddedStackError(
            f"this user may not open port {port} ({what})", hint=f"set {variable}_PORT to one above 1023"
        )
    raise EmbeddedStackError(
        f"{variable}_HOST {host} is no address of this machine: {error.strerror}",
        hint=f"set {variable}_HOST to 127.0.0.1 or to an address that this machine has",
    )


def ensure_schema(url: str, schema: str) -> None:
    """Make a schema exist in the state database; raises StateDatabaseError when it does not answer or refuses."""
    try:
        with psycopg.connect(url, connect_timeout=10, autocommit=True) as session:
            found = session.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [schema]).fetchone()
            if found is None:
                session.execute(psycopg.sql.SQL("CREATE SCHEMA {}").format(psycopg.sql.Identifier(schema)))
    except psycopg.errors.InsufficientPrivilege as error:
        raise StateDatabaseError(
            f"the role of CDC_DATABASE_URL may not make schema {schema}",
            hint=f'GRANT CREATE ON DATABASE to it, or run CREATE SCHEMA "{schema}" AUTHORIZATION it as the owner',
        ) from error
    except psycopg.OperationalError as error:
        raise StateDatabaseError(
            f"the state database does not answer: {type(error).__name__}",
            hint="check host, port, user and password in CDC_DATABASE_URL",
        ) from error
