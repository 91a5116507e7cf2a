"""The target database as the stages see it; one implementation a product. Every method may raise TargetError."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar
from uuid import UUID

from cdc_assets.model.errors import WaitingError
from cdc_assets.model.table import TableDefinition, TableName
from cdc_assets.model.watch import TargetWatch
from cdc_assets.planning.chunks import Chunk
from cdc_assets.planning.table_changes import TableChange, TargetColumn
from cdc_assets.ports.rows import RowForm

Row_contra = TypeVar("Row_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class TargetServer:
    """What the target server and our role on it are.

    `free_connections` and `session_limits` as in `SourceServer`; `is_read_only`: a new session of our role may not
    write unless it asks to. `may_see_sessions`: our role sees the sessions of the sinks.
    """

    product: str
    version: int
    role: str
    max_connections: int
    used_connections: int
    may_create_schema: bool
    is_standby: bool
    system_identifier: int | None = None
    is_pooled: bool = False
    is_read_only: bool = False
    may_see_sessions: bool = True
    encoding: str = "UTF8"
    free_connections: int | None = None
    session_limits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BookkeepingRow:
    """One row of `cdc_assets_state` in the target schema.

    Whose a target table is, and which table it was when we made it.
    """

    pipeline_id: UUID
    pipeline_name: str
    target_table: str
    generation: int
    epoch: int
    load_id: UUID | None
    table_oid: int


@dataclass(frozen=True, slots=True)
class Fence:
    """What a writing transaction of a load must find in its table's bookkeeping row, else another run took over."""

    pipeline_id: UUID
    generation: int
    epoch: int
    load_id: UUID


@dataclass(frozen=True, slots=True)
class ChunkReceipt:
    """A chunk as the target holds it.

    Rows, and the sum modulo 2**64 of the xxh3 hashes of its rows; `xid` names its transaction, where rows tell it.
    """

    number: int
    rows: int
    checksum: int
    xid: int


@dataclass(frozen=True, slots=True)
class SentChunk:
    """A committed chunk and what was sent with it."""

    chunk: Chunk
    receipt: ChunkReceipt


class ChunkWriter(Protocol[Row_contra]):
    """One session that writes chunks; used by one thread."""

    def write(
        self, table: TableName, columns: Sequence[TargetColumn], chunk: Chunk, rows: Iterable[Row_contra], fence: Fence
    ) -> ChunkReceipt:
        """Copy the rows in one transaction, together with the chunk's progress row; all or nothing.

        LeaseLostError when the fence does not hold. When the answer to the commit is lost, the progress row tells, and
        the receipt is returned or the error raised accordingly.
        """


class TargetDatabase(Protocol):
    """One target database as one role."""

    def kept_sessions(self) -> AbstractContextManager[None]:
        """For a run, which asks much: within the block sessions may be used for several requests."""

    def make_database(self) -> bool:
        """Make the database with the server's defaults, for who asked for it; False when it is there already."""

    def server(self) -> TargetServer:
        """Facts of the server and of our role."""

    def has_schema(self, schema: str) -> bool:
        """Whether the schema exists."""

    def may_create_in(self, schema: str) -> bool:
        """Whether our role may make tables in the existing schema."""

    def describe(self, tables: Sequence[TableName]) -> Mapping[TableName, TableDefinition]:
        """The tables as the catalog has them now; missing ones are left out."""

    def enums(self, schema: str) -> Mapping[str, tuple[str, ...]]:
        """The enum types of the schema with their labels in their order."""

    def has_rows(self, table: TableName) -> bool:
        """Whether the table holds at least one row."""

    def statements(self, changes: Sequence[TableChange]) -> tuple[str, ...]:
        """The SQL that `apply` and `finish_load` run for the changes, to be shown."""

    def bookkeeping(self, schema: str) -> tuple[BookkeepingRow, ...]:
        """Every row of the schema's bookkeeping table; empty when there is none."""

    def watch(self, schema: str, tables: Sequence[TableName]) -> TargetWatch:
        """Which of the tables exist, their columns, and whose the bookkeeping says they are; in one short session."""

    def apply(
        self,
        changes: Sequence[TableChange],
        *,
        schema: str,
        pipeline_id: UUID,
        pipeline_name: str,
        generation: int,
        epoch: int,
        adopted: Sequence[TableName] = (),
    ) -> Mapping[TableName, int]:
        """Carry out planned changes in one transaction, with the bookkeeping rows of the tables made.

        Returns the oids of the tables made or adopted.

        `adopted`: tables that are there already and become ours in the bookkeeping (`cdc_only`). TargetError names in
        `table` the table whose change was refused, TargetNotOursError the one that another pipeline's bookkeeping has;
        then nothing was changed. LeaseLostError when a newer epoch was here.
        """

    def claim(self, schema: str, pipeline_id: UUID, *, epoch: int) -> None:
        """Raise the epoch of the pipeline's bookkeeping rows.

        Waits for transactions of older epochs to end, then none of them can write. LeaseLostError when it is higher
        already.
        """

    def begin_load(self, table: TableName, fence: Fence, *, chunk_table: str) -> None:
        """Empty the table, forget its chunk rows, and make `fence.load_id` the only load that may write to it."""

    @property
    def row_form(self) -> RowForm:
        """In which form its writers take rows."""

    def writer(self, *, chunk_table: str) -> AbstractContextManager[ChunkWriter[Any]]:
        """Open one writing session."""

    def verify_load(
        self,
        table: TableName,
        columns: Sequence[TargetColumn],
        sent: Sequence[SentChunk],
        reread: Callable[[Chunk], Iterator[Any]],
        *,
        key: Sequence[str],
    ) -> tuple[str, ...]:
        """Read the whole table once and return how it differs from what was sent: count and content of every row.

        A sentence a difference, none when all is equal; chunks, columns and counts are named, never a row. `reread`
        yields a chunk's rows again as the source has them, for a target that finds a difference and looks where; rows
        are then told apart by `key`, or by all their values when it is empty.
        """

    def receipts(self, table: TableName, fence: Fence, *, chunk_table: str) -> tuple[ChunkReceipt, ...]:
        """The progress rows of a table's load, as committed with its chunks."""

    def finish_load(self, changes: Sequence[TableChange], table: TableName, fence: Fence) -> None:
        """Make key and indexes, gather statistics, with a synchronous commit; idempotent."""

    def end_load(self, schema: str, pipeline_id: UUID, *, chunk_table: str) -> None:
        """Remove the pipeline's progress rows, and the progress table when nobody else's are in it."""

    def sessions_of(self, application_name: str) -> int:
        """How many sessions carry that application name (a sink's, after a stop: none may be left)."""

    def waits(self) -> WaitingError | None:
        """What sessions of this pipeline and epoch wait for on the server since some seconds; None when none does."""

    def end_stale_sessions(self, pipeline: str, *, before_epoch: int) -> int:
        """End our own sessions of older epochs of that pipeline; returns how many."""

    def forget(self, schema: str, pipeline_id: UUID, *, drop_tables: Sequence[TableName]) -> tuple[TableName, ...]:
        """Remove the pipeline's bookkeeping rows, and of the tables named those that are ours; returns these.

        Never one with dependents.
        """
