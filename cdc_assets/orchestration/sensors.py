"""Sensors: `reconcile` turns wishes into runs, `cdc_health` keeps the statuses of what streams true.

They compare and request; the work is done in runs. A tick that fails is red in the UI and repeated 5 seconds later.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self

import dagster as dg
from pydantic import BaseModel, ConfigDict, ValidationError

from cdc_assets.model.pipeline import Definitions, Pipeline
from cdc_assets.model.record import PipelineRecord
from cdc_assets.orchestration.checks import Verdict, cdc_healthy, cdc_verdict, definition_events
from cdc_assets.orchestration.commands import Commands
from cdc_assets.orchestration.jobs import AssetJob
from cdc_assets.orchestration.keys import (
    ATTEMPT_TAG,
    PIPELINE_TAG,
    RANGE_END_TAG,
    RANGE_START_TAG,
    RUN_KEY_TAG,
    VERSION_TAG,
    sync_job_name,
    target_key,
)
from cdc_assets.orchestration.metadata import lag_metadata
from cdc_assets.orchestration.runs import DagsterRuns, end_abandoned, end_superseded
from cdc_assets.planning.health_memory import HealthMemory
from cdc_assets.planning.lag_plots import LagFigures, Plotted, next_points
from cdc_assets.settings import Settings
from cdc_assets.wiring.control import RunWish
from cdc_assets.wiring.orchestrator import CurrentStack

# Dagster's daemon looks every 5 s; 2 keeps it at each of its looks, 5 would skip every other one.
_INTERVAL_SECONDS = 2


class _Cursor(BaseModel):
    model_config = ConfigDict(frozen=True)

    @classmethod
    def read(cls, cursor: str | None) -> Self:
        """Return what the last tick left; the beginning when there is none, or another version's."""
        try:
            return cls.model_validate_json(cursor or "{}")
        except ValidationError:
            return cls()


class ReconcileCursor(_Cursor):
    """`stack_id`: the stack whose abandoned runs were ended; `told`: the bad files Dagster knows, with the problems."""

    stack_id: str = ""
    told: dict[str, str] = {}


class HealthCursor(_Cursor):
    """`memories`: what the last look left, by pipeline; `told`: the verdict Dagster knows, by target table.

    `plotted`: when the lag of a target table was told last, with the figures in short.
    """

    memories: dict[str, str] = {}
    told: dict[str, str] = {}
    plotted: dict[str, tuple[datetime, str]] = {}


def reconcile_sensor(
    settings: Settings,
    definitions: Definitions,
    commands: Commands,
    *,
    jobs: Sequence[AssetJob],
    stack: CurrentStack,
) -> dg.SensorDefinition:
    """Return the sensor that launches `P__sync` where a start was asked for and stops what shall be stopped.

    `stack`: the stack whose code server loaded the definitions, and when; runs older than a new stack are dead.
    """

    @dg.sensor(
        name="reconcile",
        jobs=list(jobs) or None,
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Launches the run of every pipeline that was asked to start, tries again what died, stops idle"
        " pipelines, and takes up changed files. When it fails, nothing starts or stops: see the tick's error.",
    )
    def reconcile(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        cursor = ReconcileCursor.read(context.cursor)
        if stack.id and stack.id != cursor.stack_id:
            end_abandoned(context.instance, before=stack.seen_at)
        if commands.known_definitions(settings) != definitions:
            commands.reload_code_location(settings)
            return dg.SensorResult(
                skip_reason="the pipeline files changed: they were read again",
                # Or the next tick, under definitions loaded later, would end runs that began in between.
                cursor=cursor.model_copy(update={"stack_id": stack.id}).model_dump_json(),
            )
        wishes = commands.reconcile(settings, DagsterRuns(context.instance), log=context.log.info)
        bad_files = definition_events(definitions)
        told = {name: str(event.description) for name, event in bad_files.items()}
        return dg.SensorResult(
            run_requests=[_run_request(settings, commands, context.instance, wish) for wish in wishes],
            asset_events=[event for name, event in bad_files.items() if cursor.told.get(name) != told[name]],
            cursor=ReconcileCursor(stack_id=stack.id, told=told).model_dump_json(),
        )

    return reconcile


def _run_request(settings: Settings, commands: Commands, instance: dg.DagsterInstance, wish: RunWish) -> dg.RunRequest:
    end_superseded(instance, wish.pipeline, wish.run_key)
    record = commands.open_store(settings).find(wish.pipeline)
    return dg.RunRequest(
        # Dagster starts a key once for ever, and versions begin anew after a drop: the id tells the two lives apart.
        run_key=f"{wish.run_key}:{record.id if record else ''}",
        job_name=sync_job_name(wish.pipeline),
        tags={
            RANGE_START_TAG: wish.tables[0],
            RANGE_END_TAG: wish.tables[-1],
            PIPELINE_TAG: wish.pipeline,
            VERSION_TAG: str(wish.version),
            ATTEMPT_TAG: str(wish.attempt),
            RUN_KEY_TAG: wish.run_key,
        },
    )


def health_sensor(settings: Settings, definitions: Definitions, commands: Commands) -> dg.SensorDefinition:
    """Return the sensor that looks at all that streams, and tells Dagster when a table's verdict changes."""

    @dg.sensor(
        name="cdc_health",
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Looks at connectors, tasks, slots and markers of every running pipeline, restarts what failed, and"
        " writes the check cdc_healthy when a verdict changes. Every five minutes, each hour while nothing changes,"
        " it adds a point to the lag plots of each target table.",
    )
    def cdc_health(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        cursor = HealthCursor.read(context.cursor)
        memories = commands.observe_health(settings, cursor.memories, log=context.log.info)
        verdicts = _verdicts(definitions, commands.open_store(settings).list_pipelines())
        changed = {key: verdict for key, verdict in verdicts.items() if cursor.told.get(_text(key)) != _state(verdict)}
        observed = _observed(definitions, memories)
        told = cursor.told | {_text(key): _state(verdict) for key, verdict in changed.items()}
        points, plotted = _lag_points(definitions, memories, cursor.plotted)
        return dg.SensorResult(
            skip_reason=None if changed or points else "no verdict changed",
            asset_events=[
                *(cdc_healthy(key, verdict, observed[key]) for key, verdict in changed.items()),
                *points,
            ],
            cursor=HealthCursor(memories=dict(memories), told=told, plotted=plotted).model_dump_json(),
        )

    return cdc_health


def _verdicts(definitions: Definitions, records: Sequence[PipelineRecord]) -> dict[dg.AssetKey, Verdict]:
    by_name = {record.name: record for record in records}
    verdicts = {}
    for pipeline in definitions.pipelines:
        record = by_name.get(pipeline.name)
        recorded = {row.source_table for row in record.tables} if record else set()
        for mapping in pipeline.tables:
            if record is None or mapping.partition_key not in recorded:
                continue
            verdict = cdc_verdict(record, mapping.partition_key)
            if verdict is not None:
                verdicts[target_key(pipeline, mapping)] = verdict
    return verdicts


def _observed(definitions: Definitions, memories: Mapping[str, str]) -> dict[dg.AssetKey, datetime | None]:
    """Return when each target table was looked at last."""
    return {
        target_key(pipeline, mapping): HealthMemory.from_json(memories.get(pipeline.name)).observed_at
        for pipeline in definitions.pipelines
        for mapping in pipeline.tables
    }


def _lag_points(
    definitions: Definitions, memories: Mapping[str, str], plotted: Mapping[str, tuple[datetime, str]]
) -> tuple[list[dg.AssetObservation], dict[str, tuple[datetime, str]]]:
    """Return the points of the lag plots that are due, and what was plotted last of the tables that are still there."""
    samples: dict[str, tuple[LagFigures, str]] = {}
    known: dict[str, tuple[dg.AssetKey, Pipeline]] = {}
    for pipeline in definitions.pipelines:
        figures = HealthMemory.from_json(memories.get(pipeline.name)).lag
        for mapping in pipeline.tables:
            key = target_key(pipeline, mapping)
            known[_text(key)] = (key, pipeline)
            if figures is not None and mapping.partition_key in figures.records_behind:
                samples[_text(key)] = (figures, mapping.partition_key)
    last = {name: Plotted(at, footprint) for name, (at, footprint) in plotted.items() if name in known}
    points = next_points(samples, last)
    observations = [
        dg.AssetObservation(known[name][0], metadata=lag_metadata(known[name][1], *samples[name])) for name in points
    ]
    return observations, {name: (point.at, point.footprint) for name, point in (last | points).items()}


def _text(key: dg.AssetKey) -> str:
    return key.to_user_string()


def _state(verdict: Verdict) -> str:
    # Without the sentence: it may hold numbers that change at every look.
    return f"{verdict.passed}:{verdict.code}"
