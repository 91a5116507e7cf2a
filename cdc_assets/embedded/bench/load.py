"""`bench load`: the verified full load beside what PostgreSQL's own programs need for the same tables, unverified.

Every run of every contender begins with an empty target database and written-out servers; the contenders take turns,
and the one that begins changes from round to round.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import psycopg
from psycopg import sql

from cdc_assets.embedded.bench import meter, sample
from cdc_assets.embedded.bench.clients import ClientPrograms, find_clients
from cdc_assets.embedded.bench.ground import Ground, PipelineFile, postgres_side, run_environment, running_ground
from cdc_assets.embedded.bench.load_report import Run, load_report, memory_mb, wall_ratio
from cdc_assets.embedded.bench.load_runs import load_ours, run_rounds
from cdc_assets.embedded.bench.meter import Meter
from cdc_assets.embedded.bench.phases import Phases
from cdc_assets.embedded.bench.report import Aim, BenchReport, Machine
from cdc_assets.embedded.stack import ProgressBar
from cdc_assets.embedded.supervisor import Report
from cdc_assets.model.errors import BenchError
from cdc_assets.settings import EMBEDDED_USER, Settings

MAJOR = 15
OURS = "cdc_assets, verified"
DUMP = "pg_dump -Fc | pg_restore"
PLAIN_DUMP = "pg_dump -Fc -Z0 | pg_restore"
PIPE = "psql COPY | psql COPY"
_DATABASE = "bench"
_BUILD_MEMORY = "-c maintenance_work_mem=512MB"
_RSS_AIM_MB = 256
_PIPE_AIM = 0.7


def bench_load(
    settings: Settings,
    *,
    rows: int,
    rounds: int,
    streams: int,
    client_bin: Path | None,
    report: Report,
    progress_bar: ProgressBar,
) -> BenchReport:
    """Run it; raises BenchError or EmbeddedStackError with the cause when it cannot be done."""
    clients = find_clients(MAJOR, client_bin)
    machine = Machine()
    with running_ground(settings, major=MAJOR, report=report, progress_bar=progress_bar) as ground:
        ground.start_postgres()
        bench = _Load(ground, clients, rows, streams)
        report(f"filling {len(sample.TABLES)} tables")
        size = bench.prepare()
        runs = run_rounds(list(bench.contenders), rounds, bench.run, report)
        report("once more, to see where the time goes")
        phases = bench.explain()
        version = ground.server_version("source")
    options = {
        "rows": rows,
        "rounds": rounds,
        "streams": streams,
        "tables": {table.name: table.count(rows) for table in sample.TABLES},
        "size_mb": round(size / 1e6, 1),
        "servers": f"PostgreSQL {version}",
        "clients": f"PostgreSQL {clients.version}",
    }
    aims = (
        Aim(f"wall of {DUMP} / ours", 1.0, wall_ratio(runs, OURS, DUMP)),
        Aim(f"wall of {PIPE} / ours", _PIPE_AIM, wall_ratio(runs, OURS, PIPE)),
        Aim("our memory, MB", _RSS_AIM_MB, memory_mb(runs, OURS), is_ceiling=True),
    )
    return load_report(runs, OURS, machine.as_json(), phases=phases, size_bytes=size, options=options, aims=aims)


class _Load:
    """The contenders over one pair of servers."""

    def __init__(self, ground: Ground, clients: ClientPrograms, rows: int, streams: int) -> None:
        self._ground = ground
        self._clients = clients
        self._rows = rows
        self._streams = streams
        self._count = 0
        self.contenders: dict[str, Callable[[Meter], Mapping[str, float]]] = {
            OURS: self._ours,
            DUMP: partial(self._dump, []),
            PLAIN_DUMP: partial(self._dump, ["-Z0"]),
            PIPE: partial(self._pipe, 1),
        }
        if streams > 1:
            self.contenders[pipes(streams)] = partial(self._pipe, streams)

    def prepare(self) -> int:
        """Fill the source."""
        source = self._ground.cluster("source")
        source.ensure_database(_DATABASE)
        return sample.fill(source.url(_DATABASE), self._rows)

    def run(self, name: str) -> Run:
        """Let a contender load into an empty database, and count what arrived."""
        self._empty_target()
        clients = Meter({**run_environment(self._ground.settings), **self._login()})
        postmasters = [self._ground.postmaster(side) for side in ("source", "target")]
        before = sum(meter.cpu_seconds(pid) for pid in postmasters)
        with clients.running():
            steps = self.contenders[name](clients)
        server_cpu = sum(meter.cpu_seconds(pid) for pid in postmasters) - before
        self._require_rows(name)
        used = clients.usage
        return Run(used.wall_seconds, used.cpu_seconds, used.rss_mb, server_cpu, steps)

    def explain(self) -> Mapping[str, float]:
        """Load once more and return what the target's sessions were busy with, in seconds of sessions."""
        self._empty_target()
        clients = Meter({**run_environment(self._ground.settings), **self._login()})
        with Phases(self._target_url(), self._ground.cluster("source").url(_DATABASE)) as phases, clients.running():
            self._ours(clients)
        return phases.seconds

    def _ours(self, clients: Meter) -> Mapping[str, float]:
        self._count += 1
        settings = self._ground.settings
        ports = {side: self._ground.cluster(side).port for side in ("source", "target")}
        pipeline = PipelineFile(
            f"bench_{self._count}",
            "full_load_only",
            postgres_side(settings, ports["source"], _DATABASE, "public"),
            postgres_side(settings, ports["target"], _DATABASE, "dbo"),
            [table.name for table in sample.TABLES],
            self._streams,
        )
        return load_ours(clients, settings, pipeline)

    def _dump(self, options: Sequence[str], clients: Meter) -> Mapping[str, float]:
        tables = [part for table in sample.TABLES for part in ("-t", f"public.{table.name}")]
        clients.pipe(
            [self._clients.path("pg_dump"), "-Fc", *options, *tables, *self._address("source")],
            [self._clients.path("pg_restore"), "--no-owner", "--exit-on-error", *self._address("target")],
        )
        return {}

    def _pipe(self, at_once: int, clients: Meter) -> Mapping[str, float]:
        with psycopg.connect(self._target_url(), autocommit=True) as session:
            for table in sample.TABLES:
                sample.make_table(session, table)
        with ThreadPoolExecutor(at_once) as pool:
            for _ in pool.map(lambda table: self._pipe_table(clients, table.name), sample.TABLES):
                pass
        return {}

    def _pipe_table(self, clients: Meter, table: str) -> None:
        clients.pipe(
            self._psql("source", f"COPY public.{table} TO STDOUT (FORMAT binary)"),
            self._psql("target", f"COPY public.{table} FROM STDIN (FORMAT binary)"),
        )
        clients.pipe(self._psql("target", f"ALTER TABLE public.{table} ADD PRIMARY KEY ({sample.KEY})"))

    def _psql(self, side: str, statement: str) -> list[str]:
        return [self._clients.path("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", statement, *self._address(side)]

    def _address(self, side: str) -> list[str]:
        port = str(self._ground.cluster(side).port)
        return ["-h", "127.0.0.1", "-p", port, "-U", EMBEDDED_USER, "-d", _DATABASE]

    def _login(self) -> Mapping[str, str]:
        # The key is built with as much memory as our own load gives it.
        return {"PGPASSWORD": self._ground.password, "PGOPTIONS": _BUILD_MEMORY}

    def _target_url(self) -> str:
        return self._ground.cluster("target").url(_DATABASE)

    def _empty_target(self) -> None:
        target, source = self._ground.cluster("target"), self._ground.cluster("source")
        with psycopg.connect(target.url("postgres"), autocommit=True) as session:
            session.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(_DATABASE)))
        target.ensure_database(_DATABASE)
        for cluster in (source, target):
            # Nobody pays for what the one before left unwritten.
            with psycopg.connect(cluster.url("postgres"), autocommit=True) as session:
                session.execute("CHECKPOINT")

    def _require_rows(self, name: str) -> None:
        schema = "dbo" if name == OURS else "public"
        with psycopg.connect(self._target_url()) as session:
            for table in sample.TABLES:
                query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table.name))
                row = session.execute(query).fetchone()
                if row is None or row[0] != table.count(self._rows):
                    raise BenchError(
                        f"{name} left {row and row[0]} of {table.count(self._rows)} rows in {table.name}",
                        hint="run the benchmark again; if it repeats, report it",
                    )


def pipes(streams: int) -> str:
    """Return the name of the contender that copies as many tables at once as our load does."""
    return f"{PIPE}, {streams} at once"
