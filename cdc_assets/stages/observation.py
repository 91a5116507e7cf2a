"""The questions of one look at a stream: everybody is asked once, and what they say becomes facts for the verdict.

Called by `stages/health`. It never waits: a marker emitted by one look is followed by the next ones through
`HealthMemory`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import sha256
from typing import TypeVar

from cdc_assets.model.errors import (
    CdcAssetsError,
    ConnectUnavailableError,
    KafkaError,
    SecretMissingError,
    SourceError,
    TargetError,
)
from cdc_assets.model.marker import Marker
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.position import Lsn
from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.status import Intent
from cdc_assets.planning.drift import (
    Drift,
    check_lineage,
    next_baseline,
    source_drifts,
    target_drifts,
)
from cdc_assets.planning.healing import forget_settled
from cdc_assets.planning.health_memory import HealthMemory
from cdc_assets.planning.names import PipelineNames
from cdc_assets.planning.slot_check import SlotCheck
from cdc_assets.planning.verdict import StreamFacts
from cdc_assets.planning.wal_held import WalPace, judge_wal
from cdc_assets.ports.clock import Clock
from cdc_assets.ports.source import SourceDatabase
from cdc_assets.ports.store import Looks, PipelineStore
from cdc_assets.ports.streaming import ConnectCluster, ConnectSecrets, KafkaCluster
from cdc_assets.ports.target import TargetDatabase
from cdc_assets.stages.capture import read_slot_check
from cdc_assets.stages.marker import MarkerView, look
from cdc_assets.stages.stream_status import flowing_sinks, supervised_sinks, watched_tables, without_sink

# At every look, but for looks that come faster than the sensor's.
_MARKER_EVERY = timedelta(seconds=2)
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class HealthContext:
    """What a look works with; all of them are to give up within seconds.

    `source`, `target`: open them with the password as it is now; SecretMissingError when there is none to be had.
    """

    pipeline: Pipeline
    store: PipelineStore
    looks: Looks
    source: Callable[[], SourceDatabase]
    target: Callable[[], TargetDatabase]
    connect: ConnectCluster
    kafka: KafkaCluster
    secrets: ConnectSecrets
    clock: Clock
    log: Callable[[str], None]


@dataclass
class Observation:
    """The questions of one look; a server that does not answer is asked once."""

    context: HealthContext
    record: PipelineRecord
    names: PipelineNames
    outages: list[CdcAssetsError] = field(default_factory=list)

    def look(self, memory: HealthMemory) -> tuple[StreamFacts, MarkerView | None, HealthMemory]:
        """Ask everybody once; the slot before Connect's offsets, so that a healthy slot is never ahead of them."""
        context = self.context
        observed_at = context.clock.now()
        tables = watched_tables(context.pipeline, self.record)
        watch = self._ask(
            lambda: context.source().watch(
                slot=self.names.slot,
                publication=self.names.publication,
                tables=[table.mapping.source for table in tables],
            )
        )
        reports = self._ask(context.connect.reports) or {}
        check: SlotCheck | None = None
        drifts: tuple[Drift, ...] = ()
        if watch is not None and not self._is_out(ConnectUnavailableError):
            check = self._ask(
                lambda: read_slot_check(watch.slot, context.pipeline, self.record, self.names, context.connect)
            )
        if watch is not None:
            now = context.clock.now()
            pace = WalPace(watch.current_lsn, now)
            memory = replace(memory, pace=pace if memory.pace is None else memory.pace.next(watch.current_lsn, now))
        if watch is not None and check is not None:
            check = check_lineage(memory.baseline, watch, check)
            drifts = source_drifts(memory.baseline, watch, tables)
            memory = replace(memory, baseline=next_baseline(memory.baseline, watch, check, tables, drifts))
        # A sink notices a missing target only when it has something to write.
        target = self._ask(
            lambda: context.target().watch(context.pipeline.target.schema, [table.mapping.target for table in tables])
        )
        if target is not None:
            drifts += target_drifts(target, tables, pipeline_id=self.record.id)
        is_paused = self.record.intent is Intent.PAUSED
        view: MarkerView | None = None
        source = reports.get(self.names.source_connector)
        if not self.outages and not is_paused and source is not None and source.says_running:
            view, memory = self._follow(memory, decoding_at=watch.decoding_at if watch is not None else None)
        if view is None or not all(
            sink in reports and reports[sink].says_running for sink in flowing_sinks(self.record)
        ):
            # What keeps the marker is known, and told; from its end on the time counts anew.
            memory = replace(memory, moved_at=context.clock.now())
        if self._is_out(ConnectUnavailableError):
            # Without its broker a worker answers some questions late or never: the broker is then the cause to name.
            self._ask(context.kafka.require_broker)
            self.outages.sort(key=lambda outage: isinstance(outage, ConnectUnavailableError))
        standstill = 0.0
        if memory.marker is not None and memory.moved_at is not None:
            standstill = (context.clock.now() - memory.moved_at).total_seconds()
        facts = StreamFacts(
            pipeline=context.pipeline.name,
            observed_at=observed_at,
            source_connector=self.names.source_connector,
            sinks=supervised_sinks(self.record),
            reports=reports,
            outages=tuple(self.outages),
            slot=check,
            standstill_seconds=standstill,
            usual_seconds=memory.passed_seconds,
            waits_for=view.waits_for if view is not None else "",
            remade_topics={} if view is None else self._remade(view),
            without_sink=without_sink(context.pipeline, self.record),
            drifts=drifts,
            wal=None if watch is None else judge_wal(watch, memory.pace),
            is_paused=is_paused,
        )
        return facts, view, memory

    def _follow(self, memory: HealthMemory, *, decoding_at: Lsn | None) -> tuple[MarkerView | None, HealthMemory]:
        """Emit a marker when it is time, or see how far the last one has come."""
        now = self.context.clock.now()
        marker = memory.marker
        if marker is None:
            if memory.passed_at is not None and now - memory.passed_at < _MARKER_EVERY:
                return None, memory
            lsn = self._ask(lambda: self.context.source().emit_marker())
            if lsn is None:
                return None, memory
            marker = Marker(lsn)
            memory = replace(memory, marker=marker, emitted_at=now, moved_at=now, footprint="")
        view = self._ask(lambda: self._view(marker))
        if view is None:
            return None, memory
        if view.has_passed:
            settled = forget_settled(memory.restarts, now=now)
            return view, replace(
                memory,
                marker=None,
                moved_at=now,
                passed_at=now,
                passed_lsn=marker.lsn,
                passed_seconds=None if memory.emitted_at is None else (now - memory.emitted_at).total_seconds(),
                restarts=settled,
            )
        footprint = sha256(view.footprint.encode()).hexdigest()[:16]
        has_moved = footprint != memory.footprint or view.is_being_decoded(decoding_at)
        moved_at = now if has_moved else memory.moved_at
        return view, replace(memory, marker=view.marker, footprint=footprint, moved_at=moved_at)

    def _remade(self, view: MarkerView) -> Mapping[str, str]:
        """Table -> topic of the tables whose sink has lost its place."""
        topics = flowing_sinks(self.record)
        return {table: topics[sink] for table, sink in supervised_sinks(self.record).items() if sink in view.astray}

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
        except (ConnectUnavailableError, SourceError, TargetError, KafkaError, SecretMissingError) as error:
            self.outages.append(error)
            return None

    def _is_out(self, kind: type[CdcAssetsError]) -> bool:
        return any(isinstance(error, kind) for error in self.outages)
