"""The planned stop: nothing of the pipeline streams any more, and what was delivered stays as it is.

Called by a running `sync` that sees the intent, by the `reconcile` tick for an idle pipeline, and by `stages/remove`.
"""

from cdc_assets.model.errors import CdcAssetsError, SourceError, TargetError, WaitingError
from cdc_assets.model.pipeline import Mode
from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.status import CdcStatus, FullLoadStatus, Intent, TableState
from cdc_assets.stages.apply import wait_until_sessions_are_gone
from cdc_assets.stages.capture import wait_until_slot_is_idle
from cdc_assets.stages.context import StageContext

_SINK_AT_WORK = frozenset({TableState.CATCHING_UP, TableState.STREAMING, TableState.PAUSED, TableState.QUARANTINED})


def stop(context: StageContext) -> None:
    """Stop connectors and leave the statuses at rest; idempotent, a never-started pipeline is left as it is.

    Afterwards all connectors are STOPPED without tasks, the slot is idle, the target has no session of the sinks;
    tables are back to LOADED (PREPARED in `cdc_only`), a load under way begins again for the tables that were not
    LOADED. WaitTimeoutError or SlotError when a session does not end: a second stop goes on from there.
    """
    record = context.lease.check()
    if record.suffix is not None and context.pipeline.mode.captures:
        _stop_connectors(context, record)
    _rest(context, context.lease.check())


def _stop_connectors(context: StageContext, record: PipelineRecord) -> None:
    names = context.names()
    sinks = [table.sink_connector_name for table in record.tables if table.sink_connector_name is not None]
    present = context.connect.reports()
    running = [name for name in (names.source_connector, *sinks) if name in present]
    if not running:
        return
    context.log(f"Stopping {len(running)} connectors of pipeline: {record.name}")
    context.connect.stop(running)
    # STOPPED is Connect's word; a hanging task may still hold the slot or write to the target.
    try:
        wait_until_slot_is_idle(context.source, names.slot, context.clock)
    except SourceError as error:
        _note_unproven(context, "slot_idle", error)
    try:
        for sink in sinks:
            if sink in present:
                wait_until_sessions_are_gone(context, context.target, sink)
    except TargetError as error:
        _note_unproven(context, "sink_sessions_gone", error)
    context.log(f"Connectors of pipeline {record.name} are stopped")


def _note_unproven(context: StageContext, what: str, error: CdcAssetsError) -> None:
    """A server that is away does not keep a pipeline from being stopped; the next start asks it again."""
    context.lease.note(what, "not proven", cause=error.message)
    context.log(f"Stop: {what} could not be proven: {error.message}")


def _rest(context: StageContext, record: PipelineRecord) -> None:
    rest = TableState.PREPARED if context.pipeline.mode is Mode.CDC_ONLY else TableState.LOADED
    for table in record.tables:
        if table.state is TableState.PAUSED and table.intent is Intent.PAUSED:
            continue  # Held by its operator, also after the next start.
        if table.state in _SINK_AT_WORK:
            context.lease.set_table(table.source_table, rest, cause="the pipeline was stopped")
        elif table.state is TableState.LOADING:
            context.lease.set_table(
                table.source_table, TableState.PREPARED, cause="the pipeline was stopped while it loaded"
            )
    if record.full_load_status is FullLoadStatus.IN_PROGRESS:
        context.lease.set_full_load(FullLoadStatus.FAILED, cause="the pipeline was stopped while it loaded")
    if record.cdc_status is not CdcStatus.NOT_STARTED:
        context.lease.set_cdc(CdcStatus.STOPPED, cause="the pipeline was stopped")
    if record.last_error_code == WaitingError.code:
        # The run that waited has ended.
        context.lease.clear_error()
