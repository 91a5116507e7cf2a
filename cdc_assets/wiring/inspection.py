"""What changes nothing: the preflight and the plan of a start."""

from collections.abc import Sequence

from cdc_assets.model.errors import DefinitionError, SecretMissingError, SourceError, UnknownPipelineError
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.preflight import PreflightCheck
from cdc_assets.model.record import PipelineRecord
from cdc_assets.planning.start_plan import StartPlan
from cdc_assets.planning.table_choice import Choice
from cdc_assets.settings import Settings
from cdc_assets.stages.context import StageContext
from cdc_assets.stages.lag import Lag
from cdc_assets.stages.lag import read_lag as lag
from cdc_assets.stages.plan import plan as plan_start
from cdc_assets.stages.preflight import Neighbours, preflight
from cdc_assets.stages.preflight.choice_checks import check_choice
from cdc_assets.wiring.basics import load_definitions, open_store
from cdc_assets.wiring.control import find_pipeline
from cdc_assets.wiring.parts import connect_secrets, open_connect, open_kafka, open_source, open_target
from cdc_assets.wiring.table_choice import chosen_tables

# Connect's first validation loads the plugin and logs in: seconds on a busy machine.
_PATIENCE_SECONDS = 10
# Whether an embedded server runs at all is known at once.
_EMBEDDED_PATIENCE_SECONDS = 2


def check(settings: Settings, pipeline: Pipeline) -> tuple[PreflightCheck, ...]:
    """Run every preflight check of a pipeline; StateDatabaseError when there is no state database to ask."""
    record = open_store(settings).find(pipeline.name)
    pipeline, choice = _choice(pipeline, record)
    connect_patience = _EMBEDDED_PATIENCE_SECONDS if settings.is_embedded_connect else _PATIENCE_SECONDS
    kafka_patience = _EMBEDDED_PATIENCE_SECONDS if settings.is_embedded_kafka else _PATIENCE_SECONDS
    checks = preflight(
        pipeline,
        Neighbours(
            source=lambda: open_source(pipeline, is_read_only=True),
            target=lambda: open_target(pipeline, is_read_only=True),
            connect=open_connect(settings, patience_seconds=connect_patience) if pipeline.mode.captures else None,
            validator=open_connect(settings, patience_seconds=_PATIENCE_SECONDS) if pipeline.mode.captures else None,
            secrets=connect_secrets(settings) if pipeline.mode.captures else None,
            is_connect_configured=not settings.is_embedded_connect,
            kafka=open_kafka(settings, timeout_seconds=kafka_patience) if pipeline.mode.captures else None,
            is_kafka_configured=not settings.is_embedded_kafka,
        ),
        others=load_definitions(settings).pipelines,
        record=record,
    )
    return (*check_choice(pipeline, choice), *checks)


def _choice(pipeline: Pipeline, record: PipelineRecord | None) -> tuple[Pipeline, Choice | DefinitionError | None]:
    try:
        return chosen_tables(pipeline, record)
    except DefinitionError as error:
        return pipeline, error
    except (SourceError, SecretMissingError):
        # The checks of the source say why.
        return pipeline, None


def preflight_checks(settings: Settings, pipeline: Pipeline, context: StageContext) -> Sequence[PreflightCheck]:
    """The checks of a run, on the sessions and the record it has already."""
    return preflight(
        pipeline,
        Neighbours(
            source=lambda: context.source,
            target=lambda: context.target,
            connect=context.connect if pipeline.mode.captures else None,
            secrets=connect_secrets(settings) if pipeline.mode.captures else None,
            # A run that is to stream needs both now, embedded or not.
            is_connect_configured=True,
            kafka=context.kafka if pipeline.mode.captures else None,
            is_kafka_configured=True,
        ),
        others=load_definitions(settings).pipelines,
        record=context.lease.check(),
    )


def read_lag(settings: Settings, name: str) -> Lag:
    """How far a pipeline's stream is behind; UnknownPipelineError while it was never recorded."""
    record = open_store(settings).find(name)
    if record is None:
        raise UnknownPipelineError(f"pipeline {name} was never recorded", hint="wait a moment, or start it")
    return lag(
        record,
        source=open_source(
            find_pipeline(load_definitions(settings), name), is_read_only=True, patience_seconds=_PATIENCE_SECONDS
        ),
        connect=open_connect(settings, patience_seconds=_PATIENCE_SECONDS),
        kafka=open_kafka(settings, timeout_seconds=_PATIENCE_SECONDS),
    )


def plan(settings: Settings, pipeline: Pipeline) -> StartPlan:
    """What a start would do; changes nothing."""
    record = open_store(settings).find(pipeline.name)
    pipeline, _ = chosen_tables(pipeline, record)
    return plan_start(
        pipeline,
        source=open_source(pipeline, is_read_only=True),
        target=open_target(pipeline, is_read_only=True),
        secrets=connect_secrets(settings),
        record=record,
    )
