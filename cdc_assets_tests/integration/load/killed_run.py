"""A run in a process of its own that kills itself, as `kill -9` would, at a point that the product itself reaches."""

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from cdc_assets.model.pipeline import Pipeline
from cdc_assets.stages.context import StageContext
from cdc_assets_tests.integration.load.bench import LoadBench

MakeBench = Callable[..., LoadBench]
_PATIENCE_SECONDS = 60


class _Watched:
    """A neighbour of the stage whose every call is reported before and after."""

    def __init__(self, part: str, inner: object, reach: Callable[[str], None]) -> None:
        self._part = part
        self._inner = inner
        self._reach = reach

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        value = getattr(self._inner, name)
        if not callable(value):
            return value

        def call(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
            self._reach(f"{self._part}.{name} before")
            result = value(*arguments, **named)
            if isinstance(result, AbstractContextManager):
                return self._entered(name, result)
            if isinstance(result, Generator):
                return self._yielded(name, result)
            self._reach(f"{self._part}.{name} after")
            return result

        return call

    def _yielded(self, name: str, rows: Generator[object, None, None]) -> Iterator[object]:
        with closing(rows):
            for row in rows:
                self._reach(f"{self._part}.{name} yields")
                yield row
        self._reach(f"{self._part}.{name} ends")

    @contextmanager
    def _entered(self, name: str, block: AbstractContextManager[object]) -> Iterator[object]:
        with block as result:
            self._reach(f"{self._part}.{name} entered")
            yield _Watched(name, result, self._reach)


def _run(make: MakeBench, pipeline: Pipeline, point: str, times: int) -> None:
    reached: Counter[str] = Counter()

    def reach(here: str) -> None:
        reached[here] += 1
        if here == point and reached[here] == times:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(context: StageContext) -> StageContext:
        parts = {part: _Watched(part, getattr(context, part), reach) for part in ("lease", "source", "target")}
        return replace(context, **parts)  # type: ignore[arg-type]  # they answer to every name of the ports

    make(watch=watch).start(pipeline)


def run_until_killed(
    bench: LoadBench, pipeline: Pipeline, point: str, times: int = 1, *, make: MakeBench | None = None
) -> None:
    """Run Step 0 and Step 1 in a process; returns when it was killed at the point, fails when it was not.

    `make`: what makes a bench like this one in the other process.
    """
    make = make or partial(LoadBench, bench.databases, bench.kafka_bootstrap)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([LoadBench.__module__])
    process = context.Process(target=_run, args=(make, pipeline, point, times))
    process.start()
    process.join(_PATIENCE_SECONDS)
    if process.is_alive():
        process.kill()
    assert process.exitcode == -signal.SIGKILL, f"the run was not killed at {point}: {process.exitcode}"
