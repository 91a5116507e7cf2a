"""One run of a pipeline: the selected stages in their order, and what their failures mean for the statuses.

Called by `wiring` for a Dagster run, under the pipeline's lease. A table that fails does not hold up the others;
what concerns the whole pipeline is recorded with its cause and raised.
"""

from collections.abc import Callable, Mapping, Sequence

from cdc_assets.model.errors import (
    CdcAssetsError,
    FullLoadError,
    IntentChangedError,
    LeaseLostError,
    PreflightError,
    StateDatabaseError,
)
from cdc_assets.model.preflight import CheckStatus, PreflightCheck
from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.report import Stage, SyncReport, TableOutcome
from cdc_assets.model.status import CdcStatus, FullLoadStatus, TableState
from cdc_assets.ports.streaming import ConnectSecrets
from cdc_assets.stages.apply import apply
from cdc_assets.stages.capture import capture
from cdc_assets.stages.context import StageContext
from cdc_assets.stages.full_load import full_load
from cdc_assets.stages.prepare import prepare
from cdc_assets.stages.run_watch import run_watched

_STEP = {
    Stage.TARGET_SCHEMA: "prepare",
    Stage.LOADED_TABLE: "full_load",
    Stage.SOURCE_CONNECTOR: "capture",
    Stage.SINK_CONNECTOR: "apply",
}
_SHOWN_CAUSES = 3
_SINK_READY = frozenset({TableState.LOADED, TableState.CATCHING_UP, TableState.STREAMING, TableState.PAUSED})
# These say that this run may not, or need not, change anything any more; the next holder of the lease goes on.
_PASS_THROUGH = (LeaseLostError, IntentChangedError, StateDatabaseError)


def sync(
    context: StageContext,
    *,
    stages: frozenset[Stage],
    tables: Sequence[str],
    preflight: Callable[[], Sequence[PreflightCheck]],
    secrets: ConnectSecrets,
    finished: Callable[[Stage, Mapping[str, TableOutcome]], None],
) -> SyncReport:
    """Run the selected stages for the selected tables and record how it ended.

    `finished` is told of each stage as it ends, so that what was reached stays visible when a later stage fails.

    Afterwards the statuses are true and, unless only a part was selected, the intent version is served.
    PreflightError before anything was changed when a check fails; another CdcAssetsError when a stage failed for the
    whole pipeline; LeaseLostError, IntentChangedError and StateDatabaseError leave the statuses as they are.
    """
    outcomes: dict[Stage, Mapping[str, TableOutcome]] = {}
    step = "preflight"
    try:
        with context.target.kept_sessions():
            _require_passed(context, preflight())
            # Sessions of a run that was declared dead must not write beside this one.
            context.target.end_stale_sessions(context.pipeline.name, before_epoch=context.lease.epoch)
            context.source.end_stale_sessions(context.pipeline.name, before_epoch=context.lease.epoch)
            with run_watched(context):
                for stage in Stage:
                    if stage in stages and _has_stage(context, stage):
                        step = _STEP[stage]
                        outcomes[stage] = _run_stage(context, stage, tables, secrets)
                        finished(stage, outcomes[stage])
    except _PASS_THROUGH:
        raise
    except CdcAssetsError as error:
        _record_failure(context, step, error)
        raise
    report = SyncReport(outcomes)
    _record_end(context, report, is_whole=_is_whole(context, stages, tables))
    return report


def _run_stage(
    context: StageContext, stage: Stage, tables: Sequence[str], secrets: ConnectSecrets
) -> Mapping[str, TableOutcome]:
    match stage:
        case Stage.TARGET_SCHEMA:
            return prepare(context, tables)
        case Stage.LOADED_TABLE:
            return full_load(context, tables)
        case Stage.SOURCE_CONNECTOR:
            _require_loads_ended(context)
            return capture(context, secrets=secrets)
        case Stage.SINK_CONNECTOR:
            return apply(context, tables, secrets=secrets)


def _has_stage(context: StageContext, stage: Stage) -> bool:
    return context.pipeline.mode.captures or stage in {Stage.TARGET_SCHEMA, Stage.LOADED_TABLE}


def _is_whole(context: StageContext, stages: frozenset[Stage], tables: Sequence[str]) -> bool:
    """Whether the run was for everything; a part (some tables from the UI) leaves the rest of the wish to the next."""
    wanted = {stage for stage in Stage if _has_stage(context, stage)}
    return wanted <= stages and {mapping.partition_key for mapping in context.pipeline.tables} <= set(tables)


def _require_passed(context: StageContext, checks: Sequence[PreflightCheck]) -> None:
    for check in checks:
        if check.status is CheckStatus.WARN:
            context.log(f"Preflight: warning: {check.what}")
    failed = [check for check in checks if check.status is CheckStatus.FAIL]
    if failed:
        what = "; ".join(f"{check.name}: {check.what}" for check in failed)
        fixes = "; ".join(dict.fromkeys(check.fix for check in failed if check.fix))
        raise PreflightError(f"{len(failed)} preflight checks failed, nothing was changed: {what}", hint=fixes)


def _require_loads_ended(context: StageContext) -> None:
    """Raise unless no load is under way and at least one table can be streamed."""
    record = context.lease.check()
    ready = _SINK_READY if context.pipeline.mode.loads else _SINK_READY | {TableState.PREPARED}
    if not any(table.state in ready for table in record.tables):
        raise FullLoadError(
            f"connectors of {record.name} not started: no table is loaded: {_causes(record)}",
            hint="mend the cause, then start the pipeline again",
        )


def _causes(record: PipelineRecord) -> str:
    """What became of the first tables, with the cause of each."""
    told = []
    for table in record.tables:
        cause = (table.last_error or "").partition(". Fix: ")[0]
        told.append(f"{table.source_table} {table.state}{cause and f': {cause}'}")
    shown = "; ".join(told[:_SHOWN_CAUSES])
    return shown if len(told) <= _SHOWN_CAUSES else f"{shown}; and {len(told) - _SHOWN_CAUSES} more"


def _record_failure(context: StageContext, step: str, error: CdcAssetsError) -> None:
    record = context.lease.check()
    if record.full_load_status is FullLoadStatus.IN_PROGRESS:
        context.lease.set_full_load(FullLoadStatus.FAILED, cause=error.message)
    if record.cdc_status not in {CdcStatus.NOT_STARTED, CdcStatus.ERROR} and step in {"capture", "apply"}:
        context.lease.set_cdc(CdcStatus.ERROR, cause=error.message)
    context.lease.fail(step, error)
    context.lease.serve()


def _record_end(context: StageContext, report: SyncReport, *, is_whole: bool) -> None:
    failed = report.failed
    if failed:
        what = "; ".join(f"{table}: {error.message}" for table, error in failed.items())
        first = next(iter(failed.values()))
        error = FullLoadError(f"{len(failed)} of {len(context.pipeline.tables)} tables failed: {what}", hint=first.hint)
        step = next(
            _STEP[stage] for stage, outcomes in report.outcomes.items() if any(o.error for o in outcomes.values())
        )
        context.lease.fail(step, error)
    else:
        context.lease.clear_error()
    if failed or is_whole:
        context.lease.serve()
