"""Reads what the checks judge; every session it uses only reads."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from cdc_assets.model.errors import CdcAssetsError
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.table import TableDefinition
from cdc_assets.planning.connectors import LOGIN_CLASS, SOURCE_CLASS
from cdc_assets.planning.names import pipeline_names
from cdc_assets.planning.sink_connector import login_config
from cdc_assets.planning.source_connector import CapturedTable, source_config
from cdc_assets.planning.table_changes import DropTable, TableChange
from cdc_assets.ports.source import SourceDatabase
from cdc_assets.ports.streaming import ConnectCluster, ConnectorPlugin, ConnectSecrets, KafkaCluster
from cdc_assets.ports.target import TargetDatabase
from cdc_assets.stages.captured_tables import offers_converter
from cdc_assets.stages.preflight.facts import (
    ConnectFacts,
    KafkaFacts,
    PreflightFacts,
    SourceFacts,
    TargetFacts,
    loaded_tables,
)
from cdc_assets.stages.preflight.row_checks import read_largest_rows
from cdc_assets.stages.preflight.stream_checks import ANY_SUFFIX, LONGEST_GENERATION
from cdc_assets.stages.preflight.type_checks import read_columns
from cdc_assets.stages.prepare import plan_target

Facts = TypeVar("Facts")


@dataclass(frozen=True, slots=True)
class Neighbours:
    """How each side is reached; what raises here becomes the failed check of that side.

    `connect`, `secrets` and `kafka` are None when only the databases are to be checked. `validator`: Connect with more
    patience, for the validation, which may load a plugin first; `connect` itself when None.
    """

    source: Callable[[], SourceDatabase]
    target: Callable[[], TargetDatabase]
    connect: ConnectCluster | None
    secrets: ConnectSecrets | None
    is_connect_configured: bool
    kafka: KafkaCluster | None = None
    is_kafka_configured: bool = False
    validator: ConnectCluster | None = None


def gather(
    pipeline: Pipeline, neighbours: Neighbours, *, others: Sequence[Pipeline], record: PipelineRecord | None
) -> PreflightFacts:
    """Read everything once; a side that cannot be reached is its error."""
    plugins = _plugins(pipeline, neighbours)
    # A cluster that does not answer is found out; whether it has the converter is seen when it does.
    has_converter = offers_converter(plugins) if isinstance(plugins, tuple) else True
    source = _read(lambda: _source(pipeline, neighbours.source(), record, has_converter=has_converter))
    is_source_reached = isinstance(source, SourceFacts)
    target = _read(lambda: _target(pipeline, neighbours, record, is_source_reached=is_source_reached))
    return PreflightFacts(
        pipeline=pipeline,
        others=tuple(other for other in others if other.name != pipeline.name),
        record=record,
        source=source,
        target=target,
        connect=_connect(
            pipeline,
            neighbours,
            record,
            plugins,
            is_source_reached=is_source_reached,
            is_target_reached=isinstance(target, TargetFacts),
        ),
        kafka=_kafka(pipeline, neighbours),
        is_connect_configured=neighbours.is_connect_configured,
        is_kafka_configured=neighbours.is_kafka_configured,
    )


def _read(read: Callable[[], Facts]) -> Facts | CdcAssetsError:
    try:
        return read()
    except CdcAssetsError as error:
        return error


def _source(
    pipeline: Pipeline, source: SourceDatabase, record: PipelineRecord | None, *, has_converter: bool
) -> SourceFacts:
    server = source.server()
    has_usage = source.has_schema_usage(pipeline.source.schema)
    tables = source.describe([mapping.source for mapping in pipeline.tables])
    publication = pipeline.publication or (record.publication_name if record is not None else None)
    return SourceFacts(
        server=server,
        has_schema_usage=has_usage,
        tables=tables,
        publication=source.publication(publication) if publication else None,
        slots=source.slots_like(f"cdc_{pipeline.name}_"),
        columns=read_columns(pipeline, source, tables, record, has_converter=has_converter) if has_usage else (),
        largest_rows=read_largest_rows(pipeline, source, tables, record) if has_usage else {},
    )


def _target(
    pipeline: Pipeline, neighbours: Neighbours, record: PipelineRecord | None, *, is_source_reached: bool
) -> TargetFacts:
    target = neighbours.target()
    schema = pipeline.target.schema
    server = target.server()
    has_schema = target.has_schema(schema)
    facts = TargetFacts(
        server=server,
        has_schema=has_schema,
        may_create_in=has_schema and target.may_create_in(schema),
        tables=target.describe([mapping.target for mapping in pipeline.tables]) if has_schema else {},
    )
    if not is_source_reached:
        return facts
    loaded = loaded_tables(record)
    to_make = [mapping for mapping in pipeline.tables if mapping.partition_key not in loaded]
    plan = plan_target(pipeline, neighbours.source(), target, to_make, record=record)
    dropped = [mapping for mapping in to_make if _is_dropped(plan.changes.get(mapping.partition_key, ()))]
    replaced = [mapping.partition_key for mapping in dropped if _holds_rows(target, facts.tables[mapping.target])]
    return replace(facts, refused=plan.refused, replaced=frozenset(replaced))


def _is_dropped(changes: Sequence[TableChange]) -> bool:
    return any(isinstance(change, DropTable) for change in changes)


def _holds_rows(target: TargetDatabase, table: TableDefinition) -> bool:
    # What we may not read was not made by us and may hold anything.
    return not table.is_selectable or target.has_rows(table.name)


def _plugins(pipeline: Pipeline, neighbours: Neighbours) -> tuple[ConnectorPlugin, ...] | CdcAssetsError | None:
    connect = neighbours.connect
    return None if not pipeline.mode.captures or connect is None else _read(connect.plugins)


def _connect(
    pipeline: Pipeline,
    neighbours: Neighbours,
    record: PipelineRecord | None,
    plugins: tuple[ConnectorPlugin, ...] | CdcAssetsError | None,
    *,
    is_source_reached: bool,
    is_target_reached: bool,
) -> ConnectFacts | CdcAssetsError | None:
    connect, secrets = neighbours.connect, neighbours.secrets
    if connect is None or plugins is None or isinstance(plugins, CdcAssetsError):
        return plugins if isinstance(plugins, CdcAssetsError) else None
    made = record.debezium_connector_name if record is not None else None
    config = _read(lambda: connect.config(made)) if made is not None else None
    if isinstance(config, CdcAssetsError):
        return config
    facts = ConnectFacts(plugins, source_config=config)
    if secrets is None:
        return facts
    validator, offered = neighbours.validator or connect, {plugin.class_name for plugin in plugins}
    # Connect logs in for real: with a side that is away it would only repeat that.
    if is_source_reached and SOURCE_CLASS in offered:
        facts = replace(facts, problems=_problems(lambda: _validate(pipeline, validator, secrets)))
    if is_target_reached and LOGIN_CLASS in offered:
        facts = replace(facts, target_problems=_problems(lambda: _log_in(pipeline, validator, secrets)))
    return facts


def _problems(ask: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
    found = _read(ask)
    return (str(found),) if isinstance(found, CdcAssetsError) else found


def _kafka(pipeline: Pipeline, neighbours: Neighbours) -> KafkaFacts | CdcAssetsError | None:
    kafka = neighbours.kafka
    if not pipeline.mode.captures or kafka is None:
        return None
    return _read(lambda: KafkaFacts(kafka.topics_like(f"cdc_{pipeline.name}_"), kafka.largest_message()))


def _validate(pipeline: Pipeline, connect: ConnectCluster, secrets: ConnectSecrets) -> tuple[str, ...]:
    names = pipeline_names(pipeline, LONGEST_GENERATION, ANY_SUFFIX)
    tables = [CapturedTable(mapping.source, mapping.key) for mapping in pipeline.tables]
    with secrets.lent(pipeline.source.connection) as credentials:
        config = source_config(pipeline, names, tables, credentials)
        return connect.validate(SOURCE_CLASS, {**config, "name": names.source_connector})


def _log_in(pipeline: Pipeline, connect: ConnectCluster, secrets: ConnectSecrets) -> tuple[str, ...]:
    with secrets.lent(pipeline.target.connection) as credentials:
        return connect.validate(LOGIN_CLASS, login_config(pipeline.target, credentials))
