"""Copies chunks: a stream is one reading and one writing session, and works for one thread at a time.

A chunk whose connection broke is copied again by fresh sessions; the progress row in the target tells whether the
first try was committed after all.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from cdc_assets.model.errors import SourceAwayError, TargetAwayError
from cdc_assets.model.table import TableName
from cdc_assets.planning.chunks import Chunk
from cdc_assets.planning.table_changes import TargetColumn
from cdc_assets.ports.clock import Clock
from cdc_assets.ports.rows import Row
from cdc_assets.ports.source import ChunkReader, LoadSnapshot
from cdc_assets.ports.target import ChunkReceipt, ChunkWriter, Fence, TargetDatabase

_PATIENCE_SECONDS = 60
_LOOK_EVERY_BYTES = 1 << 20


class LoadStoppedError(Exception):
    """The load ends before its time; what this thread works on is left as if it had not begun."""


@dataclass(frozen=True, slots=True)
class CopiedChunk:
    """A committed chunk with its receipt and the bytes that were sent."""

    chunk: Chunk
    receipt: ChunkReceipt
    size_bytes: int


@dataclass(frozen=True, slots=True)
class CopyTask:
    """What is copied where."""

    table: TableName
    columns: tuple[TargetColumn, ...]
    chunk: Chunk
    fence: Fence


class RateLimit:
    """Holds all streams together to a number of bytes a second, by letting the reader wait: the source then idles."""

    def __init__(self, clock: Clock, bytes_per_second: float | None) -> None:
        """None: no limit."""
        self._clock = clock
        self._rate = bytes_per_second
        self._free_at = clock.monotonic()
        self._lock = threading.Lock()

    def spend(self, size_bytes: int) -> None:
        """Wait until these bytes are within the rate."""
        if self._rate is None:
            return
        with self._lock:
            now = self._clock.monotonic()
            self._free_at = max(now, self._free_at) + size_bytes / self._rate
            wait = self._free_at - now
        if wait > 0:
            self._clock.sleep(wait)


class ChunkStream:
    """One reading and one writing session, opened when they are first needed."""

    def __init__(
        self,
        snapshot: LoadSnapshot,
        target: TargetDatabase,
        *,
        chunk_table: str,
        clock: Clock,
        limit: RateLimit,
        stopping: threading.Event,
    ) -> None:
        """Open nothing yet."""
        self._snapshot = snapshot
        self._target = target
        self._chunk_table = chunk_table
        self._clock = clock
        self._limit = limit
        self._stopping = stopping
        self._sessions = ExitStack()
        self._pair: tuple[ChunkReader[Any], ChunkWriter[Any]] | None = None

    def close(self) -> None:
        """End both sessions."""
        self._pair = None
        self._sessions.close()

    def copy(self, task: CopyTask) -> CopiedChunk:
        """Copy one chunk; a broken connection is replaced and the chunk copied again, for a minute."""
        retrying = Retrying(
            stop=stop_after_delay(_PATIENCE_SECONDS),
            wait=wait_exponential(multiplier=0.2, max=5),
            sleep=self._clock.sleep,
            retry=retry_if_exception_type((SourceAwayError, TargetAwayError)),
            reraise=True,
        )
        return retrying(self._copy_once, task)

    def _copy_once(self, task: CopyTask) -> CopiedChunk:
        reader, writer = self._open()
        sent = [0]
        try:
            rows = self._watched(reader.rows(task.chunk, task.columns), reader.size_of, sent)
            receipt = writer.write(task.table, task.columns, task.chunk, rows, task.fence)
        except BaseException:
            self.close()
            raise
        return CopiedChunk(task.chunk, receipt, sent[0])

    def reread(self, chunk: Chunk, columns: Sequence[TargetColumn]) -> Iterator[Any]:
        """Yield a chunk's rows again as the source has them under the view; exhausted or closed before the next."""
        reader, _ = self._open()
        return self._watched(reader.rows(chunk, columns), reader.size_of, [0])

    def _open(self) -> tuple[ChunkReader[Any], ChunkWriter[Any]]:
        if self._stopping.is_set():
            raise LoadStoppedError
        if self._pair is None:
            self._pair = (
                self._sessions.enter_context(self._snapshot.reader(self._target.row_form)),
                self._sessions.enter_context(self._target.writer(chunk_table=self._chunk_table)),
            )
        return self._pair

    def _watched(self, rows: Iterator[Row], size_of: Callable[[Row], int], sent: list[int]) -> Iterator[Row]:
        """Pass the rows on; now and then look whether to stop, and keep to the rate."""
        size = seen = 0
        for row in rows:
            size += size_of(row)
            if size - seen >= _LOOK_EVERY_BYTES:
                if self._stopping.is_set():
                    raise LoadStoppedError
                self._limit.spend(size - seen)
                seen = size
            yield row
        self._limit.spend(size - seen)
        sent[0] = size
