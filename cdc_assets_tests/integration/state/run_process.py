"""A run in a process of its own that does what the test tells it, one word at a time: it can be killed anywhere.

The test and the process talk over a pipe: no point of a test is reached by waiting for time to pass. Processes are
forked from a server that has imported the store already.
"""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any

from sqlalchemy import event

from cdc_assets.adapters.pipeline_store import PostgresPipelineStore
from cdc_assets.adapters.pipeline_store.lease import PostgresLease
from cdc_assets.migrations import migrate
from cdc_assets.model.errors import CdcAssetsError
from cdc_assets_tests.integration.state.steps import STEPS

OK = "ok"
AT_COMMIT = "at commit"
_PATIENCE_SECONDS = 60


def _serve(pipe: Connection, url: str, life_seconds: float) -> None:
    """Live of the process: obey until the pipe ends."""
    run = _Run(pipe, url, PostgresPipelineStore(url, lease_duration=timedelta(seconds=life_seconds)))
    with run.block:
        while True:
            try:
                word, *arguments = pipe.recv()
            except EOFError:
                return
            try:
                run.obey(word, *arguments)
            except CdcAssetsError as error:
                pipe.send(type(error).__name__)
            else:
                pipe.send(OK)


class _Run:
    def __init__(self, pipe: Connection, url: str, store: PostgresPipelineStore) -> None:
        self.block = ExitStack()
        self._pipe = pipe
        self._url = url
        self._store = store
        self._lease: PostgresLease | None = None

    def obey(self, word: str, *arguments: Any) -> None:  # noqa: ANN401
        match word:
            case "take":
                name, run_id, serves = arguments
                self._lease = self.block.enter_context(self._store.take_lease(name, run_id=run_id, serves=serves))
            case "do":
                STEPS[arguments[0]].act(self._held)
            case "check":
                self._held.check()
            case "wait at commit":
                event.listen(self._store._database.engine, "commit", lambda _: _wait(self._pipe), once=True)
            case "leave":
                self.block.close()
            case "migrate":
                migrate(self._url)

    @property
    def _held(self) -> PostgresLease:
        assert self._lease is not None
        return self._lease


def _wait(pipe: Connection) -> None:
    pipe.send(AT_COMMIT)
    pipe.recv()


@dataclass
class RunProcess:
    """The test's end of the pipe."""

    process: ForkServerProcess
    pipe: Connection

    def tell(self, *words: object) -> None:
        """Send a word and do not wait for what becomes of it."""
        self.pipe.send(words)

    def answer(self) -> str:
        """Return `ok` or the name of the error."""
        assert self.pipe.poll(_PATIENCE_SECONDS), "the process does not answer"
        return str(self.pipe.recv())

    def ask(self, *words: object) -> str:
        """Send a word and return what became of it."""
        self.tell(*words)
        return self.answer()

    def take(self, name: str, run_id: str, serves: int | None = None) -> str:
        return self.ask("take", name, run_id, serves)

    def kill(self) -> None:
        """Kill -9, and see it dead."""
        self.process.kill()
        self.process.join()

    def stop(self) -> None:
        os.kill(self.process.pid or 0, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.process.pid or 0, signal.SIGCONT)


@contextmanager
def run_process(url: str, *, life: timedelta) -> Iterator[RunProcess]:
    """A process with its own store; killed when the block ends."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, url, life.total_seconds()), daemon=True)
    process.start()
    theirs.close()
    try:
        yield RunProcess(process, ours)
    finally:
        process.kill()
        process.join()
        ours.close()
