"""What the facts of a running stream mean: a verdict with causes and fixes. Pure; health is never stored as truth.

FAILED findings that concern the whole stream make `cdc_status` ERROR; a refused record or a gap concerns its table
only. What may pass by itself is DEGRADED first, and FAILED when it lasts: a state does not flicker.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from cdc_assets.model.connector import ConnectorReport, ConnectorState
from cdc_assets.model.errors import (
    CdcAssetsError,
    ConnectorError,
    ConnectUnavailableError,
    NotFlowingError,
)
from cdc_assets.model.last_look import LastLook, LookFinding
from cdc_assets.planning.drift import Drift
from cdc_assets.planning.sink_failures import SinkFailure, classify
from cdc_assets.planning.slot_check import RELOAD_TABLE_FIX, SlotCheck, SlotVerdict

# A look every five seconds emits a marker, or sees what became of the last one. The worst moment for a fault is when
# one has just passed: the next is emitted five seconds later and may move once more, and thirty are promised.
STANDSTILL_SECONDS = 15.0
# Workers tell their offsets every `offset.flush.interval.ms`; with Kafka's default of a minute a marker takes a minute.
_LONGEST_STANDSTILL_SECONDS = 150.0
STARTING_SECONDS = 30.0
UNREAD_SECONDS = 4.0


class Level(StrEnum):
    """HEALTHY: nothing found. DEGRADED: something starts, or concerns one table only. FAILED: the stream stands."""

    HEALTHY = "HEALTHY"
    DEGRADED = "DEGRADED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be.

    `table`: it concerns this table and no other; `needs_load`: the table has to be loaded anew; `fails_after`: seconds
    after which a DEGRADED finding that is still there is a FAILED one, None for never.
    """

    level: Level
    error: CdcAssetsError
    table: str | None = None
    failure: SinkFailure | None = None
    needs_load: bool = False
    fails_after: float | None = None

    @property
    def may_pass(self) -> bool:
        """Whether nothing has to be concluded from it yet."""
        return self.fails_after is not None and self.level is Level.DEGRADED

    @property
    def place(self) -> str:
        """Equal for the same trouble at the same place, however bad it is and whatever the figures in its sentence."""
        return f"{self.error.code}:{self.error.table or ''}"

    @property
    def key(self) -> str:
        """Changes when the same trouble at the same place gets better or worse."""
        return f"{self.level}:{self.place}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """All findings, the worst first, and since when those have been there that may pass by themselves."""

    findings: tuple[Finding, ...] = ()
    since: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def level(self) -> Level:
        """The worst."""
        return self.findings[0].level if self.findings else Level.HEALTHY

    @property
    def stream_failure(self) -> CdcAssetsError | None:
        """The first cause for which the whole stream is not running."""
        return next((f.error for f in self.findings if f.level is Level.FAILED and f.table is None), None)

    @property
    def keys(self) -> tuple[str, ...]:
        """What to compare to see that the verdict has changed."""
        return tuple(sorted({finding.key for finding in self.findings}))

    def __str__(self) -> str:
        """One line for people."""
        return "; ".join(str(finding.error) for finding in self.findings) or "changes flow"


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """What a look at a running pipeline found.

    `observed_at`: when it began; `sinks`: table -> connector of every table that shall flow; `reports`: what Connect
    says of the connectors; `outages`: servers that did not answer, with their errors; `standstill_seconds`: since when
    the marker on its way, which `waits_for` explains, has made no progress; `usual_seconds`: how long the one before it
    took, None when there was none; `remade_topics`: table -> topic in
    which its sink has no place any more; `drifts`: tables that are not what was captured or made; `wal`: the source
    keeps too much log.
    """

    pipeline: str
    observed_at: datetime
    source_connector: str
    sinks: Mapping[str, str]
    reports: Mapping[str, ConnectorReport]
    outages: tuple[CdcAssetsError, ...] = ()
    slot: SlotCheck | None = None
    standstill_seconds: float = 0.0
    usual_seconds: float | None = None
    waits_for: str = ""
    remade_topics: Mapping[str, str] = field(default_factory=dict)
    without_sink: tuple[str, ...] = ()
    drifts: tuple[Drift, ...] = ()
    wal: CdcAssetsError | None = None
    is_paused: bool = False


def judge(facts: StreamFacts, since: Mapping[str, datetime] | None = None) -> Verdict:
    """Return every finding, the worst first; `since`: what the verdict of the last look says of it."""
    known = since or {}
    lasting, found_since = [], {}
    for finding in _findings(facts):
        if finding.fails_after is None:
            lasting.append(finding)
            continue
        first_seen = found_since[finding.place] = known.get(finding.place, facts.observed_at)
        has_lasted = (facts.observed_at - first_seen).total_seconds() >= finding.fails_after
        lasting.append(replace(finding, level=Level.FAILED) if has_lasted else finding)
    order = list(reversed(Level))
    ranked = sorted(lasting, key=lambda finding: (order.index(finding.level), finding.table is not None))
    return Verdict(tuple(ranked), found_since)


def last_look(facts: StreamFacts, verdict: Verdict) -> LastLook:
    """Return what is shown of a look: when it was, what it found, and when that which may pass is a failure."""
    found = []
    for finding in verdict.findings:
        error, since = finding.error, verdict.since.get(finding.place)
        fails_at = None
        if since is not None and finding.fails_after is not None and finding.may_pass:
            fails_at = since + timedelta(seconds=finding.fails_after)
        found.append(LookFinding(finding.level, error.code, str(error), finding.table or error.table, since, fails_at))
    return LastLook(facts.observed_at, verdict.level, tuple(found))


def _findings(facts: StreamFacts) -> list[Finding]:
    # Nothing has to arrive in a pause: a server that is away delays nobody, only lost changes matter.
    findings = [Finding(Level.DEGRADED if facts.is_paused else Level.FAILED, error) for error in facts.outages]
    if facts.slot is not None:
        findings += _slot(facts, facts.slot)
    if not facts.is_paused and not any(isinstance(error, ConnectUnavailableError) for error in facts.outages):
        findings += _connector(facts, facts.source_connector, table=None)
        for table, connector in facts.sinks.items():
            findings += _connector(facts, connector, table=table)
    limit = _standstill_limit(facts.usual_seconds)
    if not findings and not facts.is_paused and facts.standstill_seconds >= limit:
        standstill = NotFlowingError(
            f"nothing has moved for {limit:.0f} s: {facts.waits_for}",
            hint="see the logs of Kafka Connect and of both databases; workers of your own without "
            "offset.flush.interval.ms=1000 seem to stand until their first minute is over",
        )
        findings.append(Finding(Level.FAILED, standstill))
    findings += [
        Finding(Level.DEGRADED, drift.error, drift.table, needs_load=drift.needs_load) for drift in facts.drifts
    ]
    if facts.wal is not None:
        findings.append(Finding(Level.DEGRADED, facts.wal))
    findings += [_remade_topic(table, topic) for table, topic in facts.remade_topics.items()]
    if facts.without_sink:
        unfinished = ConnectorError(
            f"tables without a sink connector: {', '.join(facts.without_sink)}",
            hint=f"start the pipeline again: ./cdc start {facts.pipeline}",
        )
        findings.append(Finding(Level.DEGRADED, unfinished))
    return findings


def _standstill_limit(usual_seconds: float | None) -> float:
    """Return after how many seconds without progress a stream stands: one whose progress is told seldom needs more."""
    if usual_seconds is None or usual_seconds <= STANDSTILL_SECONDS:
        return STANDSTILL_SECONDS
    return min(2 * usual_seconds, _LONGEST_STANDSTILL_SECONDS)


def _slot(facts: StreamFacts, check: SlotCheck) -> list[Finding]:
    if check.loses_changes or check.verdict is SlotVerdict.FOREIGN:
        return [Finding(Level.FAILED, check.error())]
    source = facts.reports.get(facts.source_connector)
    if check.verdict is SlotVerdict.USABLE and source is not None and source.says_running and not facts.is_paused:
        # A task that has just begun takes its slot a moment later.
        unread = NotFlowingError(
            f"nobody reads the replication slot, though the source connector says RUNNING: {check.what}",
            hint="see the log of Kafka Connect; a task that cannot reach the source tries again by itself",
        )
        return [Finding(Level.DEGRADED, unread, fails_after=UNREAD_SECONDS)]
    return []


def _remade_topic(table: str, topic: str) -> Finding:
    error = ConnectorError(
        f"the sink connector of table {table} has no place in topic {topic} any more: the topic was deleted or made "
        "anew, changes in it are lost",
        hint=RELOAD_TABLE_FIX,
        table=table,
    )
    return Finding(Level.DEGRADED, error, table, SinkFailure.GAP)


def _connector(facts: StreamFacts, name: str, *, table: str | None) -> list[Finding]:
    report = facts.reports.get(name)
    role = "source connector" if table is None else "sink connector"
    of_table = "" if table is None else f" of table {table}"
    again = f"start the pipeline again: ./cdc start {facts.pipeline}"
    if report is None:
        error = ConnectorError(f"{role} {name}{of_table} is gone from Kafka Connect", hint=again, table=table)
        return [Finding(Level.FAILED, error)]
    if report.failure is not None:
        return [_failure(report, role, of_table, table)]
    match report.state:
        case ConnectorState.STOPPED | ConnectorState.PAUSED:
            what = f"{role} {name}{of_table} is {report.state} though the pipeline shall run"
            return [Finding(Level.FAILED, ConnectorError(what, hint=again, table=table))]
        case _ if not report.says_running:
            what = "is starting" if report.has_worker else "waits for a worker of Kafka Connect"
            starting = ConnectorError(
                f"{role} {name}{of_table} {what}",
                hint="wait for it; when it lasts, see that all workers of Kafka Connect run, and their logs",
                table=table,
            )
            return [Finding(Level.DEGRADED, starting, fails_after=STARTING_SECONDS)]
    return []


def _failure(report: ConnectorReport, role: str, of_table: str, table: str | None) -> Finding:
    cause = report.failure or ""
    kind = None if table is None else classify(cause)
    what = f"{role} {report.name}{of_table} failed: {cause}"
    match kind:
        case SinkFailure.REFUSED_RECORD:
            hint = "mend the target table or the row; the sink connector is tried again by itself"
            return Finding(Level.DEGRADED, ConnectorError(what, hint=hint, table=table), table, kind)
        case SinkFailure.GAP:
            hint = RELOAD_TABLE_FIX
            return Finding(Level.DEGRADED, ConnectorError(what, hint=hint, table=table), table, kind)
        case SinkFailure.OTHER | None:
            hint = "mend the cause; the connector is restarted by itself"
            return Finding(Level.FAILED, ConnectorError(what, hint=hint, table=table), failure=kind)
