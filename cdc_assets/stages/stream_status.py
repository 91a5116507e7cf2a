"""Which statuses a look at the stream proves wrong, and their changes; carried out by `stages/health` under the lease.

RUNNING is written only when a marker has passed; a refused record or a gap concerns its table; what stops the whole
stream is the pipeline's last error. Computed twice: to see whether the lease is needed, and again from what is
recorded under it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cdc_assets.model.errors import CdcAssetsError
from cdc_assets.model.pipeline import Mode, Pipeline
from cdc_assets.model.record import PipelineRecord, TableRecord
from cdc_assets.model.status import CdcStatus, Intent, TableState
from cdc_assets.planning.drift import WatchedMapping
from cdc_assets.planning.sink_failures import SinkFailure
from cdc_assets.planning.verdict import StreamFacts, Verdict
from cdc_assets.ports.store import Lease
from cdc_assets.stages.capture import require_resync
from cdc_assets.stages.hand_off import HOLDS_ROWS
from cdc_assets.stages.marker import MarkerView

STEP = "cdc_health"
_FLOWING = frozenset({TableState.CATCHING_UP, TableState.STREAMING})
_SUPERVISED = frozenset({*_FLOWING, TableState.QUARANTINED})


@dataclass(frozen=True, slots=True)
class Look:
    """What a look has seen; `view` is the marker's, None when none was followed."""

    facts: StreamFacts
    verdict: Verdict
    view: MarkerView | None


@dataclass(frozen=True, slots=True)
class StatusChange:
    """One change of state: `what` for people; `holds`: a connector that must not go on or start by itself."""

    what: str
    make: Callable[[Lease], None]
    holds: str | None = None


def supervised_sinks(record: PipelineRecord) -> Mapping[str, str]:
    """Table -> sink connector of every table that shall flow, also those held by a refused record."""
    return {
        table.source_table: table.sink_connector_name
        for table in record.tables
        if table.state in _SUPERVISED and table.intent is Intent.RUNNING and table.sink_connector_name is not None
    }


def flowing_sinks(record: PipelineRecord) -> Mapping[str, str]:
    """Sink connector -> topic of every table through which a marker has to pass."""
    return {
        table.sink_connector_name: table.topic
        for table in record.tables
        if table.state in _FLOWING
        and table.intent is Intent.RUNNING
        and table.sink_connector_name is not None
        and table.topic is not None
    }


def watched_tables(pipeline: Pipeline, record: PipelineRecord) -> tuple[WatchedMapping, ...]:
    """Tables of the file that hold rows and are captured, paused ones too: they have to stay what they are."""
    mappings = {mapping.partition_key: mapping for mapping in pipeline.tables}
    return tuple(
        WatchedMapping(mappings[table.source_table], table)
        for table in record.tables
        if table.source_table in mappings and table.state in HOLDS_ROWS and table.captured_from_lsn is not None
    )


def without_sink(pipeline: Pipeline, record: PipelineRecord) -> tuple[str, ...]:
    """Tables of the file that are ready to stream and have no running sink: a start that was not finished."""
    ready = TableState.PREPARED if pipeline.mode is Mode.CDC_ONLY else TableState.LOADED
    wanted = {mapping.partition_key for mapping in pipeline.tables}
    return tuple(
        table.source_table
        for table in record.tables
        if table.state is ready and table.intent is Intent.RUNNING and table.source_table in wanted
    )


def status_changes(pipeline: Pipeline, record: PipelineRecord, seen: Look) -> tuple[StatusChange, ...]:
    """What has to be changed so that the recorded states are true."""
    changes = [*_gone_changes(pipeline, record, seen)]
    if not changes:
        for table in record.tables:
            drifted = _drift_changes(table, seen)
            if drifted:
                changes += drifted
            elif table.source_table in seen.facts.sinks:
                changes += _table_changes(table, seen)
    if _is_given_up(record, seen):
        return tuple(changes)
    return (*changes, *_pipeline_changes(record, seen))


def _is_given_up(record: PipelineRecord, seen: Look) -> bool:
    """Whether the gap is recorded and no table may flow: that connectors stand follows from it, the cause stays."""
    return (
        record.cdc_status is CdcStatus.ERROR
        and not seen.facts.sinks
        and any(table.state is TableState.RESYNC_REQUIRED for table in record.tables)
    )


def _gone_changes(pipeline: Pipeline, record: PipelineRecord, seen: Look) -> list[StatusChange]:
    slot = seen.facts.slot
    if slot is None or not slot.loses_changes or not any(table.state in HOLDS_ROWS for table in record.tables):
        return []
    source = seen.facts.reports.get(seen.facts.source_connector)
    held = seen.facts.source_connector if source is not None and not source.is_stopped else None
    return [StatusChange(slot.what, lambda lease: require_resync(lease, pipeline, record, slot.error()), held)]


def _drift_changes(table: TableRecord, seen: Look) -> list[StatusChange]:
    found = next((f for f in seen.verdict.findings if f.table == table.source_table and f.needs_load), None)
    if found is None or table.state not in HOLDS_ROWS:
        return []
    error, sink = found.error, table.sink_connector_name
    report = seen.facts.reports.get(sink) if sink is not None else None
    # What its sink would still write may damage rows that are good.
    held = sink if report is not None and not report.is_stopped else None
    return [
        StatusChange(
            error.message,
            lambda lease: lease.fail_table(table.source_table, TableState.RESYNC_REQUIRED, error),
            held,
        )
    ]


def _table_changes(table: TableRecord, seen: Look) -> list[StatusChange]:
    name = table.source_table
    # A drift that needs no load is told, and says nothing about the flow; nor does Connect's late word for a task.
    silent = [drift.error for drift in seen.facts.drifts]
    findings = [f for f in seen.verdict.findings if f.error.table == name and not f.may_pass]
    found = next((f for f in findings if f.error not in silent), None)
    if found is None:
        return _good_table(table, seen)
    match found.failure:
        case SinkFailure.REFUSED_RECORD:
            return _trouble(table, TableState.QUARANTINED, found.error)
        case SinkFailure.GAP:
            return _trouble(table, TableState.RESYNC_REQUIRED, found.error)
        case SinkFailure.OTHER | None if table.state is TableState.STREAMING:
            return [_move(name, TableState.CATCHING_UP, found.error.message)]
        case _:
            return []


def _good_table(table: TableRecord, seen: Look) -> list[StatusChange]:
    name, view = table.source_table, seen.view
    report = seen.facts.reports.get(seen.facts.sinks[name])
    if table.state is TableState.QUARANTINED and report is not None and report.says_running:
        return [_move(name, TableState.CATCHING_UP, "its sink connector runs again")]
    passed = view is not None and view.has_passed and table.topic in view.ends
    if table.state is not TableState.CATCHING_UP or view is None or not passed:
        return []
    changes = [_move(name, TableState.STREAMING, f"a marker at {view.marker.lsn} passed")]
    if table.last_error is not None:
        changes.append(StatusChange(f"table {name} has no error any more", lambda lease: lease.clear_table_error(name)))
    return changes


def _trouble(table: TableRecord, state: TableState, error: CdcAssetsError) -> list[StatusChange]:
    if table.state is state and table.last_error == str(error):
        return []
    name = table.source_table
    return [StatusChange(error.message, lambda lease: lease.fail_table(name, state, error))]


def _move(table: str, state: TableState, cause: str) -> StatusChange:
    return StatusChange(f"table {table} is {state}: {cause}", lambda lease: lease.set_table(table, state, cause=cause))


def _pipeline_changes(record: PipelineRecord, seen: Look) -> list[StatusChange]:
    failure = seen.verdict.stream_failure
    if failure is not None:
        return _stream_failed(record, failure)
    view = seen.view
    if view is None or not view.has_passed or seen.facts.without_sink or not view.ends:
        return []
    if record.cdc_status is CdcStatus.RUNNING:
        return []
    cause = f"a marker at {view.marker.lsn} passed source and sinks"

    def make(lease: Lease) -> None:
        lease.set_cdc(CdcStatus.STARTING, cause="the connectors run again")
        lease.set_cdc(CdcStatus.RUNNING, cause=cause)
        lease.clear_error()

    return [StatusChange(f"RUNNING again: {cause}", make)]


def _stream_failed(record: PipelineRecord, failure: CdcAssetsError) -> list[StatusChange]:
    is_recorded = record.last_error == str(failure)
    if record.cdc_status is CdcStatus.ERROR and is_recorded:
        return []

    def make(lease: Lease) -> None:
        lease.set_cdc(CdcStatus.ERROR, cause=failure.message)
        if not is_recorded:
            lease.fail(STEP, failure)

    return [StatusChange(failure.message, make)]
