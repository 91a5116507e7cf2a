"""Where a benchmark takes place: a state directory of its own below CDC_HOME, its servers, the files of its pipelines.

All of it is removed at the end. The servers are those of `./cdc up`, with its settings; none is tuned for a benchmark.
"""

import json
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg

from cdc_assets.embedded.connect import Worker
from cdc_assets.embedded.dagster import PORTS
from cdc_assets.embedded.distribution import Distribution, bytes_to_fetch, ensure_distribution
from cdc_assets.embedded.java import java_program
from cdc_assets.embedded.kafka import Broker
from cdc_assets.embedded.postgres import PostgresCluster, cluster_directory
from cdc_assets.embedded.server_process import ServerProcess, free_port
from cdc_assets.embedded.stack import DAGSTER_SCHEMA, ProgressBar, ensure_schema
from cdc_assets.embedded.supervisor import Report, Supervisor, make_home, stop_signals
from cdc_assets.model.errors import BenchError
from cdc_assets.settings import EMBEDDED_DATABASE, EMBEDDED_USER, Settings, inherited_environment
from cdc_assets.wiring.parts import migrate


@contextmanager
def bench_home(settings: Settings) -> Iterator[Settings]:
    """Give the settings of a fresh state directory below CDC_HOME, with ports of its own; it is removed at the end.

    BenchError when servers of the user's own are configured: a benchmark would load them.
    """
    embedded = (settings.is_embedded_postgres, settings.is_embedded_kafka, settings.is_embedded_connect)
    configured = [
        name
        for name, is_embedded in zip(
            ("CDC_DATABASE_URL", "CDC_KAFKA_BOOTSTRAP", "CDC_CONNECT_URL"), embedded, strict=True
        )
        if not is_embedded
    ]
    if configured:
        raise BenchError(
            f"a benchmark brings its own servers, but {', '.join(configured)} is set",
            hint="unset it in the environment or in cdc_assets.toml, or run the benchmark in another clone",
        )
    make_home(settings.home)
    home = Path(tempfile.mkdtemp(prefix="bench-", dir=settings.home))
    home.chmod(0o711)  # as root, PostgreSQL passes through as another user
    (home / "pipelines").mkdir()
    made = {
        "home": home,
        "pipelines_dir": home / "pipelines",
        "connections_file": home / "connections.yaml",
        "alerts_file": home / "alerts.yaml",
    }
    try:
        yield settings.model_copy(update={**made, **{name: free_port() for name in PORTS}})
    finally:
        shutil.rmtree(cluster_directory(home, "any").parent, ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)


@dataclass
class Ground:
    """The servers of a benchmark without Dagster: what moves rows, and nothing beside it."""

    settings: Settings
    major: int
    supervisor: Supervisor
    programs: Distribution
    password: str
    report: Report
    _clusters: dict[str, PostgresCluster] = field(default_factory=dict)
    _processes: dict[str, ServerProcess] = field(default_factory=dict)

    def start_postgres(self, *, has_target: bool = True) -> None:
        """Start the clusters: source, state database and, unless the target is another product's, target."""
        ports = {"source": free_port(), "state": self.settings.embedded_pg_port}
        if has_target:
            ports["target"] = free_port()
        for name, port in ports.items():
            cluster = PostgresCluster(
                name=f"PostgreSQL ({name})",
                major=self.major,
                binaries=self.programs.postgres[self.major],
                directory=cluster_directory(self.settings.home, name),
                port=port,
                password=self.password,
                log=self.settings.logs_dir / f"postgres_{name}.log",
            )
            self._clusters[name] = cluster
            self._processes[name] = cluster.process()
        self.report(f"starting PostgreSQL {self.major} servers: {', '.join(ports)}")
        self.supervisor.start(*self._processes.values())
        self._clusters["state"].ensure_database(EMBEDDED_DATABASE)
        ensure_schema(self.settings.database_url, DAGSTER_SCHEMA)
        migrate(self.settings)

    def start_stream(self) -> Worker:
        """Start the broker and the Connect worker; returns the worker."""
        settings = self.settings
        java = java_program(settings.java_home, inherited_environment())
        broker = Broker(
            directory=settings.home / "kafka",
            libraries=self.programs.libraries,
            java=java,
            port=settings.embedded_kafka_port,
            log=settings.logs_dir / "kafka.log",
        )
        worker = Worker(
            directory=settings.home / "connect",
            libraries=self.programs.libraries,
            plugins=self.programs.plugins,
            secrets=settings.connect_secrets_dir,
            java=java,
            port=settings.embedded_connect_port,
            kafka_bootstrap=settings.kafka_bootstrap,
            log=settings.logs_dir / "connect.log",
        )
        self.report("starting the Kafka broker and Kafka Connect")
        self.supervisor.launch(broker.process())
        self.supervisor.launch(worker.process())
        self.supervisor.before_end(worker.stop_connectors)
        self.supervisor.await_ready()
        return worker

    def cluster(self, name: str) -> PostgresCluster:
        """Return a running cluster: source, target or state."""
        return self._clusters[name]

    def server_version(self, name: str) -> str:
        """Return the version of a running cluster."""
        with psycopg.connect(self.cluster(name).url("postgres")) as session:
            return session.info.parameter_status("server_version") or ""

    def postmaster(self, name: str) -> int:
        """Return the process id of a running cluster."""
        process = self._processes[name].process
        if process is None or not psutil.pid_exists(process.pid):
            raise BenchError(f"PostgreSQL ({name}) ended by itself", hint="run the benchmark again")
        return process.pid


@contextmanager
def running_ground(settings: Settings, *, major: int, report: Report, progress_bar: ProgressBar) -> Iterator[Ground]:
    """Have nothing run yet, and everything that is started stopped at the end; must be entered by the main thread."""
    with (
        stop_signals(),
        bench_home(settings) as inner,
        Supervisor(report, start_seconds=inner.start_seconds) as supervisor,
    ):
        programs = fetch(inner, major, report, progress_bar)
        yield Ground(inner, major, supervisor, programs, ensure_password(inner), report)


def fetch(settings: Settings, major: int, report: Report, progress_bar: ProgressBar) -> Distribution:
    """Make the servers' programs exist."""
    size = bytes_to_fetch(settings, postgres=(major,))
    if not size:
        return ensure_distribution(settings, postgres=(major,), progress=None)
    report(f"fetching the servers' files: {size / 1e6:.0f} MB into {settings.cache_dir}")
    with progress_bar(size) as progress:
        return ensure_distribution(settings, postgres=(major,), progress=progress)


def ensure_password(settings: Settings) -> str:
    """Make the password of the servers exist, where the state database's is looked for."""
    file = settings.embedded_password_file
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(16), encoding="utf-8")  # letters and digits, nothing to quote in a URL
    return file.read_text(encoding="utf-8")


@dataclass(frozen=True)
class Side:
    """A side of a benchmark's pipeline: its entry in the connections file, its database and schema."""

    entry: str
    database: str
    schema: str


def postgres_side(settings: Settings, port: int, database: str, schema: str) -> Side:
    """Return a side on one of the benchmark's own servers."""
    entry = (
        f"kind: postgres, host: 127.0.0.1, port: {port}, user: {EMBEDDED_USER}, "
        f"password: {{file: {settings.embedded_password_file}}}"
    )
    return Side(f"{{{entry}}}", database, schema)


@dataclass(frozen=True)
class PipelineFile:
    """One pipeline of a benchmark, as a user would write it."""

    name: str
    mode: str
    source: Side
    target: Side
    tables: Sequence[str]
    streams: int = 2

    def write(self, settings: Settings) -> None:
        """Write its file in place of every other one, and the connections it needs."""
        for file in settings.pipelines_dir.glob("*.yaml"):
            file.unlink()
        sides = {"source": self.source, "target": self.target}
        settings.connections_file.write_text(
            "".join(f"{name}: {side.entry}\n" for name, side in sides.items()), encoding="utf-8"
        )
        (settings.pipelines_dir / f"{self.name}.yaml").write_text(
            f"mode: {self.mode}\n"
            + "".join(
                f"{name}: {{connection: {name}, database: {json.dumps(side.database)}, schema: {side.schema}}}\n"
                for name, side in sides.items()
            )
            + f"options: {{load_streams: {self.streams}}}\n"
            "tables:\n" + "".join(f"  - {table}\n" for table in self.tables),
            encoding="utf-8",
        )

    def command(self) -> list[str]:
        """Return what does the work of a start of it, as a run does, in a process of its own."""
        return [sys.executable, "-P", "-m", "cdc_assets.embedded.bench.run", self.name]


def run_environment(settings: Settings) -> Mapping[str, str]:
    """Return the environment in which a run finds the benchmark's servers and files."""
    ports = {f"CDC_{name.upper()}": str(getattr(settings, name)) for name in PORTS}
    return {
        **{name: value for name, value in inherited_environment().items() if not name.startswith("CDC_")},
        **ports,
        "CDC_HOME": str(settings.home),
        "CDC_PIPELINES_DIR": str(settings.pipelines_dir),
        "CDC_CONNECTIONS_FILE": str(settings.connections_file),
        "CDC_ALERTS_FILE": str(settings.alerts_file),
    }
