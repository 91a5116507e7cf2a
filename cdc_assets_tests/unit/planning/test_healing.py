"""Restarts by us come at once, then ever more rarely, and only for what has failed or was shut down."""

import itertools
from datetime import UTC, datetime, timedelta

from cdc_assets.model.connector import ConnectorReport, ConnectorState, ConnectorTask
from cdc_assets.planning.healing import (
    HealKind,
    RestartHistory,
    forget_settled,
    plan_healing,
    remember,
)

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def _report(state: ConnectorState, *tasks: ConnectorState) -> dict[str, ConnectorReport]:
    made = tuple(ConnectorTask(n, task, "w", "PSQLException: away") for n, task in enumerate(tasks))
    return {"c": ConnectorReport("c", state, made)}


def _failed() -> dict[str, ConnectorReport]:
    return _report(ConnectorState.RUNNING, ConnectorState.FAILED)


def test_a_failed_task_is_restarted_though_its_connector_says_running() -> None:
    (action,) = plan_healing(_failed(), history={}, now=NOW)
    assert (action.connector, action.kind, action.attempt) == ("c", HealKind.RESTART, 1)
    assert action.cause == "PSQLException: away"


def test_what_runs_starts_or_is_held_by_an_operator_is_left_alone() -> None:
    for report in (
        _report(ConnectorState.RUNNING, ConnectorState.RUNNING),
        _report(ConnectorState.UNASSIGNED),
        _report(ConnectorState.PAUSED, ConnectorState.PAUSED),
    ):
        assert plan_healing(report, history={}, now=NOW) == ()


def test_what_was_shut_down_with_its_worker_is_resumed() -> None:
    (action,) = plan_healing(_report(ConnectorState.STOPPED), history={}, now=NOW)
    assert action.kind is HealKind.RESUME


def test_pauses_grow_to_five_minutes_and_no_further() -> None:
    history: dict[str, RestartHistory] = {}
    now, times = NOW, []
    for _ in range(3600 * 2):
        for action in plan_healing(_failed(), history=history, now=now):
            times.append(now)
            history = remember(history, action, now=now)
        now += timedelta(seconds=1)
    pauses = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(times)]
    assert pauses[:7] == [5, 10, 20, 40, 80, 160, 300]
    assert set(pauses[7:]) == {300}


def test_only_a_connector_that_kept_flowing_begins_with_short_pauses_again() -> None:
    history = {"c": RestartHistory(6, NOW)}
    assert forget_settled(history, now=NOW + timedelta(seconds=59)) == history
    assert forget_settled(history, now=NOW + timedelta(seconds=60)) == {}
