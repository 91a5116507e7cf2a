"""The source database as the stages see it.

Every method may raise SourceError; nothing of the source's rows is ever logged.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from cdc_assets.model.position import Lsn, SlotPosition
from cdc_assets.model.table import TableDefinition, TableName
from cdc_assets.model.watch import SourceWatch
from cdc_assets.planning.chunks import Chunk, LeafSize
from cdc_assets.planning.table_changes import TargetColumn
from cdc_assets.ports.rows import Row, RowForm


@dataclass(frozen=True, slots=True)
class SourceServer:
    """What the source server and our role on it are; `version` is `server_version_num`, such as 150018.

    `free_connections`: how many more sessions server, database and role allow us, None when nobody said.
    `session_limits`: time limits that a new session of our role begins with, those that are not zero.
    `slot_wal_limit_mb`: `max_slot_wal_keep_size`, None for no limit. `idle_slot_timeout_seconds` (18 and later): after
    which the server gives up a slot that nobody reads, 0 for never. `wal_mb`: WAL on disk now, None where we may not
    see it.
    """

    version: int
    wal_level: str
    is_standby: bool
    system_identifier: int
    timeline: int
    max_replication_slots: int
    used_replication_slots: int
    max_wal_senders: int
    used_wal_senders: int
    role: str
    is_superuser: bool
    may_replicate: bool
    may_create_in_database: bool
    is_pooled: bool
    current_lsn: Lsn
    encoding: str = "UTF8"
    free_connections: int | None = None
    session_limits: Mapping[str, str] = field(default_factory=dict)
    wal_sender_timeout_seconds: float = 60
    slot_wal_limit_mb: int | None = None
    idle_slot_timeout_seconds: int = 0
    wal_mb: int | None = None


@dataclass(frozen=True, slots=True)
class Publication:
    """A publication: which tables it sends and how.

    `filtered`: those of which it sends only rows that meet a condition; `columns`: those it sends of each table, where
    the server says it (15 and later).
    """

    name: str
    tables: frozenset[TableName]
    via_root: bool
    operations: frozenset[str]
    is_owned_by_us: bool
    publishes_generated: bool = False
    filtered: frozenset[TableName] = frozenset()
    columns: Mapping[TableName, frozenset[str]] = field(default_factory=dict)


class ChunkReader(Protocol[Row]):
    """One session that reads under a load snapshot; used by one thread."""

    def rows(self, chunk: Chunk, columns: Sequence[TargetColumn]) -> Iterator[Row]:
        """Yield the chunk's rows in the form that was asked for.

        The same chunk has the same rows each time. SnapshotLostError when the snapshot is gone; the caller exhausts or
        closes the iterator before it asks for another.
        """

    def size_of(self, row: Row, /) -> int:
        """The bytes of what `rows` yields."""


class LoadSnapshot(Protocol):
    """A view of the source that all readers of a load share; alive while the `with` block that opened it."""

    @property
    def lsn(self) -> Lsn:
        """The position of the view: everything committed before it is seen."""

    @property
    def opened_at(self) -> datetime:
        """Since when it holds back vacuum on the source (UTC)."""

    def describe(self, tables: Sequence[TableName]) -> Mapping[TableName, TableDefinition]:
        """The tables as they are under this view; missing ones are left out."""

    def sizes(self, table: TableDefinition) -> tuple[LeafSize, ...]:
        """Blocks and bytes of every leaf.

        Read after the view was taken, so that no row of the view lies beyond them.
        """

    def reader(self, form: RowForm = RowForm.BINARY) -> AbstractContextManager[ChunkReader[Any]]:
        """Open one more session under this view, which reads rows in that form."""


class SourceDatabase(Protocol):
    """One PostgreSQL source database as one role."""

    def server(self) -> SourceServer:
        """Facts of the server and of our role."""

    def describe(self, tables: Sequence[TableName]) -> Mapping[TableName, TableDefinition]:
        """The tables as the catalog has them now; missing ones are left out."""

    def has_schema_usage(self, schema: str) -> bool:
        """Whether the schema exists and our role may use it."""

    def tables_in(self, schema: str) -> tuple[TableName, ...]:
        """Ordinary and partitioned tables of a schema, without partitions, by name."""

    def count_inexact(self, table: TableName, conditions: Mapping[str, str]) -> Mapping[str, int]:
        """How many rows meet each column's SQL condition (`TypeVerdict.inexact_condition`); one pass over the table."""

    def largest_row(self, table: TableDefinition, size: str) -> int | None:
        """The bytes of the largest row, by the SQL expression of `postgres_row_size`; None when a minute was too short.

        One pass over the table without its TOAST part, and none (the answer is 0) where that part is so small that no
        row can be large.
        """

    def replica_identities(self, table: TableDefinition) -> Mapping[TableName, str]:
        """The replica identity of the table and, below a partitioned one, of every leaf.

        `d`, `n`, `f`, or `i:` and the index's name.
        """

    def ensure_full_replica_identity(self, table: TableDefinition) -> None:
        """Make the table and every leaf of it REPLICA IDENTITY FULL; what is so already is not touched.

        Bounded lock waits, tried again a few times. SourceError, and nothing is changed, when PostgreSQL would then
        refuse its owner's UPDATE.
        """

    def check_owner_can_update(self, table: TableDefinition) -> None:
        """Raise SourceError when PostgreSQL would refuse an UPDATE of the table for its replica identity.

        Nothing is run, a role that may not write proves nothing.
        """

    def restore_replica_identity(self, identities: Mapping[TableName, str]) -> None:
        """Put back what `replica_identities` gave before; leaves that no longer exist are left out."""

    def publication(self, name: str) -> Publication | None:
        """The publication of that name, or None."""

    def ensure_publication(
        self, name: str, tables: Sequence[TableName], *, with_stored_generated: bool = False
    ) -> None:
        """Make the publication send exactly these tables, through the partition root.

        Only called for a name that was recorded as ours. SourceError, and nothing is changed, when PostgreSQL would
        then refuse an owner's UPDATE.
        `with_stored_generated` (PostgreSQL 18 and later): also their stored generated columns, without which an UPDATE
        under REPLICA IDENTITY FULL is refused.
        """

    def drop_publication(self, name: str) -> None:
        """Make the publication absent."""

    def slot(self, name: str) -> SlotPosition | None:
        """The slot of that name, or None."""

    def watch(self, *, slot: str, publication: str, tables: Sequence[TableName]) -> SourceWatch:
        """Everything on which the captured changes depend, in one short session; the slot is read first."""

    def slots_like(self, prefix: str) -> tuple[SlotPosition, ...]:
        """Slots whose name begins with the prefix (left-overs of a lost state)."""

    def open_slot_snapshot(self, slot: str) -> AbstractContextManager[LoadSnapshot]:
        """Make the slot and open its exported snapshot, kept by two keeper sessions; `lsn` is its consistent point.

        Waits for transactions that are open, up to a deadline: SourceError then names the blocking pids. SlotError
        when the slot exists. Leaves no slot behind when it fails.
        """

    def open_later_snapshot(self) -> AbstractContextManager[LoadSnapshot]:
        """Open a view that sees everything that was in WAL when this was called.

        Takes a transaction id first and opens the view only when every transaction up to it has ended: a commit can be
        in WAL, and in Kafka, before other sessions see it. The wait has a deadline and its error names the blocking
        pids. `lsn` was read before.
        """

    def drop_slot(self, name: str) -> None:
        """Make the slot absent; waits for its walsender to end, SlotError when it does not."""

    def emit_marker(self) -> Lsn:
        """Write one transactional logical message with the prefix `cdc_assets` and return its position."""

    def end_stale_sessions(self, pipeline: str, *, before_epoch: int) -> int:
        """End our own sessions of older epochs of that pipeline (their runs are dead or replaced); returns how many."""
