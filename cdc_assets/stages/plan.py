"""What a start would do, composed by the same functions that do it; changes nothing.

Called by `wiring` for `plan`. The random end of the outside names is drawn at the first start, until then `xxxxxx`
stands for it.
"""

from collections.abc import Mapping

from cdc_assets.dialects.type_registry import has_key_of_several_forms
from cdc_assets.model.errors import CdcAssetsError
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.table import TableDefinition, TableMapping, TableName
from cdc_assets.planning.names import PipelineNames, pipeline_names
from cdc_assets.planning.sink_connector import sink_config
from cdc_assets.planning.source_connector import source_config
from cdc_assets.planning.start_plan import PlannedTable, StartPlan
from cdc_assets.planning.target_plan import changes_after_load, left_out
from cdc_assets.ports.source import SourceDatabase
from cdc_assets.ports.streaming import ConnectSecrets
from cdc_assets.ports.target import TargetDatabase
from cdc_assets.stages.captured_tables import captured_table, fitting_values
from cdc_assets.stages.preflight.facts import loaded_tables
from cdc_assets.stages.prepare import TargetPlan, plan_target
from cdc_assets.stages.target_tables import unindexed

_NOT_DRAWN = "x" * 6


def plan(
    pipeline: Pipeline,
    *,
    source: SourceDatabase,
    target: TargetDatabase,
    secrets: ConnectSecrets,
    record: PipelineRecord | None,
) -> StartPlan:
    """Return what a start would do now; a table for which nothing can be done has the reason in `refused`.

    `record`: what is recorded of the pipeline, None when nothing is. SourceError or TargetError when one is away.
    """
    definitions = source.describe([mapping.source for mapping in pipeline.tables])
    loaded = loaded_tables(record)
    to_make = [mapping for mapping in pipeline.tables if mapping.partition_key not in loaded]
    target_plan = plan_target(pipeline, source, target, to_make, record=record)
    names = pipeline_names(pipeline, record.generation if record else 1, (record and record.suffix) or _NOT_DRAWN)
    return StartPlan(
        pipeline=pipeline.name,
        mode=pipeline.mode,
        source=str(pipeline.source),
        target=str(pipeline.target),
        tables=tuple(_planned(mapping, definitions, target_plan) for mapping in pipeline.tables),
        ddl=_ddl(pipeline, target, target_plan),
        connectors=_connectors(pipeline, names, definitions, secrets) if pipeline.mode.captures else {},
    )


def _planned(
    mapping: TableMapping, definitions: Mapping[TableName, TableDefinition], target_plan: TargetPlan
) -> PlannedTable:
    definition = definitions.get(mapping.source)
    refused: CdcAssetsError | None = target_plan.refused.get(mapping.partition_key)
    return PlannedTable(
        source_table=mapping.source.name,
        target_table=mapping.target.name,
        size_bytes=0 if definition is None else definition.size_bytes,
        row_estimate=-1 if definition is None else definition.row_estimate,
        left_out=() if definition is None else _left_out(mapping, definition, target_plan),
        refused="" if refused is None else str(refused),
    )


def _left_out(mapping: TableMapping, definition: TableDefinition, target_plan: TargetPlan) -> tuple[str, ...]:
    wanted = target_plan.wanted.get(mapping.partition_key)
    return (*left_out(definition, mapping), *(unindexed(definition, wanted, mapping) if wanted is not None else ()))


def _ddl(pipeline: Pipeline, target: TargetDatabase, target_plan: TargetPlan) -> tuple[str, ...]:
    """The statements in their order: schema and tables, then, after the rows, keys and indexes."""
    tables = list(target_plan.changes)
    before = target_plan.all_changes(tables)
    after = [
        change for table in tables if pipeline.mode.loads for change in changes_after_load(target_plan.wanted[table])
    ]
    return (*target.statements(before), *target.statements(after))


def _connectors(
    pipeline: Pipeline,
    names: PipelineNames,
    definitions: Mapping[TableName, TableDefinition],
    secrets: ConnectSecrets,
) -> Mapping[str, Mapping[str, str]]:
    captured = [
        # `check` tells when the cluster has no converter.
        captured_table(definition, mapping, product=pipeline.target.connection.kind, has_converter=True)
        for mapping in pipeline.tables
        if (definition := definitions.get(mapping.source)) is not None
    ]
    source_credentials = secrets.references(pipeline.source.connection)
    target_credentials = secrets.references(pipeline.target.connection)
    configs = {names.source_connector: source_config(pipeline, names, captured, source_credentials)}
    for position, mapping in enumerate(pipeline.tables):
        sink = names.sink_connector(position, mapping)
        definition = definitions.get(mapping.source)
        configs[sink] = sink_config(
            mapping,
            pipeline.target,
            target_credentials,
            name=sink,
            topic=names.topic(mapping.source),
            keeps_events_apart=has_key_of_several_forms(definition, definition.key(mapping)) if definition else False,
            fitting=fitting_values(definition, mapping, product=pipeline.target.connection.kind) if definition else {},
        )
    return configs
