"""`bench scale`: how long a start takes, and how much memory the stack has then, for more and more tables.

For each size the whole stack of `./cdc up` is started anew, Dagster and all: a Java process gives little memory back.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import psycopg
from psycopg import sql

from cdc_assets.embedded.bench.ground import PipelineFile, bench_home, postgres_side
from cdc_assets.embedded.bench.meter import shared_bytes
from cdc_assets.embedded.bench.report import BenchReport, Machine, Sheet, shown_spread, spread
from cdc_assets.embedded.server_process import free_port
from cdc_assets.embedded.stack import POSTGRES_MAJOR, ProgressBar, Stack
from cdc_assets.embedded.supervisor import Report, Supervisor
from cdc_assets.model.errors import BenchError
from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.status import PipelineStatus
from cdc_assets.settings import Settings
from cdc_assets.wiring import request_start

_PIPELINE = "bench"
_DATABASE = "bench"
_START_SECONDS = 900
_SAMPLE_SECONDS = 1.0


class Follow(Protocol):
    """Waits for what was asked of a pipeline; the command line's own."""

    def __call__(
        self,
        settings: Settings,
        asked: PipelineRecord,
        *,
        is_done: Callable[[PipelineRecord], bool],
        show: Callable[[PipelineRecord], None],
        timeout_seconds: float | None,
    ) -> PipelineRecord:
        """Return the record when `is_done` says so; raises CdcAssetsError when that does not come."""


@dataclass(frozen=True, slots=True)
class Point:
    """What a pipeline of that many tables needed."""

    tables: int
    stack_seconds: float
    start_seconds: float
    memory_mb: Mapping[str, float]
    """By server, when the pipeline is RUNNING."""
    peak_mb: float
    """All together, the most while it started."""


def bench_scale(
    settings: Settings,
    *,
    tables: Sequence[int],
    rows: int,
    rounds: int,
    follow: Follow,
    report: Report,
    progress_bar: ProgressBar,
) -> BenchReport:
    """Run it; raises CdcAssetsError with the cause when a stack or a pipeline does not start."""
    machine = Machine()
    points: dict[int, list[Point]] = {count: [] for count in tables}
    for _ in range(rounds):
        for count in tables:
            point = _measure(settings, count, rows, follow, progress_bar)
            points[count].append(point)
            total = sum(point.memory_mb.values())
            report(
                f"{count} tables: servers up {point.stack_seconds:.1f} s, RUNNING {point.start_seconds:.1f} s,"
                f" {total:.0f} MB"
            )
    options = {"tables": list(tables), "rows": rows, "rounds": rounds, "servers": f"PostgreSQL {POSTGRES_MAJOR}"}
    return _answer(points, machine, options)


def _measure(settings: Settings, count: int, rows: int, follow: Follow, progress_bar: ProgressBar) -> Point:
    with bench_home(settings) as inner:
        ports = {"source": free_port(), "target": free_port()}
        stack = Stack(inner, report=_silent, progress_bar=progress_bar, extra_postgres=ports)
        names = [f"t{number:04}" for number in range(1, count + 1)]
        # Before Dagster loads its definitions: a file that came later would wait for the next look at the directory.
        PipelineFile(
            _PIPELINE,
            "full_load_and_cdc",
            postgres_side(inner, ports["source"], _DATABASE, "public"),
            postgres_side(inner, ports["target"], _DATABASE, "dbo"),
            names,
        ).write(inner)
        begun = time.monotonic()
        with stack.running() as supervisor:
            stack_seconds = time.monotonic() - begun
            for name, port in ports.items():
                stack.cluster(name, port).ensure_database(_DATABASE)
            _fill(stack.cluster("source", ports["source"]).url(_DATABASE), names, rows)
            with _Memory(supervisor) as memory:
                begun = time.monotonic()
                record = follow(
                    inner,
                    request_start(inner, _PIPELINE),
                    is_done=lambda seen: seen.status in {PipelineStatus.RUNNING, PipelineStatus.ERROR},
                    show=_show_nothing,
                    timeout_seconds=_START_SECONDS,
                )
                start_seconds = time.monotonic() - begun
            if record.status is PipelineStatus.ERROR:
                raise BenchError(
                    f"the pipeline of {count} tables did not start: {record.last_error}", hint="run the benchmark again"
                )
            return Point(count, stack_seconds, start_seconds, memory.now(), memory.peak_mb)


def _fill(url: str, names: Sequence[str], rows: int) -> None:
    with psycopg.connect(url) as session:
        for name in names:
            table = sql.Identifier(name)
            session.execute(sql.SQL("CREATE TABLE {} (id bigint PRIMARY KEY, note text, at timestamptz)").format(table))
            session.execute(
                sql.SQL("INSERT INTO {} SELECT g, 'note ' || g, now() FROM generate_series(1, %s) g").format(table),
                [rows],
            )


class _Memory:
    """The memory of the stack's servers and of what they started, looked at each second while its context lasts."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self.peak_mb = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def now(self) -> Mapping[str, float]:
        """Return the megabytes of each server."""
        found = {}
        for server in self._supervisor.servers:
            if server.process is not None:
                found[server.name] = shared_bytes(server.process.pid) / (1 << 20)
        return found

    def _sample(self) -> None:
        while not self._over.wait(_SAMPLE_SECONDS):
            self.peak_mb = max(self.peak_mb, sum(self.now().values()))


def _answer(points: Mapping[int, Sequence[Point]], machine: Machine, options: Mapping[str, Any]) -> BenchReport:
    servers = list(dict.fromkeys(name for of_one in points.values() for point in of_one for name in point.memory_mb))
    start = Sheet(
        "median (least-most) of the rounds",
        ("TABLES", "SERVERS UP s", "START TO RUNNING s", "MEMORY MB", "MOST WHILE IT STARTED MB"),
        [
            (
                str(count),
                shown_spread([point.stack_seconds for point in of_one]),
                shown_spread([point.start_seconds for point in of_one]),
                shown_spread([sum(point.memory_mb.values()) for point in of_one], 0),
                shown_spread([point.peak_mb for point in of_one], 0),
            )
            for count, of_one in points.items()
        ],
    )
    memory = Sheet(
        "memory of each server when the pipeline is RUNNING, MB",
        ("SERVER", *(f"{count} tables" for count in points)),
        [
            (
                server,
                *(shown_spread([point.memory_mb.get(server, 0) for point in of_one], 0) for of_one in points.values()),
            )
            for server in servers
        ],
    )
    return BenchReport(
        bench="scale",
        options=options,
        machine=machine.as_json(),
        figures={
            str(count): {
                "servers_up_seconds": spread([point.stack_seconds for point in of_one]),
                "start_seconds": spread([point.start_seconds for point in of_one]),
                "memory_mb": spread([sum(point.memory_mb.values()) for point in of_one]),
                "peak_memory_mb": spread([point.peak_mb for point in of_one]),
                "memory_mb_of": {
                    server: spread([point.memory_mb.get(server, 0) for point in of_one]) for server in servers
                },
            }
            for count, of_one in points.items()
        },
        sheets=(start, memory),
    )


def _silent(line: str) -> None:
    """Tell nobody."""


def _show_nothing(record: PipelineRecord) -> None:
    """Show nothing."""
