"""One look at a running stream: facts, verdict, what is healed, and the statuses kept true.

Called by the `cdc_health` sensor every few seconds, outside of runs; the questions are `stages/observation`. It takes
the pipeline's lease only when something has to be changed, and leaves the pipeline alone while a run holds it. In a
paused pipeline it only looks for what would lose changes, and heals nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cdc_assets.model.connector import ConnectorReport
from cdc_assets.model.errors import (
    ConnectorError,
    ConnectUnavailableError,
    IntentChangedError,
    LeaseHeldError,
    LeaseLostError,
    SecretMissingError,
    WaitTimeoutError,
)
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.status import CdcStatus, Intent
from cdc_assets.planning.drift import Baseline
from cdc_assets.planning.healing import HealAction, HealKind, plan_healing, remember
from cdc_assets.planning.health_memory import HealthMemory
from cdc_assets.planning.names import pipeline_names
from cdc_assets.planning.sink_failures import SinkFailure, classify
from cdc_assets.planning.verdict import StreamFacts, Verdict, judge, last_look
from cdc_assets.ports.store import Lease
from cdc_assets.stages.observation import HealthContext, Observation
from cdc_assets.stages.stream_status import Look, StatusChange, status_changes

RUN_ID = "cdc_health"
_LOOKED_AFTER = {
    Intent.RUNNING: frozenset({CdcStatus.STARTING, CdcStatus.RUNNING, CdcStatus.ERROR}),
    Intent.PAUSED: frozenset({CdcStatus.PAUSED, CdcStatus.ERROR}),
    Intent.STOPPED: frozenset[CdcStatus](),
}


@dataclass(frozen=True, slots=True)
class HealthReport:
    """`verdict` is None while nobody has to look: not started, stopped, a run at work; `has_changed`: new findings."""

    verdict: Verdict | None
    memory: HealthMemory
    healed: tuple[HealAction, ...] = ()
    has_changed: bool = False


def check_health(context: HealthContext, memory: HealthMemory) -> HealthReport:
    """Look once, heal what may be healed, keep the statuses true; returns the memory for the next look.

    StateDatabaseError when there is no state database: nothing is done then.
    """
    record = context.store.find(context.pipeline.name)
    if (
        record is None
        or record.suffix is None
        or record.lease_is_live
        or not _is_looked_after(context.pipeline, record)
    ):
        # A restart keeps its place in the row of pauses, and workers stay as slow as they are; a marker of before the
        # run proves nothing about what it changed.
        lasting = HealthMemory(root=memory.root, restarts=memory.restarts, passed_seconds=memory.passed_seconds)
        return HealthReport(None, lasting)
    names = pipeline_names(context.pipeline, record.generation, record.suffix)
    if memory.root != names.root:
        memory = HealthMemory(root=names.root, passed_seconds=memory.passed_seconds)
    kept = context.looks.baseline(record.id, root=names.root) or Baseline()
    facts, view, memory = Observation(context, record, names).look(replace(memory, baseline=kept))
    verdict = judge(facts, memory.since)
    context.looks.keep(record.id, last_look(facts, verdict), memory.baseline, root=names.root)
    has_changed = verdict.keys != memory.findings
    memory = replace(memory, observed_at=facts.observed_at, findings=verdict.keys, since=verdict.since)
    report = HealthReport(verdict, memory, has_changed=has_changed)
    seen = Look(facts, verdict, view)
    actions = plan_healing(_startable(facts), history=memory.restarts, now=context.clock.now())
    if not actions and not status_changes(context.pipeline, record, seen):
        return report
    return _change(context, seen, actions, report)


def _is_looked_after(pipeline: Pipeline, record: PipelineRecord) -> bool:
    return (
        pipeline.mode.captures
        and record.served_version >= record.intent_version
        and record.cdc_status in _LOOKED_AFTER[record.intent]
    )


def _startable(facts: StreamFacts) -> Mapping[str, ConnectorReport]:
    """The connectors whose start would lose nothing: the source only on a usable slot, a sink not over a gap.

    Nor the source when no table is left that may flow: after a gap only a new load makes sense, however the slot looks.
    And none against a pause.
    """
    found: dict[str, ConnectorReport] = {}
    if facts.is_paused:
        return found
    source = facts.reports.get(facts.source_connector)
    if source is not None and facts.sinks and facts.slot is not None and facts.slot.is_usable:
        found[facts.source_connector] = source
    for sink in facts.sinks.values():
        report = facts.reports.get(sink)
        if report is not None and (report.failure is None or classify(report.failure) is not SinkFailure.GAP):
            found[sink] = report
    return found


def _change(context: HealthContext, seen: Look, actions: tuple[HealAction, ...], report: HealthReport) -> HealthReport:
    """Carry out what the look asks for, under the lease and from the states recorded then."""
    try:
        with context.store.take_lease(context.pipeline.name, run_id=RUN_ID) as lease:
            record = lease.check()
            if not _is_looked_after(context.pipeline, record):
                return report
            for change in status_changes(context.pipeline, record, seen):
                _carry_out(context, lease, change)
            memory = report.memory
            for action in actions:
                # Remembered before it is tried: a try that fails has its pause too.
                now = context.clock.now()
                memory = replace(memory, moved_at=now, restarts=remember(memory.restarts, action, now=now))
                report = replace(report, memory=memory, healed=(*report.healed, action))
                _heal(context, lease, action)
            return report
    except (LeaseHeldError, LeaseLostError, IntentChangedError) as error:
        # Somebody else works on it or wants something else: the next look sees what has become of it.
        context.log(f"Health of {context.pipeline.name}: nothing more is changed: {error.message}")
        return report
    except (ConnectUnavailableError, ConnectorError, SecretMissingError, WaitTimeoutError) as error:
        # What it was asked for did not come about; the next look finds the same and tries again.
        context.log(f"Health of {context.pipeline.name}: {error}")
        return report


def _carry_out(context: HealthContext, lease: Lease, change: StatusChange) -> None:
    context.log(f"Health of {context.pipeline.name}: {change.what}")
    change.make(lease)
    if change.holds is not None:
        # Connect itself would start it again some day, and Debezium makes a missing slot at "now".
        context.connect.stop([change.holds])


def _heal(context: HealthContext, lease: Lease, action: HealAction) -> None:
    # A task reads its password when it starts: an altered one, written where the connection has it, must be there.
    for end in (context.pipeline.source, context.pipeline.target):
        context.secrets.ensure(end.connection)
    lease.check()
    lease.note("heal", f"{action.kind} {action.connector}, attempt {action.attempt}", cause=action.cause)
    context.log(f"Health of {context.pipeline.name}: {action.kind} {action.connector}: {action.cause}")
    match action.kind:
        case HealKind.RESTART:
            context.connect.restart_failed(action.connector)
        case HealKind.RESUME:
            context.connect.resume(action.connector)
