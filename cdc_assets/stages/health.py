"""One look at a running stream: facts, verdict, what is healed, and the statuses kept true.

Called by the `cdc_health` sensor every few seconds, outside of runs. It never waits: a marker emitted by one look is
followed by the next ones through `HealthMemory`. It takes the pipeline's lease only when something has to be changed,
and leaves the pipeline alone while a run holds it. Known gaps: a slot that was dropped and made anew between two
looks, while the connector restarted by itself, is seen only while it stands beyond what was delivered; table OIDs,
replica identities and publication rows are not compared yet.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import sha256
from typing import TypeVar

from cdc_assets.model.connector import ConnectorReport
from cdc_assets.model.errors import (
    CdcAssetsError,
    ConnectorError,
    ConnectUnavailableError,
    IntentChangedError,
    KafkaError,
    LeaseHeldError,
    LeaseLostError,
    SourceError,
    TargetError,
    WaitTimeoutError,
)
from cdc_assets.model.marker import Marker
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.status import CdcStatus, Intent
from cdc_assets.planning.healing import HealAction, HealKind, forget_settled, plan_healing, remember
from cdc_assets.planning.health_memory import HealthMemory
from cdc_assets.planning.names import PipelineNames, pipeline_names
from cdc_assets.planning.sink_failures import SinkFailure, classify
from cdc_assets.planning.slot_check import SlotCheck
from cdc_assets.planning.verdict import StreamFacts, Verdict, judge
from cdc_assets.ports.clock import Clock
from cdc_assets.ports.source import SourceDatabase
from cdc_assets.ports.store import Lease, PipelineStore
from cdc_assets.ports.streaming import ConnectCluster, KafkaCluster
from cdc_assets.ports.target import TargetDatabase
from cdc_assets.stages.capture import read_slot_check
from cdc_assets.stages.marker import MarkerView, look
from cdc_assets.stages.stream_status import (
    Look,
    StatusChange,
    flowing_sinks,
    status_changes,
    supervised_sinks,
    without_sink,
)

RUN_ID = "cdc_health"
_MARKER_EVERY = timedelta(seconds=10)
_LOOKED_AFTER = frozenset({CdcStatus.STARTING, CdcStatus.RUNNING, CdcStatus.ERROR})
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class HealthContext:
    """What a look works with; all of them are to give up within seconds."""

    pipeline: Pipeline
    store: PipelineStore
    source: SourceDatabase
    target: TargetDatabase
    connect: ConnectCluster
    kafka: KafkaCluster
    clock: Clock
    log: Callable[[str], None]


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
        # A restart keeps its place in the row of pauses; a marker of before the run proves nothing about what it
        # changed.
        return HealthReport(None, HealthMemory(root=memory.root, restarts=memory.restarts))
    names = pipeline_names(context.pipeline, record.generation, record.suffix)
    if memory.root != names.root:
        memory = HealthMemory(root=names.root)
    observation = _Observation(context, record, names)
    facts, view, memory = observation.look(memory)
    verdict = judge(facts)
    report = HealthReport(verdict, replace(memory, findings=verdict.keys), has_changed=verdict.keys != memory.findings)
    seen = Look(facts, verdict, view)
    actions = plan_healing(_startable(facts), history=memory.restarts, now=context.clock.now())
    if not actions and not status_changes(context.pipeline, record, seen):
        return report
    return _change(context, seen, actions, report)


@dataclass
class _Observation:
    """The questions of one look; a server that does not answer is asked once."""

    context: HealthContext
    record: PipelineRecord
    names: PipelineNames
    outages: list[CdcAssetsError] = field(default_factory=list)

    def look(self, memory: HealthMemory) -> tuple[StreamFacts, MarkerView | None, HealthMemory]:
        """Ask everybody once; the slot before Connect's offsets, so that a healthy slot is never ahead of them."""
        context = self.context
        slot = self._ask(lambda: (context.source.slot(self.names.slot),))
        reports = self._ask(context.connect.reports) or {}
        check: SlotCheck | None = None
        if slot is not None and not self._is_out(ConnectUnavailableError):
            check = self._ask(
                lambda: read_slot_check(slot[0], context.pipeline, self.record, self.names, context.connect)
            )
        # A sink notices a missing target only when it has something to write.
        self._ask(lambda: context.target.has_schema(context.pipeline.target.schema))
        view: MarkerView | None = None
        source = reports.get(self.names.source_connector)
        if not self.outages and source is not None and source.says_running:
            view, memory = self._follow(memory)
        else:
            memory = replace(memory, moved_at=context.clock.now())
        standstill = 0.0
        if memory.marker is not None and memory.moved_at is not None:
            standstill = (context.clock.now() - memory.moved_at).total_seconds()
        facts = StreamFacts(
            pipeline=context.pipeline.name,
            source_connector=self.names.source_connector,
            sinks=supervised_sinks(self.record),
            reports=reports,
            outages=tuple(self.outages),
            slot=check,
            standstill_seconds=standstill,
            waits_for=view.waits_for if view is not None else "",
            without_sink=without_sink(context.pipeline, self.record),
        )
        return facts, view, memory

    def _follow(self, memory: HealthMemory) -> tuple[MarkerView | None, HealthMemory]:
        """Emit a marker when it is time, or see how far the last one has come."""
        now = self.context.clock.now()
        marker = memory.marker
        if marker is None:
            if memory.passed_at is not None and now - memory.passed_at < _MARKER_EVERY:
                return None, memory
            lsn = self._ask(self.context.source.emit_marker)
            if lsn is None:
                return None, memory
            marker = Marker(lsn)
            memory = replace(memory, marker=marker, moved_at=now, footprint="")
        view = self._ask(lambda: self._view(marker))
        if view is None:
            return None, memory
        if view.has_passed:
            settled = forget_settled(memory.restarts, now=now)
            return view, replace(
                memory, marker=None, moved_at=now, passed_at=now, passed_lsn=marker.lsn, restarts=settled
            )
        footprint = sha256(view.footprint.encode()).hexdigest()[:16]
        moved_at = now if footprint != memory.footprint else memory.moved_at
        return view, replace(memory, marker=view.marker, footprint=footprint, moved_at=moved_at)

    def _view(self, marker: Marker) -> MarkerView:
        return look(
            marker,
            source_connector=self.names.source_connector,
            sinks=flowing_sinks(self.record),
            connect=self.context.connect,
            kafka=self.context.kafka,
        )

    def _ask(self, question: Callable[[], _Result]) -> _Result | None:
        try:
            return question()
        except (ConnectUnavailableError, SourceError, TargetError, KafkaError) as error:
            self.outages.append(error)
            return None

    def _is_out(self, kind: type[CdcAssetsError]) -> bool:
        return any(isinstance(error, kind) for error in self.outages)


def _is_looked_after(pipeline: Pipeline, record: PipelineRecord) -> bool:
    return (
        pipeline.mode.captures
        and record.intent is Intent.RUNNING
        and record.served_version >= record.intent_version
        and record.cdc_status in _LOOKED_AFTER
    )


def _startable(facts: StreamFacts) -> Mapping[str, ConnectorReport]:
    """The connectors whose start would lose nothing: the source only on a usable slot, a sink not over a gap.

    Nor the source when no table is left that may flow: after a gap only a new load makes sense, however the slot looks.
    """
    found = {}
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
    except (ConnectUnavailableError, ConnectorError, WaitTimeoutError) as error:
        # What it was asked for did not come about; the next look finds the same and tries again.
        context.log(f"Health of {context.pipeline.name}: {error}")
        return report


def _carry_out(context: HealthContext, lease: Lease, change: StatusChange) -> None:
    context.log(f"Health of {context.pipeline.name}: {change.what}")
    change.make(lease)
    if change.holds_source is not None:
        # Connect itself would start it again some day, and Debezium makes a missing slot at "now".
        context.connect.stop([change.holds_source])


def _heal(context: HealthContext, lease: Lease, action: HealAction) -> None:
    lease.check()
    lease.note("heal", f"{action.kind} {action.connector}, attempt {action.attempt}", cause=action.cause)
    context.log(f"Health of {context.pipeline.name}: {action.kind} {action.connector}: {action.cause}")
    match action.kind:
        case HealKind.RESTART:
            context.connect.restart_failed(action.connector)
        case HealKind.RESUME:
            context.connect.resume(action.connector)
