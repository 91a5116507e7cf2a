"""What the checks judge: read once from source, target, Connect and the files, changed by nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

from cdc_assets.dialects.type_registry import TypeVerdict
from cdc_assets.model.errors import CdcAssetsError
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.position import SlotPosition
from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.table import ColumnDefinition, TableDefinition, TableName
from cdc_assets.ports.source import Publication, SourceServer
from cdc_assets.ports.streaming import ConnectorPlugin
from cdc_assets.ports.target import BookkeepingRow, TargetServer


@dataclass(frozen=True, slots=True)
class ColumnFact:
    """A copied column, what the registry says of it, and how many rows hold a value that would not arrive as it is."""

    table: TableName
    column: ColumnDefinition
    verdict: TypeVerdict
    inexact_rows: int = 0

    @property
    def name(self) -> str:
        """The column as `accept_inexact` names it."""
        return f"{self.table.name}.{self.column.name}"


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """The source as our role sees it; `slots` are those whose names begin as this pipeline's do."""

    server: SourceServer
    has_schema_usage: bool
    tables: Mapping[TableName, TableDefinition]
    publication: Publication | None = None
    slots: tuple[SlotPosition, ...] = ()
    columns: tuple[ColumnFact, ...] = ()


@dataclass(frozen=True, slots=True)
class TargetFacts:
    """The target as our role sees it; `filled`: the existing tables that hold rows."""

    server: TargetServer
    has_schema: bool
    may_create_in: bool
    tables: Mapping[TableName, TableDefinition]
    filled: frozenset[TableName] = frozenset()
    bookkeeping: tuple[BookkeepingRow, ...] = ()


@dataclass(frozen=True, slots=True)
class ConnectFacts:
    """What the Connect cluster offers, and what its own validation says of the source connector (None: not asked)."""

    plugins: tuple[ConnectorPlugin, ...]
    problems: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class PreflightFacts:
    """Everything about one pipeline; an error stands where a side could not be reached.

    `connect` is None for a pipeline that needs none. `is_connect_configured`: its URL was set by the operator.
    """

    pipeline: Pipeline
    others: tuple[Pipeline, ...]
    record: PipelineRecord | None
    source: SourceFacts | CdcAssetsError
    target: TargetFacts | CdcAssetsError
    connect: ConnectFacts | CdcAssetsError | None
    is_connect_configured: bool = False
