"""One look at everything that streams: what the `cdc_health` sensor calls."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import cache

from cdc_assets.adapters.pipeline_store import PostgresLooks
from cdc_assets.adapters.system_clock import SystemClock
from cdc_assets.model.errors import (
    ConnectorError,
    ConnectUnavailableError,
    KafkaError,
    SecretMissingError,
    SourceError,
    TargetError,
)
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.planning.alert_memory import FINDING_FIELD
from cdc_assets.planning.finding_events import finding_changes
from cdc_assets.planning.health_memory import HealthMemory
from cdc_assets.planning.lag_plots import LagFigures
from cdc_assets.settings import Settings
from cdc_assets.stages.health import check_health
from cdc_assets.stages.lag import read_lag
from cdc_assets.stages.observation import HealthContext
from cdc_assets.wiring.basics import load_definitions, open_lag_history, open_store
from cdc_assets.wiring.parts import connect_secrets, open_connect, open_kafka, open_source, open_target
from cdc_assets.wiring.table_choice import follow_source

# A look comes again in seconds: who does not answer now is shown as away.
_PATIENCE_SECONDS = 2
# A database under load may think for seconds; two of them that are silent must not keep a look from its ten seconds.
_DATABASE_PATIENCE_SECONDS = 4
_LOOKS_AT_ONCE = 8
_SAMPLE_EVERY = timedelta(seconds=10)
# Asked once more, a server that has just been silent would only make the look longer.
_AWAY = (SourceError, TargetError, SecretMissingError, ConnectUnavailableError, KafkaError)


def observe_health(settings: Settings, memories: Mapping[str, str], *, log: Callable[[str], None]) -> dict[str, str]:
    """Look once at every pipeline that streams: heal what may be healed, keep statuses and errors true.

    `memories`: what the last look left, by pipeline; returns what this one leaves. A silent server delays the looks at
    its own pipelines only. StateDatabaseError when there is no state database: nothing is done then.
    """
    watched = [pipeline for pipeline in load_definitions(settings).pipelines if pipeline.mode.captures]

    def look(pipeline: Pipeline) -> HealthMemory:
        return _look(settings, pipeline, HealthMemory.from_json(memories.get(pipeline.name)), log=log)

    with ThreadPoolExecutor(_LOOKS_AT_ONCE, thread_name_prefix="cdc_health") as looks:
        return {
            pipeline.name: memory.to_json() for pipeline, memory in zip(watched, looks.map(look, watched), strict=True)
        }


def _look(settings: Settings, pipeline: Pipeline, memory: HealthMemory, *, log: Callable[[str], None]) -> HealthMemory:
    context = HealthContext(
        pipeline=pipeline,
        store=open_store(settings),
        looks=_looks(settings.database_url),
        source=lambda: open_source(pipeline, patience_seconds=_DATABASE_PATIENCE_SECONDS),
        target=lambda: open_target(pipeline, patience_seconds=_DATABASE_PATIENCE_SECONDS),
        connect=open_connect(settings, patience_seconds=_PATIENCE_SECONDS),
        kafka=open_kafka(settings, timeout_seconds=_PATIENCE_SECONDS),
        secrets=connect_secrets(settings),
        clock=SystemClock(),
        log=log,
    )
    report = check_health(context, memory)
    for change in finding_changes(memory, report.verdict):
        context.store.note(
            pipeline.name, FINDING_FIELD, change.old, change.new, cause=change.cause, table=change.table or None
        )
    if report.has_changed and report.verdict is not None:
        log(f"{pipeline.name}: {report.verdict}")
    if report.verdict is None or any(isinstance(found.error, _AWAY) for found in report.verdict.findings):
        return report.memory
    return _measure(settings, context, report.memory)


@cache
def _looks(database_url: str) -> PostgresLooks:
    """One pool of sessions a process and URL."""
    return PostgresLooks(database_url)


def _measure(settings: Settings, context: HealthContext, memory: HealthMemory) -> HealthMemory:
    """Keep a sample of how far the stream is behind, when the last is old enough; a gap where it cannot be told."""
    now = context.clock.now()
    record = context.store.find(context.pipeline.name)
    if record is None or (memory.measured_at is not None and now - memory.measured_at < _SAMPLE_EVERY):
        return memory
    try:
        memory = replace(memory, new_tables=follow_source(context, record, memory.new_tables))
        lag = read_lag(record, source=context.source(), connect=context.connect, kafka=context.kafka)
    except (SourceError, SecretMissingError, ConnectUnavailableError, ConnectorError, KafkaError) as error:
        context.log(f"Lag of {context.pipeline.name} cannot be measured: {error.message}")
    else:
        open_lag_history(settings).add(record.id, bytes_behind=lag.bytes_behind, records_behind=lag.records_behind)
        records = {each.table: each.records_behind for each in lag.tables if each.records_behind is not None}
        memory = replace(memory, lag=LagFigures(now, memory.seconds_behind(now), lag.bytes_behind, records))
    return replace(memory, measured_at=now)
