"""The rounds of a load benchmark: the contenders take turns, and the one that begins changes from round to round.

Also how our own load is run: as a start of its pipeline does it, in a process of its own.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence

from cdc_assets.embedded.bench.ground import PipelineFile
from cdc_assets.embedded.bench.load_report import Run
from cdc_assets.embedded.bench.meter import Meter
from cdc_assets.embedded.supervisor import Report
from cdc_assets.settings import Settings


def run_rounds(names: Sequence[str], rounds: int, run: Callable[[str], Run], report: Report) -> dict[str, list[Run]]:
    """Let each contender load once a round; returns their runs by name, in the order of the names."""
    runs: dict[str, list[Run]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in (*names[first:], *names[:first]):
            done = run(name)
            runs[name].append(done)
            report(f"round {number + 1}: {name}: {done.wall_seconds:.2f} s, client CPU {done.cpu_seconds:.2f} s")
    return runs


def load_ours(clients: Meter, settings: Settings, pipeline: PipelineFile) -> Mapping[str, float]:
    """Load a pipeline that only loads; returns the seconds of its steps."""
    pipeline.write(settings)
    begun = time.monotonic()
    told = [json.loads(line) for line in clients.pipe(pipeline.command()).splitlines()]
    ended = [*told, {"step": "end", "at": time.monotonic()}]
    moments = [begun, *(float(step["at"]) for step in ended)]
    return {
        str(step["step"]): round(after - before, 3)
        for step, before, after in zip(ended, moments[:-1], moments[1:], strict=True)
    }
