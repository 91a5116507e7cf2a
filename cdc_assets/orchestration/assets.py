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
    pipeline_tags,
    source_key,
    source_pool,
    stage_key,
    target_key,
)
from cdc_assets.orchestration.metadata import stage_metadata, target_metadata
from cdc_assets.orchestration.runs import selected_tables, served_version, shown_as_failure
from cdc_assets.settings import Settings
from cdc_assets.wiring.orchestrator import LOCATION

_START_NOTE = """

Materializing is a start: a table that is loaded is left alone (a reload is a resync). To start the whole pipeline
launch the job `{name}__start`: several tables at once go through Dagster's backfill daemon, which takes up to 30 s to
begin."""
_DESCRIPTIONS: Mapping[Stage, str] = {
    Stage.TARGET_SCHEMA: """Step 0 of pipeline `{name}`, a partition a table.

**After success** the schema `{target}` and the table in it exist, empty and made by this pipeline; the statements are
in the metadata `ddl`.

**When it fails** nothing of the table was changed. The run names what could not be made and why: a right, a name that
is taken, a type that cannot be carried. Mend it (`./cdc check {name}` lists all of it), then start again.""",
    Stage.LOADED_TABLE: """Step 1 of pipeline `{name}`, a partition a table.

**After success** every row that was in the source at the position `lsn` is in the target, read back and compared chunk
by chunk.

**When it fails** the run names table, chunk and counts; the other tables go on, and the changes of this one are kept
meanwhile. Mend the cause and start again: only what is missing is loaded.""",
    Stage.SOURCE_CONNECTOR: """Step 2 of pipeline `{name}`, first half: one Debezium source connector for all tables.

**After success** every change of the table since the position `lsn` is kept in Kafka.

**When it fails** changes wait in the source, whose log grows until the connector runs again: see the pipeline's last
error (`./cdc status {name}`) and the slot (`./cdc diagnose {name}`). What may be restarted is, without you.""",
    Stage.SINK_CONNECTOR: """Step 2 of pipeline `{name}`, second half: a sink connector a table.

**After success** changes of the table arrive in `{target}`: a marker at the position `lsn` was seen to pass.

**When it fails** changes wait in Kafka, nothing is lost. The run names the cause without the row's values; when it is
gone, the table goes on by itself or by `./cdc resume {name} -t TABLE`.""",
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
                finished=lambda stage, outcomes: _log_events(
                    context, stage_events(settings, pipeline, stage, outcomes)
                ),
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
    settings: Settings, pipeline: Pipeline, stage: Stage, outcomes: Mapping[str, TableOutcome]
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
                    stage_key(pipeline, stage),
                    partition=mapping.partition_key,
                    metadata=stage_metadata(settings, pipeline, mapping, stage, outcome),
                )
            )
        if stage is Stage.LOADED_TABLE:
            # Not for a table that was loaded before: nothing was written, and what reads it need not run again.
            if outcome.is_good and outcome.seconds is not None:
                events.append(
                    dg.AssetMaterialization(
                        target_key(pipeline, mapping), metadata=target_metadata(pipeline, mapping, outcome)
                    )
                )
            events += rows_match(target_key(pipeline, mapping), outcome)
    return events


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
            description=(_DESCRIPTIONS[stage] + _START_NOTE).format(name=pipeline.name, target=pipeline.target),
            group_name=pipeline.name,
            owners=OWNERS,
            kinds=kinds[stage],
            tags=pipeline_tags(pipeline),
            partitions_def=partitions,
            # What exists is logged by the step itself, table by table.
            skippable=True,
            metadata={
                "mode": pipeline.mode.value,
                "source": str(pipeline.source),
                "target": str(pipeline.target),
                "start": dg.MetadataValue.url(f"/locations/{LOCATION}/jobs/{pipeline.name}__start"),
            },
        )
        for number, stage in enumerate(stages)
    ]
