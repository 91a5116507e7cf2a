"""The four assets of a pipeline, made by one step: target_schema, loaded_table, source_connector, sink_connector.

One step, because a table that fails must not hold up the others, and Dagster lets nothing pass from one step to the
next for a part of the partitions. The step logs what exists as each stage ends and fails at the end when a table did.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import dagster as dg

from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.report import Stage, SyncReport, TableOutcome
from cdc_assets.orchestration.checks import rows_match
from cdc_assets.orchestration.commands import Commands
from cdc_assets.orchestration.keys import (
    OWNERS,
    pipeline_stages,
    source_key,
    source_pool,
    stage_key,
    target_key,
)
from cdc_assets.orchestration.runs import selected_tables, served_version, shown_as_failure
from cdc_assets.settings import Settings

_START_NOTE = (
    "\n\nMaterializing is a start: a table that is loaded is left alone (a reload is a resync). To start the whole"
    " pipeline launch the job `{name}__start`: several tables at once go through Dagster's backfill daemon, which takes"
    " up to 30 s to begin."
)
_DESCRIPTIONS: Mapping[Stage, str] = {
    Stage.TARGET_SCHEMA: (
        "The target schema and the table in it exist. When red: the run says which table could not be made and why;"
        " mend that and start again."
    ),
    Stage.LOADED_TABLE: (
        "All rows that were there at the start are in the target, every chunk of them verified. When red: the run names"
        " table, chunk and counts; the other tables go on. Start again to load what is missing."
    ),
    Stage.SOURCE_CONNECTOR: (
        "The Debezium source connector captures the table: its changes are kept in Kafka. When red: see the pipeline's"
        " last error; nothing is lost while its slot is there."
    ),
    Stage.SINK_CONNECTOR: (
        "The table's sink connector applies its changes to the target, proven by a marker that passed through. When"
        " red: the run names the record's cause without its values."
    ),
}


def sync_assets(settings: Settings, pipeline: Pipeline, commands: Commands) -> dg.AssetsDefinition:
    """Return the assets of a pipeline, partitioned by its tables, with the step that makes them exist."""
    stages = pipeline_stages(pipeline)
    # Built from an op, because the decorator makes input names from keys, and a table's name need not be one.
    inputs = {f"after_{stage}": stage_key(pipeline, stage) for stage in stages[:-1]}
    inputs |= {f"source_{number}": source_key(pipeline, table) for number, table in enumerate(pipeline.tables)}
    step = dg.op(
        name=f"{pipeline.name}__sync_step",
        description=f"Makes {pipeline.name} exist and flow: the selected stages for the selected tables.",
        ins={name: dg.In(dg.Nothing) for name in inputs},
        out={stage.value: dg.Out(dg.Nothing, is_required=False) for stage in stages},
        pool=source_pool(pipeline),
    )(_body(settings, pipeline, commands))
    return dg.AssetsDefinition(
        node_def=step,
        keys_by_input_name=inputs,
        keys_by_output_name={stage.value: stage_key(pipeline, stage) for stage in stages},
        specs=_specs(pipeline, stages),
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )


def _body(settings: Settings, pipeline: Pipeline, commands: Commands) -> Callable[..., Iterator[None]]:
    keys = [mapping.partition_key for mapping in pipeline.tables]

    def sync_step(context: dg.AssetExecutionContext) -> Iterator[None]:
        with shown_as_failure():
            report = commands.sync(
                settings,
                pipeline,
                stages=_selected_stages(context, pipeline),
                tables=selected_tables(context.run.tags, keys),
                run_id=context.run.run_id,
                serves=served_version(context.run.tags),
                log=context.log.info,
                progress=lambda moment: context.log.info(str(moment)),
                finished=lambda stage, outcomes: _log_events(context, stage_events(pipeline, stage, outcomes)),
            )
        _raise_failed(pipeline, report)
        yield from ()

    return sync_step


def _selected_stages(context: dg.AssetExecutionContext, pipeline: Pipeline) -> frozenset[Stage]:
    selected = context.selected_asset_keys
    return frozenset(stage for stage in pipeline_stages(pipeline) if stage_key(pipeline, stage) in selected)


def _log_events(
    context: dg.AssetExecutionContext, events: Sequence[dg.AssetMaterialization | dg.AssetCheckEvaluation]
) -> None:
    for event in events:
        context.log_event(event)


def stage_events(
    pipeline: Pipeline, stage: Stage, outcomes: Mapping[str, TableOutcome]
) -> list[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    """Return what Dagster is told when a stage ended: the tables that are good, and what a load says of the target."""
    events: list[dg.AssetMaterialization | dg.AssetCheckEvaluation] = []
    for mapping in pipeline.tables:
        outcome = outcomes.get(mapping.partition_key)
        if outcome is None:
            continue
        if outcome.is_good:
            events.append(
                dg.AssetMaterialization(
                    stage_key(pipeline, stage), partition=mapping.partition_key, metadata=_figures(outcome)
                )
            )
        if stage is Stage.LOADED_TABLE:
            if outcome.is_good and outcome.rows is not None:
                events.append(dg.AssetMaterialization(target_key(pipeline, mapping), metadata=_figures(outcome)))
            events += rows_match(target_key(pipeline, mapping), outcome)
    return events


def _figures(outcome: TableOutcome) -> dict[str, dg.MetadataValue]:
    figures: dict[str, dg.MetadataValue] = {}
    if outcome.rows is not None:
        figures["dagster/row_count"] = dg.MetadataValue.int(outcome.rows)
    if outcome.size_bytes is not None:
        figures["size_bytes"] = dg.MetadataValue.int(outcome.size_bytes)
    if outcome.seconds is not None:
        figures["seconds"] = dg.MetadataValue.float(outcome.seconds)
    if outcome.lsn is not None:
        figures["lsn"] = dg.MetadataValue.text(str(outcome.lsn))
    if outcome.note:
        figures["note"] = dg.MetadataValue.text(outcome.note)
    return figures


def _raise_failed(pipeline: Pipeline, report: SyncReport) -> None:
    if not report.failed:
        return
    lines = [f"{table}: {error.code}: {error}" for table, error in report.failed.items()]
    raise dg.Failure(
        description=f"{len(lines)} of {len(pipeline.tables)} tables failed. " + "\n".join(lines),
        metadata={table: error.message for table, error in report.failed.items()},
        allow_retries=False,
    )


def _specs(pipeline: Pipeline, stages: Sequence[Stage]) -> list[dg.AssetSpec]:
    partitions = dg.StaticPartitionsDefinition([mapping.partition_key for mapping in pipeline.tables])
    sources = [source_key(pipeline, mapping) for mapping in pipeline.tables]
    kinds: dict[Stage, set[str]] = {
        Stage.TARGET_SCHEMA: {pipeline.target.connection.kind},
        Stage.LOADED_TABLE: {pipeline.target.connection.kind, "table"},
        Stage.SOURCE_CONNECTOR: {"debezium", "kafka"},
        Stage.SINK_CONNECTOR: {"kafka", pipeline.target.connection.kind},
    }
    reads_source = {Stage.LOADED_TABLE, Stage.SOURCE_CONNECTOR}
    return [
        dg.AssetSpec(
            stage_key(pipeline, stage),
            deps=[
                *([stage_key(pipeline, stages[number - 1])] if number else []),
                *(sources if stage in reads_source else []),
            ],
            description=_DESCRIPTIONS[stage] + _START_NOTE.format(name=pipeline.name),
            group_name=pipeline.name,
            owners=OWNERS,
            kinds=kinds[stage],
            partitions_def=partitions,
            # What exists is logged by the step itself, table by table.
            skippable=True,
            metadata={"mode": pipeline.mode.value, "source": str(pipeline.source), "target": str(pipeline.target)},
        )
        for number, stage in enumerate(stages)
    ]
