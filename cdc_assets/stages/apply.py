"""Step 2, second half: a sink connector for each loaded table, and the proof that changes flow.

A sink is made STOPPED, its first offset is set to where its load began, then it is resumed. RUNNING is written only
when a marker emitted afterwards has passed the source connector and every sink (`stages/marker`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from cdc_assets.dialects.type_registry import has_key_of_several_forms
from cdc_assets.model.connector import ConnectorReport
from cdc_assets.model.errors import ConnectorError, ConnectorGapError, WaitTimeoutError
from cdc_assets.model.pipeline import Mode
from cdc_assets.model.record import TableRecord
from cdc_assets.model.report import TableOutcome
from cdc_assets.model.status import CdcStatus, Intent, TableState
from cdc_assets.planning.sink_connector import sink_application, sink_config
from cdc_assets.planning.slot_check import RELOAD_TABLE_FIX
from cdc_assets.ports.streaming import ConnectSecrets
from cdc_assets.ports.target import TargetDatabase
from cdc_assets.stages.captured_tables import fitting_values, offers_converter
from cdc_assets.stages.context import StageContext
from cdc_assets.stages.flow import Flow

_SESSIONS_GONE = timedelta(seconds=60)
_FLOWING = frozenset({TableState.CATCHING_UP, TableState.STREAMING})


def apply(context: StageContext, tables: Sequence[str], *, secrets: ConnectSecrets) -> Mapping[str, TableOutcome]:
    """Make sinks run for the selected tables that are ready, and wait until a marker has passed through all that flow.

    Afterwards those tables are STREAMING and `cdc_status` is RUNNING. A table whose sink refuses a record or meets a
    gap is left in trouble with its cause, the others go on. ConnectorError when the source connector or, for a cause
    outside the data, a sink failed; NotFlowingError naming what stands still.
    """
    outcomes: dict[str, TableOutcome] = {}
    ready = [table for table in _selected(context, tables) if _is_ready(context, table)]
    reports = context.connect.reports() if ready else {}
    apart = _kept_apart(context, ready)
    fitting = _fitting(context, ready)
    for table in ready:
        try:
            _ensure_sink(
                context,
                table,
                reports,
                secrets,
                keeps_events_apart=apart[table.source_table],
                fitting=fitting.get(table.source_table, {}),
            )
            outcomes[table.source_table] = TableOutcome(connector=table.sink_connector_name)
        except ConnectorGapError as error:
            context.lease.fail_table(table.source_table, TableState.RESYNC_REQUIRED, error)
            outcomes[table.source_table] = TableOutcome(error=error)
    flow = Flow(context, _flowing_sinks(context))
    if not flow.sinks:
        raise ConnectorError(
            f"no sink connector of {context.pipeline.name} can run: {_first(outcomes)}",
            hint=f"see the tables' errors; a paused table goes on by ./cdc resume {context.pipeline.name} -t TABLE",
        )
    passed = flow.wait()
    outcomes = {name: replace(outcome, lsn=passed.marker.lsn) for name, outcome in outcomes.items()}
    outcomes |= {name: TableOutcome(error=failure) for name, failure in flow.failed.items()}
    if not flow.sinks:
        first = next(iter(flow.failed.values()))
        raise ConnectorError(f"no sink connector of {context.pipeline.name} runs: {first.message}", hint=first.hint)
    for name in flow.sinks:
        context.lease.set_table(name, TableState.STREAMING, cause=f"a marker at {passed.marker.lsn} passed")
        context.lease.clear_table_error(name)
    context.lease.set_cdc(CdcStatus.RUNNING, cause=f"a marker at {passed.marker.lsn} passed source and sinks")
    context.log("Step 2: CDC status set to RUNNING and persisted to database")
    return outcomes


def _selected(context: StageContext, tables: Sequence[str]) -> list[TableRecord]:
    record = context.lease.check()
    wanted = {mapping.partition_key for mapping in context.pipeline.tables} & set(tables)
    return [table for table in record.tables if table.source_table in wanted]


def _is_ready(context: StageContext, table: TableRecord) -> bool:
    ready = {TableState.LOADED, *_FLOWING}
    if context.pipeline.mode is Mode.CDC_ONLY:
        ready.add(TableState.PREPARED)
    # A table in quarantine that is loaded gets its next try with each start.
    ready.add(TableState.QUARANTINED)
    # Held with the whole pipeline, or let go while it was stopped; a table held by its own intent stays so.
    ready.add(TableState.PAUSED)
    return table.state in ready and table.intent is Intent.RUNNING


def _kept_apart(context: StageContext, tables: Sequence[TableRecord]) -> Mapping[str, bool]:
    """Say of each table whether its events must be applied one by one; merged by key, some would be lost."""
    mappings = {table.source_table: context.pipeline.mapping(table.source_table) for table in tables}
    definitions = context.target.describe([mapping.target for mapping in mappings.values()])
    found = {}
    for table, mapping in mappings.items():
        definition = definitions.get(mapping.target)
        if definition is None:
            raise ConnectorError(f"target table {mapping.target} is gone", hint=RELOAD_TABLE_FIX, table=table)
        key = set(mapping.key or definition.primary_key)
        found[table] = any(
            index.is_unique and set(index.columns) != key for index in definition.indexes
        ) or has_key_of_several_forms(definition, key)
    return found


def _fitting(context: StageContext, tables: Sequence[TableRecord]) -> Mapping[str, Mapping[str, str]]:
    """Say of each table which columns its sink has to make numbers of or to look at, where it can."""
    product = context.pipeline.target.connection.kind
    if product == "postgres" or not tables or not offers_converter(context.connect.plugins()):
        return {}
    mappings = [context.pipeline.mapping(table.source_table) for table in tables]
    definitions = context.source.describe([mapping.source for mapping in mappings])
    return {
        mapping.partition_key: fitting_values(definitions[mapping.source], mapping, product=product)
        for mapping in mappings
    }


def _ensure_sink(
    context: StageContext,
    table: TableRecord,
    reports: Mapping[str, ConnectorReport],
    secrets: ConnectSecrets,
    *,
    keeps_events_apart: bool,
    fitting: Mapping[str, str],
) -> None:
    name, topic = table.sink_connector_name, table.topic
    if name is None or topic is None:
        msg = f"table {table.source_table} has no recorded topic and sink"
        raise ConnectorError(msg, hint="start the whole pipeline: the source connector comes first")
    config = sink_config(
        context.pipeline.mapping(table.source_table),
        context.pipeline.target,
        secrets.ensure(context.pipeline.target.connection),
        name=name,
        topic=topic,
        keeps_events_apart=keeps_events_apart,
        fitting=fitting,
    )
    context.lease.check()
    if name in reports and reports[name].says_running and context.connect.config(name) == config:
        context.log(f"Step 2: Sink connector {name} runs already, left alone")
    else:
        context.connect.ensure_stopped_connector(name, config)
        # A task that hangs in the target could still write what a newer one has overtaken.
        wait_until_sessions_are_gone(context, context.target, name)
        offset = _first_offset(context, table, name, topic)
        context.lease.check()
        context.connect.resume(name)
        context.log(f"Step 2: Sink connector {name} started at record {offset} of {topic}")
    if table.state is not TableState.STREAMING:
        context.lease.set_table(table.source_table, TableState.CATCHING_UP, cause=f"sink connector {name} was started")


def _first_offset(context: StageContext, table: TableRecord, name: str, topic: str) -> int:
    """Return where the STOPPED sink will begin, set to the recorded offset when it has committed none yet."""
    committed = context.kafka.committed({name: topic})[name]
    end = context.kafka.end_offsets([topic])[topic]
    offset = committed if committed is not None else table.start_offset or 0
    # Connect takes any number, and a number beyond the end would skip what is written up to it.
    if not 0 <= offset <= end:
        raise ConnectorGapError(
            f"sink connector {name} would begin at record {offset} of {topic}, which ends at {end}: records are gone",
            hint=RELOAD_TABLE_FIX,
            table=table.source_table,
        )
    if committed is None:
        context.lease.check()
        context.connect.set_sink_offset(name, topic, offset)
    return offset


def wait_until_sessions_are_gone(context: StageContext, target: TargetDatabase, sink: str) -> None:
    """Return when the target has no session of that sink left; WaitTimeoutError when they do not end."""
    application = sink_application(sink)
    waiting = Retrying(
        stop=stop_after_delay(_SESSIONS_GONE),
        wait=wait_fixed(0.2),
        sleep=context.clock.sleep,
        retry=retry_if_result(lambda sessions: sessions > 0),
    )
    try:
        waiting(target.sessions_of, application)
    except RetryError as error:
        raise WaitTimeoutError(
            f"the target still has sessions of {sink} {_SESSIONS_GONE.seconds} s after it was stopped",
            hint=f"end the sessions with application_name {application} on the target, then try again",
        ) from error


def _flowing_sinks(context: StageContext) -> dict[str, tuple[str, str]]:
    """Table -> (sink, topic) of every table through which a marker has to pass."""
    record = context.lease.check()
    return {
        table.source_table: (table.sink_connector_name, table.topic)
        for table in record.tables
        if table.state in _FLOWING and table.sink_connector_name is not None and table.topic is not None
    }


def _first(outcomes: Mapping[str, TableOutcome]) -> str:
    found = next((outcome.error for outcome in outcomes.values() if outcome.error), None)
    return found.message if found else "no table is loaded and not paused"
