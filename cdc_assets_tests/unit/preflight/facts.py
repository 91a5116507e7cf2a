"""Facts of a pipeline with which everything is in order; a test changes the one thing it is about."""

from dataclasses import dataclass, replace
from uuid import UUID

from cdc_assets.model.pipeline import Connection, Endpoint, Mode, Options, Pipeline, SecretReference
from cdc_assets.model.position import Lsn, SlotPosition
from cdc_assets.model.preflight import CheckStatus, PreflightCheck
from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.status import CdcStatus, Intent, PipelineStatus, TableState
from cdc_assets.model.table import (
    ColumnDefinition,
    ColumnType,
    IndexDefinition,
    LeafTable,
    TableDefinition,
    TableMapping,
    TableName,
)
from cdc_assets.planning.connectors import CONVERTER_OFFER, CONVERTER_VERSION, LOGIN_CLASS, SINK_CLASS, SOURCE_CLASS
from cdc_assets.ports.source import Publication, SourceServer
from cdc_assets.ports.streaming import ConnectorPlugin
from cdc_assets.ports.target import TargetServer
from cdc_assets.stages.preflight import judge
from cdc_assets.stages.preflight.facts import ConnectFacts, PreflightFacts, SourceFacts, TargetFacts
from cdc_assets_tests.services.records import NOW, pipeline_row, table_row

OURS = UUID(int=7)
SLOT = "cdc_sales_1_abcdef"
ORDERS = TableName("public", "orders")
COPY = TableName("dbo", "orders")
INTEGER = ColumnType("integer", "pg_catalog", "int4", "int4", "pg_catalog", "b")


def connection(name: str, host: str) -> Connection:
    return Connection(name, "postgres", host, 5432, "cdc", SecretReference(env="P"))


def column(name: str, *, nullable: bool = False, generated: str = "") -> ColumnDefinition:
    return ColumnDefinition(name, INTEGER, nullable, generated=generated)  # type: ignore[arg-type]


def index(*columns: str) -> IndexDefinition:
    return IndexDefinition("ix", is_unique=True, is_valid=True, columns=columns, all_not_null=True)


def source_table(name: TableName = ORDERS) -> TableDefinition:
    return TableDefinition(
        name=name,
        kind="r",
        oid=100,
        columns=(column("id"), column("amount", nullable=True)),
        primary_key=("id",),
        leaves=(LeafTable(name, "d", 100),),
        owner="shop",
        is_owned_by_us=True,
    )


def target_table() -> TableDefinition:
    return replace(source_table(COPY), oid=200)


PIPELINE = Pipeline(
    name="sales",
    mode=Mode.FULL_LOAD_AND_CDC,
    source=Endpoint(connection("app", "source.example"), "app", "public"),
    target=Endpoint(connection("warehouse", "target.example"), "dwh", "dbo"),
    tables=(TableMapping(ORDERS, COPY),),
)
SOURCE_SERVER = SourceServer(
    version=150018,
    wal_level="logical",
    is_standby=False,
    system_identifier=1,
    timeline=1,
    max_replication_slots=10,
    used_replication_slots=9,
    max_wal_senders=10,
    used_wal_senders=9,
    role="cdc",
    is_superuser=False,
    may_replicate=True,
    may_create_in_database=True,
    is_pooled=False,
    current_lsn=Lsn(1),
)
TARGET_SERVER = TargetServer(
    product="postgres",
    version=180006,
    role="loader",
    max_connections=100,
    used_connections=20,
    may_create_schema=True,
    is_standby=False,
)
PUBLICATION = Publication(
    name="owners",
    tables=frozenset({ORDERS}),
    via_root=True,
    operations=frozenset({"insert", "update", "delete", "truncate"}),
    is_owned_by_us=False,
)
CONNECT = ConnectFacts(
    (
        ConnectorPlugin(SOURCE_CLASS, "3.7.0"),
        ConnectorPlugin(SINK_CLASS, "3.6.0"),
        ConnectorPlugin(CONVERTER_OFFER, CONVERTER_VERSION),
        ConnectorPlugin(LOGIN_CLASS, "1"),
    ),
    (),
    target_problems=(),
)


def record() -> PipelineRecord:
    return pipeline_row(
        id=OURS,
        status=PipelineStatus.STOPPED,
        cdc_status=CdcStatus.STOPPED,
        full_load_lsn=Lsn(1),
        debezium_connector_name=f"{SLOT}_source",
        sink_connector_name=f"{SLOT}_sink",
        slot_name=SLOT,
        publication_name=SLOT,
        intent=Intent.STOPPED,
        intent_version=2,
        served_version=2,
        attempt=1,
        asked_at=NOW,
    )


def loaded_record() -> PipelineRecord:
    row = table_row(state=TableState.LOADED, load_lsn=Lsn(1), captured_from_lsn=Lsn(1), start_offset=0, target_oid=200)
    return replace(record(), tables=(row,))


def slot(name: str = SLOT, *, active_pid: int | None = None) -> SlotPosition:
    return SlotPosition(name, "app", "pgoutput", active_pid, Lsn(1), Lsn(1), "reserved")


@dataclass(frozen=True)
class Case:
    """The facts of one test, changed part by part."""

    facts: PreflightFacts = PreflightFacts(  # noqa: RUF009  frozen
        pipeline=PIPELINE,
        others=(),
        record=None,
        source=SourceFacts(SOURCE_SERVER, True, {ORDERS: source_table()}),  # noqa: FBT003
        target=TargetFacts(TARGET_SERVER, True, True, {}),  # noqa: FBT003
        connect=CONNECT,
    )

    @property
    def _source(self) -> SourceFacts:
        assert isinstance(self.facts.source, SourceFacts)
        return self.facts.source

    @property
    def _target(self) -> TargetFacts:
        assert isinstance(self.facts.target, TargetFacts)
        return self.facts.target

    def having(self, **changes: object) -> "Case":
        return Case(replace(self.facts, **changes))  # type: ignore[arg-type]

    def pipeline(self, **changes: object) -> "Case":
        return self.having(pipeline=replace(self.facts.pipeline, **changes))  # type: ignore[arg-type]

    def options(self, **changes: object) -> "Case":
        return self.pipeline(options=replace(Options(), **changes))  # type: ignore[arg-type]

    def source(self, **changes: object) -> "Case":
        return self.having(source=replace(self._source, **changes))  # type: ignore[arg-type]

    def source_server(self, **changes: object) -> "Case":
        return self.source(server=replace(self._source.server, **changes))  # type: ignore[arg-type]

    def table(self, **changes: object) -> "Case":
        return self.source(tables={ORDERS: replace(source_table(), **changes)})  # type: ignore[arg-type]

    def key(self, *columns: str) -> "Case":
        return self.pipeline(tables=(TableMapping(ORDERS, COPY, columns),))

    def target(self, **changes: object) -> "Case":
        return self.having(target=replace(self._target, **changes))  # type: ignore[arg-type]

    def target_server(self, **changes: object) -> "Case":
        return self.target(server=replace(self._target.server, **changes))  # type: ignore[arg-type]

    def checks(self) -> tuple[PreflightCheck, ...]:
        return judge(self.facts)

    def found(self) -> tuple[PreflightCheck, ...]:
        """What did not pass."""
        return tuple(check for check in self.checks() if check.status is not CheckStatus.PASS)
