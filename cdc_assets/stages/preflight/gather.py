"""Reads what the checks judge; every session it uses only reads."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from cdc_assets.model.errors import CdcAssetsError
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.record import PipelineRecord
from cdc_assets.planning.connector_configs import SOURCE_CLASS, CapturedTable, source_config
from cdc_assets.planning.names import pipeline_names
from cdc_assets.ports.source import SourceDatabase
from cdc_assets.ports.streaming import ConnectCluster, ConnectSecrets
from cdc_assets.ports.target import TargetDatabase
from cdc_assets.stages.preflight.facts import ConnectFacts, PreflightFacts, SourceFacts, TargetFacts
from cdc_assets.stages.preflight.stream_checks import ANY_SUFFIX, LONGEST_GENERATION
from cdc_assets.stages.preflight.type_checks import read_columns

Facts = TypeVar("Facts")


@dataclass(frozen=True, slots=True)
class Neighbours:
    """How each side is reached; what raises here becomes the failed check of that side.

    `connect` and `secrets` are None when only the databases are to be checked.
    """

    source: Callable[[], SourceDatabase]
    target: Callable[[], TargetDatabase]
    connect: ConnectCluster | None
    secrets: ConnectSecrets | None
    is_connect_configured: bool


def gather(
    pipeline: Pipeline, neighbours: Neighbours, *, others: Sequence[Pipeline], record: PipelineRecord | None
) -> PreflightFacts:
    """Read everything once; a side that cannot be reached is its error."""
    source = _read(lambda: _source(pipeline, neighbours.source(), record))
    return PreflightFacts(
        pipeline=pipeline,
        others=tuple(other for other in others if other.name != pipeline.name),
        record=record,
        source=source,
        target=_read(lambda: _target(pipeline, neighbours.target())),
        connect=_connect(pipeline, neighbours, is_source_reached=isinstance(source, SourceFacts)),
        is_connect_configured=neighbours.is_connect_configured,
    )


def _read(read: Callable[[], Facts]) -> Facts | CdcAssetsError:
    try:
        return read()
    except CdcAssetsError as error:
        return error


def _source(pipeline: Pipeline, source: SourceDatabase, record: PipelineRecord | None) -> SourceFacts:
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
        columns=read_columns(pipeline, source, tables, record) if has_usage else (),
    )


def _target(pipeline: Pipeline, target: TargetDatabase) -> TargetFacts:
    schema = pipeline.target.schema
    server = target.server()
    has_schema = target.has_schema(schema)
    tables = target.describe([mapping.target for mapping in pipeline.tables]) if has_schema else {}
    return TargetFacts(
        server=server,
        has_schema=has_schema,
        may_create_in=has_schema and target.may_create_in(schema),
        tables=tables,
        # What we may not read was not made by us and may hold anything.
        filled=frozenset(name for name, table in tables.items() if not table.is_selectable or target.has_rows(name)),
        bookkeeping=target.bookkeeping(schema) if has_schema else (),
    )


def _connect(
    pipeline: Pipeline, neighbours: Neighbours, *, is_source_reached: bool
) -> ConnectFacts | CdcAssetsError | None:
    connect, secrets = neighbours.connect, neighbours.secrets
    if not pipeline.mode.captures or connect is None:
        return None
    plugins = _read(connect.plugins)
    if isinstance(plugins, CdcAssetsError):
        return plugins
    # Connect logs in for real: with a source that is away it would only repeat that.
    if secrets is None or not is_source_reached or SOURCE_CLASS not in {plugin.class_name for plugin in plugins}:
        return ConnectFacts(plugins)
    problems = _read(lambda: _validate(pipeline, connect, secrets))
    return ConnectFacts(plugins, (str(problems),) if isinstance(problems, CdcAssetsError) else problems)


def _validate(pipeline: Pipeline, connect: ConnectCluster, secrets: ConnectSecrets) -> tuple[str, ...]:
    names = pipeline_names(pipeline, LONGEST_GENERATION, ANY_SUFFIX)
    tables = [CapturedTable(mapping.source, mapping.key) for mapping in pipeline.tables]
    config = source_config(pipeline, names, tables, secrets.ensure(pipeline.source.connection))
    return connect.validate(SOURCE_CLASS, {**config, "name": names.source_connector})
