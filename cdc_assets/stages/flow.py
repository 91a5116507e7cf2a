"""A wait until changes flow: a marker on its way through the source connector and the sinks, and who fails meanwhile.

Called by `stages/apply` when its sinks were started.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from tenacity import RetryCallState, RetryError, Retrying, retry_if_result, wait_fixed

from cdc_assets.model.connector import ConnectorReport
from cdc_assets.model.errors import CdcAssetsError, ConnectorError, NotFlowingError
from cdc_assets.model.marker import Marker
from cdc_assets.model.status import TableState
from cdc_assets.planning.sink_failures import SinkFailure, classify
from cdc_assets.planning.slot_check import RELOAD_TABLE_FIX
from cdc_assets.stages.context import StageContext
from cdc_assets.stages.marker import MarkerView, look

_STANDSTILL = timedelta(seconds=90)
_LOOK_SECONDS = 0.5
_TELL_SECONDS = 10.0


@dataclass
class Flow:
    """A wait for a marker: who it still has to pass, who failed meanwhile."""

    context: StageContext
    sinks: dict[str, tuple[str, str]]
    failed: dict[str, CdcAssetsError] = field(default_factory=dict)
    _footprint: str = ""
    _moved_at: float = 0.0
    _told_at: float = 0.0

    def wait(self) -> MarkerView:
        """Return when a marker has passed all sinks that are left; raises as `stages/apply` says."""
        context = self.context
        self._moved_at = self._told_at = context.clock.monotonic()
        source_connector = context.names().source_connector
        marker = Marker(context.source.emit_marker())

        def step() -> MarkerView:
            nonlocal marker
            context.lease.check()
            self._remove_failed(context.connect.reports(), source_connector)
            view = look(
                marker,
                source_connector=source_connector,
                sinks=dict(self.sinks.values()),
                connect=context.connect,
                kafka=context.kafka,
            )
            marker = view.marker
            self._watch(view)
            return view

        waiting = Retrying(
            stop=self._stands_still,
            wait=wait_fixed(_LOOK_SECONDS),
            sleep=context.clock.sleep,
            retry=retry_if_result(lambda view: not view.has_passed),
        )
        try:
            return waiting(step)
        except RetryError as error:
            view: MarkerView = error.last_attempt.result()
            raise NotFlowingError(
                f"nothing has moved for {_STANDSTILL.seconds} s: {view.waits_for}",
                hint="see the logs of Kafka Connect and of the database named; then start again",
            ) from error

    def _remove_failed(self, reports: Mapping[str, ConnectorReport], source_connector: str) -> None:
        source = reports.get(source_connector)
        if source is None:
            msg = f"source connector {source_connector} is gone"
            raise ConnectorError(msg, hint="start the pipeline again")
        if source.failure is not None:
            raise ConnectorError(
                f"source connector {source_connector} failed: {source.failure}",
                hint="mend the cause; it is restarted by itself, or start the pipeline again",
            )
        for table, (sink, _) in list(self.sinks.items()):
            failure = reports[sink].failure if sink in reports else "it is gone from Kafka Connect"
            if failure is not None:
                self._fail(table, sink, failure)

    def _fail(self, table: str, sink: str, cause: str) -> None:
        error = sink_error(table, sink, cause)
        match classify(cause):
            case SinkFailure.OTHER:
                raise error
            case SinkFailure.REFUSED_RECORD:
                self.context.lease.fail_table(table, TableState.QUARANTINED, error)
            case SinkFailure.GAP:
                self.context.lease.fail_table(table, TableState.RESYNC_REQUIRED, error)
        self.failed[table] = error
        del self.sinks[table]

    def _watch(self, view: MarkerView) -> None:
        now = self.context.clock.monotonic()
        if view.footprint != self._footprint:
            self._footprint, self._moved_at = view.footprint, now
        if not view.has_passed and now - self._told_at >= _TELL_SECONDS:
            self._told_at = now
            self.context.log(f"Step 2: Catching up: {view.waits_for}")

    def _stands_still(self, _: RetryCallState) -> bool:
        return self.context.clock.monotonic() - self._moved_at > _STANDSTILL.total_seconds()


def sink_error(table: str, sink: str, cause: str) -> ConnectorError:
    """The sentence for a failed sink: what, where, why, and what to do by the kind of cause."""
    hints = {
        SinkFailure.REFUSED_RECORD: "mend the target table or the row; the sink is tried again by itself",
        SinkFailure.GAP: RELOAD_TABLE_FIX,
        SinkFailure.OTHER: "mend the cause; the sink is restarted by itself, or start the pipeline again",
    }
    return ConnectorError(
        f"sink connector {sink} of table {table} failed: {cause}", hint=hints[classify(cause)], table=table
    )
