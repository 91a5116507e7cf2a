"""What the checks judge: read once from source, target, Connect and the files, changed by nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cdc_assets.dialects.type_registry import TypeVerdict
from cdc_assets.model.errors import CdcAssetsError
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.position import SlotPosition
from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.status import TableState
from cdc_assets.model.table import ColumnDefinition, TableDefinition, TableName
from cdc_assets.ports.source import Publication, SourceServer
from cdc_assets.ports.streaming import ConnectorPlugin
from cdc_assets.ports.target import TargetServer

_LOADED = frozenset(
    {TableState.LOADED, TableState.CATCHING_UP, TableState.STREAMING, TableState.PAUSED, TableState.QUARANTINED}
)


def loaded_tables(record: PipelineRecord | None) -> frozenset[str]:
    """Source tables whose rows are in the target already: a start neither makes nor loads them."""
    tables = record.tables if record is not None else ()
    return frozenset(table.source_table for table in tables if table.state in _LOADED)


@dataclass(frozen=True, slots=True)
class ColumnFact:
    """A copied column, what the registry says of it, and how many rows hold a value that would not arrive as it is.

    `is_counted`: the table was read for it; one that is loaded already is not.
    """

    table: TableName
    column: ColumnDefinition
    verdict: TypeVerdict
    inexact_rows: int = 0
    is_counted: bool = False

    @property
    def name(self) -> str:
        """The column as `accept_inexact` names it."""
        return f"{self.table.name}.{self.column.name}"


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """The source as our role sees it.

    `slots` are those whose names begin as this pipeline's do; `largest_rows` has bytes, None where nobody could tell.
    """

    server: SourceServer
    has_schema_usage: bool
    tables: Mapping[TableName, TableDefinition]
    publication: Publication | None = None
    slots: tuple[SlotPosition, ...] = ()
    columns: tuple[ColumnFact, ...] = ()
    largest_rows: Mapping[TableName, int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TargetFacts:
    """The target as our role sees it.

    `refused`: source tables for which `prepare` could do nothing, with its reason; `replaced`: those whose target table
    it would drop with rows in it. Both empty while the source is away.
    """

    server: TargetServer
    has_schema: bool
    may_create_in: bool
    tables: Mapping[TableName, TableDefinition]
    refused: Mapping[str, CdcAssetsError] = field(default_factory=dict)
    replaced: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ConnectFacts:
    """What the Connect cluster offers, and what its own validation says of the source connector (None: not asked).

    `target_problems`: why it cannot log in to the target, None when it was not asked.
    `source_config`: how this pipeline's source connector is configured now, None when there is none.
    """

    plugins: tuple[ConnectorPlugin, ...]
    problems: tuple[str, ...] | None = None
    source_config: Mapping[str, str] | None = None
    target_problems: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class KafkaFacts:
    """The topics that bear this pipeline's name, and the largest message the brokers take (None: they do not tell)."""

    topics: tuple[str, ...] = ()
    message_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class PreflightFacts:
    """Everything about one pipeline; an error stands where a side could not be reached.

    `connect` and `kafka` are None for a pipeline that needs none.
    `is_connect_configured`, `is_kafka_configured`: the address was set by the operator.
    """

    pipeline: Pipeline
    others: tuple[Pipeline, ...]
    record: PipelineRecord | None
    source: SourceFacts | CdcAssetsError
    target: TargetFacts | CdcAssetsError
    connect: ConnectFacts | CdcAssetsError | None
    kafka: KafkaFacts | CdcAssetsError | None = None
    is_connect_configured: bool = False
    is_kafka_configured: bool = False
