"""`bench load`: the verified full load beside what PostgreSQL's own programs need for the same tables, unverified.

Every run of every contender begins with an empty target database and written-out servers; the contenders take turns,
and the one that begins changes from round to round.
"""

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from cdc_assets.embedded.bench import meter, sample
from cdc_assets.embedded.bench.clients import ClientPrograms, find_clients
from cdc_assets.embedded.bench.ground import Ground, PipelineFile, run_environment, running_ground
from cdc_assets.embedded.bench.meter import Meter
from cdc_assets.embedded.bench.phases import Phases
from cdc_assets.embedded.bench.report import Aim, BenchReport, Machine, Sheet, shown_spread, spread
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


@dataclass(frozen=True, slots=True)
class Run:
    """One load by one contender."""

    wall_seconds: float
    cpu_seconds: float
    rss_mb: float
    server_cpu_seconds: float
    steps: Mapping[str, float]

    @property
    def all_cpu_seconds(self) -> float:
        """CPU of clients and servers: what is left to compare where neighbours keep the machine busy."""
        return self.cpu_seconds + self.server_cpu_seconds


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
        runs: dict[str, list[Run]] = {name: [] for name in bench.contenders}
        for number in range(rounds):
            names = list(bench.contenders)
            for name in names[number % len(names) :] + names[: number % len(names)]:
                run = bench.run(name)
                runs[name].append(run)
                report(f"round {number + 1}: {name}: {run.wall_seconds:.2f} s, client CPU {run.cpu_seconds:.2f} s")
        report("once more, to see where the time goes")
        phases = bench.explain()
        version = ground.server_version("source")
    return _answer(runs, machine, phases, size_bytes=size, options={
        "rows": rows, "rounds": rounds, "streams": streams,
        "tables": {table.name: table.count(rows) for table in sample.TABLES},
        "size_mb": round(size / 1e6, 1), "servers": f"PostgreSQL {version}", "clients": f"PostgreSQL {clients.version}",
    })  # fmt: skip


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
        source, target = (self._ground.cluster(side) for side in ("source", "target"))
        tables = [table.name for table in sample.TABLES]
        pipeline = PipelineFile(
            f"bench_{self._count}", "full_load_only", source.port, _DATABASE, target.port, _DATABASE, tables,
            self._streams,
        )  # fmt: skip
        pipeline.write(self._ground.settings)
        begun = time.monotonic()
        told = [json.loads(line) for line in clients.pipe(pipeline.command()).splitlines()]
        ended = [*told, {"step": "end", "at": time.monotonic()}]
        moments = [begun, *(float(step["at"]) for step in ended)]
        return {
            str(step["step"]): round(after - before, 3)
            for step, before, after in zip(ended, moments[:-1], moments[1:], strict=True)
        }

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


def _answer(
    runs: Mapping[str, Sequence[Run]],
    machine: Machine,
    phases: Mapping[str, float],
    *,
    size_bytes: int,
    options: Mapping[str, Any],
) -> BenchReport:
    # In each round all stood on the same machine with the same neighbours: the ratio of a round, then their median.
    ratios = {
        name: [theirs.wall_seconds / ours.wall_seconds for theirs, ours in zip(of_peer, runs[OURS], strict=True)]
        for name, of_peer in runs.items()
    }
    cpu_ratios = {
        name: [theirs.all_cpu_seconds / ours.all_cpu_seconds for theirs, ours in zip(of_peer, runs[OURS], strict=True)]
        for name, of_peer in runs.items()
    }
    steps = {
        step: spread([run.steps[step] for run in runs[OURS]]) for step in (runs[OURS][0].steps if runs[OURS] else ())
    }
    rows = [
        (
            name,
            shown_spread([run.wall_seconds for run in of_one]),
            shown_spread([size_bytes / 1e6 / run.wall_seconds for run in of_one], 0),
            shown_spread([run.cpu_seconds for run in of_one]),
            shown_spread([run.server_cpu_seconds for run in of_one]),
            f"{statistics.median(run.rss_mb for run in of_one):.0f}",
            shown_spread(ratios[name], 2),
            shown_spread(cpu_ratios[name], 2),
        )
        for name, of_one in runs.items()
    ]
    columns = ("LOAD", "WALL s", "MB/s", "CLIENT CPU s", "SERVER CPU s", "RSS MB", "WALL / OURS", "ALL CPU / OURS")
    return BenchReport(
        bench="load",
        options=options,
        machine=machine.as_json(),
        figures={
            "contenders": {name: _figures(of_one, ratios[name], cpu_ratios[name]) for name, of_one in runs.items()},
            "steps_seconds": steps,
            "phases_session_seconds": phases,
        },
        sheets=(
            Sheet("median (least-most) of the rounds", columns, rows),
            Sheet(
                "the steps of our run",
                ("STEP", "SECONDS"),
                [(_STEPS.get(step, step), f"{seconds['median']:.2f}") for step, seconds in steps.items()],
            ),
            Sheet(
                "what sessions were busy with in one more run of ours",
                ("WORK", "SESSION SECONDS"),
                [(what, f"{seconds:.1f}") for what, seconds in phases.items()],
            ),
        ),
        aims=(
            Aim(f"wall of {DUMP} / ours", 1.0, statistics.median(ratios[DUMP])),
            Aim(f"wall of {PIPE} / ours", _PIPE_AIM, statistics.median(ratios[PIPE])),
            Aim("our memory, MB", _RSS_AIM_MB, statistics.median(run.rss_mb for run in runs[OURS]), is_ceiling=True),
        ),
    )


_STEPS = {
    "loaded": "the program itself is loaded",
    "target_schema": "checks, and the target's tables are made",
    "loaded_table": "rows copied and read back, keys built",
    "end": "end of the process",
}


def _figures(runs: Sequence[Run], ratios: Sequence[float], cpu_ratios: Sequence[float]) -> Mapping[str, Any]:
    return {
        "wall_seconds": spread([run.wall_seconds for run in runs]),
        "client_cpu_seconds": spread([run.cpu_seconds for run in runs]),
        "server_cpu_seconds": spread([run.server_cpu_seconds for run in runs]),
        "rss_mb": spread([run.rss_mb for run in runs]),
        "wall_to_ours": spread(ratios),
        "cpu_to_ours": spread(cpu_ratios),
        "all_wall_seconds": [round(run.wall_seconds, 3) for run in runs],
    }
