"""Runs the loads of many tables over a few streams: the largest table first, a chunk at a time.

Everything that changes a state happens in the calling thread; the streams' threads only copy, verify and build
indexes. Called by `stages/full_load`.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

from cdc_assets.model.errors import (
    CdcAssetsError,
    LeaseLostError,
    SnapshotLostError,
    SourceAwayError,
    TargetAwayError,
)
from cdc_assets.model.report import LoadProgress
from cdc_assets.model.status import TableState
from cdc_assets.planning.names import PipelineNames
from cdc_assets.stages.chunk_streams import ChunkStream, CopiedChunk, CopyTask, RateLimit
from cdc_assets.stages.context import StageContext
from cdc_assets.stages.hand_off import LoadView
from cdc_assets.stages.table_load import TableLoad, finish

_TICK_SECONDS = 0.5
_TELL_SECONDS = 5.0
_MEGABYTE = 1_000_000
# These are about a server or this run, not about one table.
_FATAL = (SourceAwayError, TargetAwayError, LeaseLostError)

_Work = Callable[[ChunkStream], CopiedChunk | None]


@dataclass(slots=True)
class RoundResult:
    """How the tables of one view ended; `lost` have to begin again under a newer one."""

    loaded: list[TableLoad] = field(default_factory=list)
    failed: dict[str, CdcAssetsError] = field(default_factory=dict)
    lost: dict[str, SnapshotLostError] = field(default_factory=dict)


class LoadScheduler:
    """The loads under one view."""

    def __init__(self, context: StageContext, names: PipelineNames, view: LoadView, loads: Sequence[TableLoad]) -> None:
        """Begin nothing yet."""
        self._context = context
        self._names = names
        self._view = view
        self._loads = sorted(loads, key=lambda load: load.bytes_estimated, reverse=True)
        self._result = RoundResult()
        self._at_work: dict[Future[CopiedChunk | None], tuple[TableLoad, ChunkStream]] = {}
        self._started = self._told = context.clock.monotonic()
        self._stopping = threading.Event()

    def run(self) -> RoundResult:
        """Load all tables; returns when each is loaded, failed or lost.

        Raises what concerns more than one table: a server that stays away, the lease, the intent, the state database.
        Threads have ended then; what they had not committed is not there.
        """
        options = self._context.pipeline.options
        limit = RateLimit(self._context.clock, options.max_mb_per_s and options.max_mb_per_s * _MEGABYTE)
        with ExitStack() as opened:
            streams = [self._stream(limit) for _ in range(options.load_streams)]
            for stream in streams:
                opened.callback(stream.close)
            pool = opened.enter_context(ThreadPoolExecutor(options.load_streams, thread_name_prefix="load"))
            # Last in, first out: the threads are told to end before the pool waits for them.
            opened.callback(self._stopping.set)
            self._drive(pool, streams)
        return self._result

    def _drive(self, pool: ThreadPoolExecutor, free: list[ChunkStream]) -> None:
        while True:
            self._context.lease.check()
            while free and (work := self._next()) is not None:
                load, task = work
                stream = free.pop()
                self._at_work[pool.submit(task, stream)] = (load, stream)
            if not self._at_work:
                return
            done, _ = wait(self._at_work, timeout=_TICK_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                load, stream = self._at_work.pop(future)
                free.append(stream)
                self._ended(load, future)
            self._tell(is_chunk_done=bool(done))

    def _next(self) -> tuple[TableLoad, _Work] | None:
        """Return the next thing to do: a complete table is finished before more rows are read."""
        for load in self._loads:
            if load.is_copied and load.is_begun and not load.is_finishing and not load.is_over:
                load.is_finishing = True
                return load, partial(_finish, load, self._context)
        for load in self._loads:
            if load.is_over or not load.waiting:
                continue
            if not load.is_begun and not self._begin(load):
                continue
            chunk = load.waiting.popleft()
            return load, partial(_copy, CopyTask(load.wanted.table, load.columns, chunk, load.fence))
        return None

    def _begin(self, load: TableLoad) -> bool:
        """Empty the target table and record under which view it is loaded; False when the target refused."""
        context = self._context
        record = context.lease.check()
        if record.table(load.name).state is not TableState.LOADING:
            context.lease.set_table(load.name, TableState.LOADING, cause="its rows are being copied")
        context.lease.set_load_position(
            load.name,
            lsn=self._view.snapshot.lsn,
            start_offset=self._view.start_offsets.get(self._names.topic(load.mapping.source), 0),
            rows_estimated=max(0, load.definition.row_estimate),
            bytes_estimated=load.bytes_estimated,
        )
        try:
            context.target.begin_load(load.wanted.table, load.fence, chunk_table=self._names.chunk_table)
        except _FATAL:
            raise
        except CdcAssetsError as error:
            self._fail(load, error)
            return False
        load.is_begun = True
        load.begun_at = context.clock.monotonic()
        return True

    def _ended(self, load: TableLoad, future: Future[CopiedChunk | None]) -> None:
        try:
            copied = future.result()
        except SnapshotLostError as error:
            # Without a table of its own it is the view that is gone, for all that are not complete.
            for other in [load] if error.table is not None else self._loads:
                if not other.is_over:
                    other.is_over = True
                    self._result.lost[other.name] = error
            return
        except _FATAL:
            raise
        except CdcAssetsError as error:
            self._fail(load, error)
            return
        if load.is_over:
            return
        if copied is not None:
            load.copied[copied.chunk.number] = copied
            self._context.lease.set_progress(load.name, rows=load.rows, size_bytes=load.size_bytes)
            return
        load.is_over = True
        load.seconds = self._context.clock.monotonic() - load.begun_at
        self._context.lease.set_table(load.name, TableState.LOADED, cause="every chunk was verified")
        self._context.lease.clear_table_error(load.name)
        self._result.loaded.append(load)
        self._context.log(f"Step 1: Table {load.name} loaded and verified: {load.rows} rows, {len(load.chunks)} chunks")

    def _fail(self, load: TableLoad, error: CdcAssetsError) -> None:
        if load.is_over:
            return
        load.is_over = True
        self._result.failed[load.name] = error
        self._context.lease.fail_table(load.name, TableState.FAILED, error)
        self._context.log(f"Step 1: Table {load.name} failed: {error}")

    def _tell(self, *, is_chunk_done: bool) -> None:
        now = self._context.clock.monotonic()
        is_due = now - self._told >= _TELL_SECONDS
        if not is_due and not is_chunk_done:
            return
        progress = self._progress(now)
        self._context.progress(progress)
        if is_due:
            self._told = now
            self._context.log(f"Step 1: {progress}")

    def _progress(self, now: float) -> LoadProgress:
        estimated = sum(load.bytes_estimated for load in self._loads)
        done = sum(load.bytes_done for load in self._loads)
        size = sum(load.size_bytes for load in self._loads)
        seconds = max(now - self._started, 0.001)
        return LoadProgress(
            rows=sum(load.rows for load in self._loads),
            size_bytes=size,
            bytes_estimated=estimated,
            bytes_per_second=size / seconds,
            eta_seconds=(estimated - done) * seconds / done if done else None,
            snapshot_age_seconds=(self._context.clock.now() - self._view.snapshot.opened_at).total_seconds(),
        )

    def _stream(self, limit: RateLimit) -> ChunkStream:
        return ChunkStream(
            self._view.snapshot,
            self._context.target,
            chunk_table=self._names.chunk_table,
            clock=self._context.clock,
            limit=limit,
            stopping=self._stopping,
        )


def _copy(task: CopyTask, stream: ChunkStream) -> CopiedChunk:
    return stream.copy(task)


def _finish(load: TableLoad, context: StageContext, stream: ChunkStream) -> None:
    finish(load, context.source, context.target, partial(stream.reread, columns=load.columns))
