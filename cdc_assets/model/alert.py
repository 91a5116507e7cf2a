"""What is told to people who do not look: kinds of alerts, who gets which, and one message."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from cdc_assets.model.pipeline import SecretReference


class AlertKind(StrEnum):
    """What an alert is about.

    Problems: `start_failed` (a start ended before its aim, nothing is loaded or captured yet), `load_failed` (a table
    could not be loaded), `cdc_failed` (no change arrives), `degraded` (a table is held by a refused record, or a
    connector starts again and again), `resync_required` (changes of a table may be missing), `wal_held` (the source
    keeps much log), `run_died` (a run ended without a word). News: `load_finished`, `recovered`, and `test`.
    """

    START_FAILED = "start_failed"
    LOAD_FAILED = "load_failed"
    LOAD_FINISHED = "load_finished"
    CDC_FAILED = "cdc_failed"
    DEGRADED = "degraded"
    RESYNC_REQUIRED = "resync_required"
    WAL_HELD = "wal_held"
    RUN_DIED = "run_died"
    RECOVERED = "recovered"
    TEST = "test"


class Severity(StrEnum):
    """How loud a receiver shall be."""

    FAILURE = "failure"
    WARNING = "warning"
    SUCCESS = "success"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Alert:
    """One message. `about`: the problem a `recovered` is the end of, else its own kind; `is_reminder`: told before."""

    kind: AlertKind
    about: AlertKind
    pipeline: str
    severity: Severity
    title: str
    body: str
    is_reminder: bool = False


@dataclass(frozen=True, slots=True)
class AlertChannel:
    """A receiver: where its address is read from, and which alerts of which pipelines it takes; None for all."""

    name: str
    url: SecretReference
    kinds: frozenset[AlertKind] | None = None
    pipelines: frozenset[str] | None = None

    def takes(self, alert: Alert) -> bool:
        """Whether this receiver wants the alert; an end is told to whoever wants ends and was told the problem."""
        if self.pipelines is not None and alert.pipeline not in self.pipelines:
            return False
        return self.kinds is None or {alert.kind, alert.about} <= self.kinds


@dataclass(frozen=True, slots=True)
class AlertRules:
    """Who is told what and when. `dagster_url`, `api_url`: where the links of a message lead."""

    channels: tuple[AlertChannel, ...] = ()
    failed_after: timedelta = timedelta(seconds=30)
    degraded_after: timedelta = timedelta(minutes=5)
    remind_after: timedelta | None = timedelta(hours=4)
    dagster_url: str = ""
    api_url: str = ""


@dataclass(frozen=True, slots=True)
class ChannelReport:
    """How a receiver is served: messages that wait, the cause of the last one that was not taken, the last taken."""

    name: str
    waiting: int
    last_error: str | None
    last_sent_at: str | None
    given_up: int


@dataclass(frozen=True, slots=True)
class DueAlert:
    """A message on its way to one receiver; `attempt` counts this try."""

    id: int
    channel: str
    severity: Severity
    title: str
    body: str
    attempt: int
