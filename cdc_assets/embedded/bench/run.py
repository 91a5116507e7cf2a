"""`python -m cdc_assets.embedded.bench.run P`: the work of a start of pipeline P, as a run does it, without Dagster.

Writes one JSON line a step that is over, with the moment on the clock that all processes of the machine share.
"""

import json
import sys
import time
from collections.abc import Mapping

from cdc_assets.model.errors import BenchError, CdcAssetsError
from cdc_assets.model.report import LoadProgress, Stage, TableOutcome
from cdc_assets.wiring.basics import load_definitions, load_settings
from cdc_assets.wiring.control import find_pipeline
from cdc_assets.wiring.run import sync


def main() -> None:
    """Run it; exit 1 with the cause when a table is not there afterwards."""
    _tell("loaded")
    settings = load_settings()
    pipeline = find_pipeline(load_definitions(settings), sys.argv[1])
    try:
        report = sync(
            settings,
            pipeline,
            stages=frozenset(Stage),
            tables=[table.partition_key for table in pipeline.tables],
            run_id="bench",
            serves=None,
            log=_silent,
            progress=_silent_progress,
            finished=_finished,
        )
        for error in report.failed.values():
            raise error
        if not report.outcomes:
            raise BenchError("another run is at work on the pipeline", hint="run the benchmark again")
    except CdcAssetsError as error:
        sys.exit(str(error))


def _finished(stage: Stage, _outcomes: Mapping[str, TableOutcome]) -> None:
    _tell(stage)


def _tell(step: str) -> None:
    sys.stdout.write(json.dumps({"step": step, "at": time.monotonic()}) + "\n")


def _silent(line: str) -> None:
    """Tell nobody: the line is in the pipeline's log."""


def _silent_progress(progress: LoadProgress) -> None:
    """Tell nobody."""


if __name__ == "__main__":
    main()
