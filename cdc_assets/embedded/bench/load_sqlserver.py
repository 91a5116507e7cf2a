"""`bench load --target sqlserver`: the verified full load beside pyodbc's `fast_executemany`, which verifies nothing.

The source is a PostgreSQL of the benchmark's own, the target the SQL Server that the environment names. Every run of
every contender begins with an empty schema.
"""

import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psycopg

from cdc_assets.embedded.bench import fast_executemany, sample
from cdc_assets.embedded.bench.ground import Ground, PipelineFile, postgres_side, run_environment, running_ground
from cdc_assets.embedded.bench.load_report import Run, load_report, memory_mb, wall_ratio
from cdc_assets.embedded.bench.load_runs import load_ours, run_rounds
from cdc_assets.embedded.bench.meter import Meter
from cdc_assets.embedded.bench.report import Aim, BenchReport, Machine
from cdc_assets.embedded.bench.sqlserver_ground import SqlServerGround, sqlserver_ground
from cdc_assets.embedded.stack import ProgressBar
from cdc_assets.embedded.supervisor import Report
from cdc_assets.model.errors import BenchError
from cdc_assets.settings import Settings

MAJOR = 15
OURS = "cdc_assets, verified"
PEER = "pyodbc fast_executemany"
_DATABASE = "bench"
_PEER_AIM = 4.0
_RSS_AIM_MB = 256


def bench_load_sqlserver(
    settings: Settings, *, rows: int, rounds: int, streams: int, report: Report, progress_bar: ProgressBar
) -> BenchReport:
    """Run it; raises BenchError or EmbeddedStackError with the cause when it cannot be done."""
    machine = Machine()
    with (
        sqlserver_ground() as target,
        running_ground(settings, major=MAJOR, report=report, progress_bar=progress_bar) as ground,
    ):
        target_version = target.version()
        ground.start_postgres(has_target=False)
        bench = _Load(ground, target, rows, streams)
        report(f"filling {len(sample.TABLES)} tables")
        size = bench.prepare()
        runs = run_rounds(list(bench.contenders), rounds, bench.run, report)
        version = ground.server_version("source")
    options = {
        "target": "sqlserver",
        "rows": rows,
        "rounds": rounds,
        "streams": streams,
        "tables": {table.name: table.count(rows) for table in sample.TABLES},
        "size_mb": round(size / 1e6, 1),
        "servers": f"PostgreSQL {version}, SQL Server {target_version}",
    }
    aims = (
        Aim(f"wall of {PEER} / ours", _PEER_AIM, wall_ratio(runs, OURS, PEER)),
        Aim("our memory, MB", _RSS_AIM_MB, memory_mb(runs, OURS), is_ceiling=True),
    )
    return load_report(runs, OURS, machine.as_json(), phases={}, size_bytes=size, options=options, aims=aims)


class _Load:
    """The contenders over one source and one schema."""

    def __init__(self, ground: Ground, target: SqlServerGround, rows: int, streams: int) -> None:
        self._ground = ground
        self._target = target
        self._rows = rows
        self._streams = streams
        self._count = 0
        self.contenders: dict[str, Callable[[Meter], Mapping[str, float]]] = {
            OURS: self._ours,
            PEER: partial(self._peer, 1),
        }
        if streams > 1:
            self.contenders[peers(streams)] = partial(self._peer, streams)

    def prepare(self) -> int:
        """Fill the source."""
        source = self._ground.cluster("source")
        source.ensure_database(_DATABASE)
        size = sample.fill(source.url(_DATABASE), self._rows)
        with psycopg.connect(source.url(_DATABASE), autocommit=True) as session:
            # A decimal of SQL Server has no free scale, and a number of more digits would be refused.
            session.execute("UPDATE wide SET price = round(price, 10)")
            session.execute("VACUUM FULL ANALYZE wide")
        return size

    def run(self, name: str) -> Run:
        """Let a contender load into an empty schema, and count what arrived."""
        self._target.empty()
        source_url = self._ground.cluster("source").url(_DATABASE)
        with psycopg.connect(source_url, autocommit=True) as session:
            # Nobody pays for what the one before left unwritten.
            session.execute("CHECKPOINT")
        peer = {
            fast_executemany.SOURCE: source_url,
            fast_executemany.TARGET: self._target.odbc,
            fast_executemany.SCHEMA: self._target.schema,
        }
        clients = Meter({**run_environment(self._ground.settings), **(peer if name != OURS else {})})
        with clients.running():
            steps = self.contenders[name](clients)
        self._require_rows(name)
        used = clients.usage
        return Run(used.wall_seconds, used.cpu_seconds, used.rss_mb, None, steps)

    def _ours(self, clients: Meter) -> Mapping[str, float]:
        self._count += 1
        settings = self._ground.settings
        pipeline = PipelineFile(
            f"bench_{self._count}",
            "full_load_only",
            postgres_side(settings, self._ground.cluster("source").port, _DATABASE, "public"),
            self._target.side(settings),
            [table.name for table in sample.TABLES],
            self._streams,
        )
        return load_ours(clients, settings, pipeline)

    def _peer(self, at_once: int, clients: Meter) -> Mapping[str, float]:
        command = [sys.executable, "-P", "-m", fast_executemany.__name__]
        with ThreadPoolExecutor(at_once) as pool:
            for _ in pool.map(lambda table: clients.pipe([*command, table.name]), sample.TABLES):
                pass
        return {}

    def _require_rows(self, name: str) -> None:
        for table in sample.TABLES:
            found, wanted = self._target.row_count(table.name), table.count(self._rows)
            if found != wanted:
                raise BenchError(
                    f"{name} left {found} of {wanted} rows in {table.name}",
                    hint="run the benchmark again; if it repeats, report it",
                )


def peers(streams: int) -> str:
    """Return the name of the contender that copies as many tables at once as our load does."""
    return f"{PEER}, {streams} at once"
