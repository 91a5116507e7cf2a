"""Jobs of a pipeline: `P__start` and `P__stop` say what is wanted and follow it to its end, `P__sync` does the work."""

from collections.abc import Callable
from typing import Any

import dagster as dg
from tenacity import Retrying, retry_if_result, wait_fixed

from cdc_assets.model.errors import IntentChangedError, UnknownPipelineError
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.status import PipelineStatus
from cdc_assets.orchestration.commands import Commands, Log
from cdc_assets.orchestration.keys import FOLLOWS_TAG, PIPELINE_TAG, pipeline_stages, stage_key, sync_job_name
from cdc_assets.orchestration.runs import shown_as_failure
from cdc_assets.ports.store import PipelineStore
from cdc_assets.settings import Settings

_POLL_SECONDS = 0.5
# What define_asset_job returns has no public name in Dagster.
AssetJob = Any


def sync_job(pipeline: Pipeline) -> AssetJob:
    """Return the job that `reconcile` launches, one run for all tables."""
    return dg.define_asset_job(
        sync_job_name(pipeline.name),
        selection=dg.AssetSelection.assets(*(stage_key(pipeline, stage) for stage in pipeline_stages(pipeline))),
        description=f"Does the work of a start of {pipeline.name}. Launched for you after a start was asked for.",
        tags={PIPELINE_TAG: pipeline.name},
        executor_def=dg.in_process_executor,
    )


def start_job(settings: Settings, pipeline: Pipeline, commands: Commands) -> dg.JobDefinition:
    """Return the job that asks for a start; it ends when the pipeline is RUNNING or COMPLETED, or failed."""
    return _intent_job(
        settings,
        pipeline,
        commands,
        verb="start",
        request=lambda: commands.request_start(settings, pipeline.name),
        wanted=frozenset({PipelineStatus.RUNNING, PipelineStatus.COMPLETED}),
        description=f"Starts {pipeline.name}: what is missing is made and loaded, then changes flow. A running pipeline"
        " is left alone.",
    )


def stop_job(settings: Settings, pipeline: Pipeline, commands: Commands) -> dg.JobDefinition:
    """Return the job that asks for a stop; it ends when nothing streams any more."""
    return _intent_job(
        settings,
        pipeline,
        commands,
        verb="stop",
        request=lambda: commands.request_stop(settings, pipeline.name),
        wanted=frozenset({PipelineStatus.STOPPED, PipelineStatus.NOT_STARTED}),
        description=f"Stops {pipeline.name}; a later start goes on from there, without a reload. The source keeps its"
        " log meanwhile.",
    )


def _intent_job(
    settings: Settings,
    pipeline: Pipeline,
    commands: Commands,
    *,
    verb: str,
    request: Callable[[], PipelineRecord],
    wanted: frozenset[PipelineStatus],
    description: str,
) -> dg.JobDefinition:
    def ask(context: dg.OpExecutionContext) -> None:
        with shown_as_failure():
            asked = request()
            context.log.info("%s of %s was asked for, intent version %d", verb, pipeline.name, asked.intent_version)
            record = follow(commands.open_store(settings), asked, log=context.log.info)
        if record.status not in wanted:
            why = f"{record.last_error_code}: {record.last_error}" if record.last_error else "no error is recorded"
            raise dg.Failure(f"{pipeline.name} is {record.status} after its {verb}. {why}", allow_retries=False)

    graph = dg.GraphDefinition(
        name=f"{pipeline.name}__{verb}",
        node_defs=[dg.op(name=f"{pipeline.name}__ask_{verb}", description=description)(ask)],
    )
    return graph.to_job(
        name=f"{pipeline.name}__{verb}",
        description=description,
        tags={PIPELINE_TAG: pipeline.name, FOLLOWS_TAG: verb},
        executor_def=dg.in_process_executor,
    )


def follow(store: PipelineStore, asked: PipelineRecord, *, log: Log) -> PipelineRecord:
    """Return the pipeline when what was asked for has been taken to its end, good or bad; tells each change of status.

    IntentChangedError when somebody asks for something else meanwhile.
    """
    told = ""

    def is_served(record: PipelineRecord) -> bool:
        nonlocal told
        if record.intent is not asked.intent:
            raise IntentChangedError(
                f"pipeline {asked.name} was asked to be {record.intent} meanwhile", hint="look at its events"
            )
        line = f"{record.name} is {record.status} (full load {record.full_load_status}, cdc {record.cdc_status})"
        if line != told:
            log(line)
            told = line
        return record.served_version >= asked.intent_version

    def look() -> PipelineRecord:
        record = store.find(asked.name)
        if record is None:
            raise UnknownPipelineError(f"pipeline {asked.name} was dropped meanwhile", hint="start it again if wanted")
        return record

    return Retrying(retry=retry_if_result(lambda record: not is_served(record)), wait=wait_fixed(_POLL_SECONDS))(look)
