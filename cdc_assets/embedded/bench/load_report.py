"""What the runs of a load benchmark become: figures for programs, sheets for people.

In each round all contenders stood on the same machine with the same neighbours: a ratio is of one round, then the
median of the rounds is taken.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cdc_assets.embedded.bench.report import Aim, BenchReport, Sheet, shown_spread, spread

Runs = Mapping[str, Sequence["Run"]]

_STEPS = {
    "loaded": "the program itself is loaded",
    "target_schema": "checks, and the target's tables are made",
    "loaded_table": "rows copied and read back, keys built",
    "end": "end of the process",
}


@dataclass(frozen=True, slots=True)
class Run:
    """One load by one contender; the servers' CPU is None where one of them is not ours to look at."""

    wall_seconds: float
    cpu_seconds: float
    rss_mb: float
    server_cpu_seconds: float | None
    steps: Mapping[str, float]

    @property
    def all_cpu_seconds(self) -> float:
        """CPU of clients and servers: what is left to compare where neighbours keep the machine busy."""
        return self.cpu_seconds + (self.server_cpu_seconds or 0.0)


def wall_ratio(runs: Runs, ours: str, name: str) -> float:
    """How many times as long as ours that contender took."""
    return statistics.median(_wall_ratios(runs, ours)[name])


def memory_mb(runs: Runs, name: str) -> float:
    """The memory of that contender."""
    return statistics.median(run.rss_mb for run in runs[name])


def load_report(
    runs: Runs,
    ours: str,
    machine: Mapping[str, Any],
    *,
    phases: Mapping[str, float],
    size_bytes: int,
    options: Mapping[str, Any],
    aims: Sequence[Aim],
) -> BenchReport:
    """Write the report; `phases` is what sessions were busy with in one more run of ours, empty when not looked at."""
    sees_servers = all(run.server_cpu_seconds is not None for of_one in runs.values() for run in of_one)
    steps = {step: spread([run.steps[step] for run in runs[ours]]) for step in (runs[ours][0].steps)}
    steps_sheet = Sheet(
        "the steps of our run",
        ("STEP", "SECONDS"),
        [(_STEPS.get(step, step), f"{seconds['median']:.2f}") for step, seconds in steps.items()],
    )
    phases_sheet = Sheet(
        "what sessions were busy with in one more run of ours",
        ("WORK", "SESSION SECONDS"),
        [(what, f"{seconds:.1f}") for what, seconds in phases.items()],
    )
    return BenchReport(
        bench="load",
        options=options,
        machine=machine,
        figures={
            "contenders": _figures(runs, ours, sees_servers=sees_servers),
            "steps_seconds": steps,
            "phases_session_seconds": phases,
        },
        sheets=(
            _contenders_sheet(runs, ours, size_bytes, sees_servers=sees_servers),
            steps_sheet,
            *([phases_sheet] if phases else []),
        ),
        aims=aims,
    )


def _contenders_sheet(runs: Runs, ours: str, size_bytes: int, *, sees_servers: bool) -> Sheet:
    wall_ratios, cpu_ratios = _wall_ratios(runs, ours), _cpu_ratios(runs, ours)
    columns = {
        "LOAD": list(runs),
        "WALL s": [shown_spread([run.wall_seconds for run in each]) for each in runs.values()],
        "MB/s": [shown_spread([size_bytes / 1e6 / run.wall_seconds for run in each], 0) for each in runs.values()],
        "CLIENT CPU s": [shown_spread([run.cpu_seconds for run in each]) for each in runs.values()],
    }
    if sees_servers:
        columns["SERVER CPU s"] = [
            shown_spread([run.server_cpu_seconds or 0.0 for run in each]) for each in runs.values()
        ]
    columns["RSS MB"] = [f"{memory_mb(runs, name):.0f}" for name in runs]
    columns["WALL / OURS"] = [shown_spread(wall_ratios[name], 2) for name in runs]
    if sees_servers:
        columns["ALL CPU / OURS"] = [shown_spread(cpu_ratios[name], 2) for name in runs]
    rows = list(zip(*columns.values(), strict=True))
    return Sheet("median (least-most) of the rounds", tuple(columns), rows)


def _figures(runs: Runs, ours: str, *, sees_servers: bool) -> Mapping[str, Any]:
    wall_ratios, cpu_ratios = _wall_ratios(runs, ours), _cpu_ratios(runs, ours)
    figures: dict[str, dict[str, Any]] = {
        name: {
            "wall_seconds": spread([run.wall_seconds for run in each]),
            "client_cpu_seconds": spread([run.cpu_seconds for run in each]),
            "rss_mb": spread([run.rss_mb for run in each]),
            "wall_to_ours": spread(wall_ratios[name]),
            "all_wall_seconds": [round(run.wall_seconds, 3) for run in each],
        }
        for name, each in runs.items()
    }
    if sees_servers:
        for name, each in runs.items():
            figures[name]["server_cpu_seconds"] = spread([run.server_cpu_seconds or 0.0 for run in each])
            figures[name]["cpu_to_ours"] = spread(cpu_ratios[name])
    return figures


def _wall_ratios(runs: Runs, ours: str) -> Mapping[str, Sequence[float]]:
    return {
        name: [theirs.wall_seconds / our.wall_seconds for theirs, our in zip(each, runs[ours], strict=True)]
        for name, each in runs.items()
    }


def _cpu_ratios(runs: Runs, ours: str) -> Mapping[str, Sequence[float]]:
    return {
        name: [theirs.all_cpu_seconds / our.all_cpu_seconds for theirs, our in zip(each, runs[ours], strict=True)]
        for name, each in runs.items()
    }
