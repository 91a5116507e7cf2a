"""What a look at source and target finds there: the facts behind `planning/drift`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from cdc_assets.model.position import Lsn, SlotPosition
from cdc_assets.model.table import TableName


@dataclass(frozen=True, slots=True)
class SlotCounters:
    """How much the server has decoded for a slot since the slot was made: it only grows.

    `since` names the statistics they belong to; it changes when they begin anew for another reason (a crash of the
    server, a reset by somebody), and then nothing can be told from them.
    """

    since: str
    transactions: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class WatchedLeaf:
    """An ordinary table or leaf partition; `identity` is `pg_class.relreplident`."""

    name: TableName
    oid: int
    identity: str


@dataclass(frozen=True, slots=True)
class WatchedTable:
    """A captured table as it is; `sent_as` changes with the publication's operations, row filter or column list."""

    oid: int
    is_published: bool
    sent_as: str
    leaves: tuple[WatchedLeaf, ...]


@dataclass(frozen=True, slots=True)
class SourceWatch:
    """The source at one moment; tables that do not exist are left out.

    `safe_wal_bytes`: how much may still be written before the slot is lost, None without a limit; `decoding_at`: up to
    where the log is read for the slot while its walsender is at work, None while it waits for more log or for its
    reader.
    """

    system_identifier: int
    timeline: int
    current_lsn: Lsn
    slot: SlotPosition | None
    counters: SlotCounters | None
    safe_wal_bytes: int | None
    tables: Mapping[TableName, WatchedTable]
    decoding_at: Lsn | None = None


@dataclass(frozen=True, slots=True)
class TargetWatch:
    """The target at one moment: the oids of the tables that exist, and whose the bookkeeping says they are.

    `columns`: their columns with the types as the server writes them; empty where that is not watched.
    """

    oids: Mapping[TableName, int]
    owners: Mapping[str, UUID]
    columns: Mapping[TableName, Mapping[str, str]] = field(default_factory=dict)
