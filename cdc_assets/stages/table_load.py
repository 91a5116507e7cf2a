"""One table on its way: its chunks, what arrived of them, and the proof that it is what was sent."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from cdc_assets.model.errors import SnapshotLostError, VerificationError
from cdc_assets.model.table import TableDefinition, TableMapping
from cdc_assets.planning.chunks import Chunk
from cdc_assets.planning.table_changes import TargetColumn
from cdc_assets.planning.target_plan import WantedTable, changes_after_load
from cdc_assets.ports.source import SourceDatabase
from cdc_assets.ports.target import Fence, SentChunk, TargetDatabase
from cdc_assets.stages.chunk_streams import CopiedChunk
from cdc_assets.stages.target_tables import copied_columns

_SHOWN_DIFFERENCES = 5


@dataclass(slots=True)
class TableLoad:
    """The state of a table's load under one view; belongs to the main thread, but for `finish`.

    `begun_at`: by the monotonic clock; `seconds`: from there until it was verified, with key and indexes.
    """

    mapping: TableMapping
    definition: TableDefinition
    wanted: WantedTable
    fence: Fence
    chunks: tuple[Chunk, ...]
    waiting: deque[Chunk] = field(init=False)
    copied: dict[int, CopiedChunk] = field(default_factory=dict)
    is_begun: bool = False
    is_finishing: bool = False
    is_over: bool = False
    begun_at: float = 0.0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        """Every chunk waits."""
        self.waiting = deque(self.chunks)

    @property
    def name(self) -> str:
        """The table as the state tables call it."""
        return self.mapping.partition_key

    @property
    def columns(self) -> tuple[TargetColumn, ...]:
        """The columns that are copied."""
        return copied_columns(self.wanted)

    @property
    def is_copied(self) -> bool:
        """Whether every chunk is committed."""
        return len(self.copied) == len(self.chunks)

    @property
    def rows(self) -> int:
        """Rows committed so far."""
        return sum(copied.receipt.rows for copied in self.copied.values())

    @property
    def size_bytes(self) -> int:
        """Bytes committed so far."""
        return sum(copied.size_bytes for copied in self.copied.values())

    @property
    def bytes_estimated(self) -> int:
        """Bytes of the table in the source."""
        return sum(chunk.estimated_bytes for chunk in self.chunks)

    @property
    def bytes_done(self) -> int:
        """How much of `bytes_estimated` is committed."""
        return sum(copied.chunk.estimated_bytes for copied in self.copied.values())


def finish(
    load: TableLoad, source: SourceDatabase, target: TargetDatabase, reread: Callable[[Chunk], Iterator[Any]]
) -> None:
    """Prove every chunk, then make key and indexes; afterwards the table may be called LOADED.

    `reread` yields a chunk's rows again as the source has them. VerificationError naming what differs.
    SnapshotLostError when the source table is no longer made of the same parts: rows of a partition that was attached
    meanwhile are in no change.
    """
    sent = [SentChunk(copied.chunk, copied.receipt) for copied in load.copied.values()]
    unequal = target.verify_load(load.wanted.table, load.columns, sent, reread, key=load.wanted.key)
    if unequal:
        raise VerificationError(
            f"table {load.definition.name} did not arrive as it was sent: {_sentences(unequal)}",
            hint="find out who else writes to the target table (a trigger, a job, another tool), then start again",
            table=load.name,
        )
    now = source.describe([load.mapping.source]).get(load.mapping.source)
    if now is None or {leaf.oid for leaf in now.leaves} != {leaf.oid for leaf in load.definition.leaves}:
        raise SnapshotLostError(
            f"{load.definition.name} was made anew, or got or lost partitions, while it was loaded",
            hint="nothing to do: the table is loaded again",
            table=load.name,
        )
    target.finish_load(changes_after_load(load.wanted), load.wanted.table, load.fence)


def _sentences(unequal: Sequence[str]) -> str:
    sentences = list(unequal[:_SHOWN_DIFFERENCES])
    if len(unequal) > _SHOWN_DIFFERENCES:
        sentences.append(f"and {len(unequal) - _SHOWN_DIFFERENCES} more")
    return "; ".join(sentences)
