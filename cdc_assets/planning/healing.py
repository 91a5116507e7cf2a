"""When a failed connector is restarted by us: at once the first time, then with pauses that grow to five minutes.

A restart is refused where it could lose changes (the slot's verdict) and where the operator does not want the
connector to run; who asks has checked the intent. Pure; carried out by `stages/health`, each as an event.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cdc_assets.model.connector import ConnectorReport, ConnectorState

_FIRST_PAUSE = timedelta(seconds=5)
_LONGEST_PAUSE = timedelta(minutes=5)
# A connector that kept flowing this long after a restart begins with short pauses again.
_SETTLED = timedelta(minutes=1)


class HealKind(StrEnum):
    """RESTART what has failed; RESUME what is stopped though the pipeline shall run (its worker was shut down)."""

    RESTART = "RESTART"
    RESUME = "RESUME"


@dataclass(frozen=True, slots=True)
class HealAction:
    """A connector to start again, and why; `attempt` counts since it last flowed."""

    connector: str
    kind: HealKind
    attempt: int
    cause: str


@dataclass(frozen=True, slots=True)
class RestartHistory:
    """How often a connector was started by us since it last flowed, and when last."""

    count: int
    last_at: datetime


def plan_healing(
    reports: Mapping[str, ConnectorReport], *, history: Mapping[str, RestartHistory], now: datetime
) -> tuple[HealAction, ...]:
    """Return what to start again now. `reports`: only connectors that shall run and whose start would lose nothing."""
    actions = []
    for name, report in reports.items():
        kind = _kind(report)
        if kind is None:
            continue
        past = history.get(name)
        if past is not None and now < past.last_at + _pause(past.count):
            continue
        cause = report.failure or f"it is {report.state} though the pipeline shall run"
        actions.append(HealAction(name, kind, (past.count if past else 0) + 1, cause))
    return tuple(actions)


def remember(history: Mapping[str, RestartHistory], action: HealAction, *, now: datetime) -> dict[str, RestartHistory]:
    """The history after an action was carried out."""
    return {**history, action.connector: RestartHistory(action.attempt, now)}


def forget_settled(history: Mapping[str, RestartHistory], *, now: datetime) -> dict[str, RestartHistory]:
    """The history after a marker has passed: what was started long enough ago has settled."""
    return {name: past for name, past in history.items() if now < past.last_at + _SETTLED}


def _kind(report: ConnectorReport) -> HealKind | None:
    if report.failure is not None:
        return HealKind.RESTART
    return HealKind.RESUME if report.state is ConnectorState.STOPPED else None


def _pause(count: int) -> timedelta:
    doubled: timedelta = _FIRST_PAUSE * 2 ** min(count - 1, 10)
    return min(doubled, _LONGEST_PAUSE)
