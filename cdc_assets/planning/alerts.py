"""Which alerts follow from the facts: one a problem, one when it is over, reminders in between, never a storm.

Pure: records and events in, messages and a memory out. The memory is stored in the same transaction as the messages,
so a restart neither repeats nor forgets one. A problem that comes and goes is one problem until it stays away for
`SETTLED`; further tables of a problem are told together, `MORE_AFTER` the last message at the earliest.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cdc_assets.model.alert import Alert, AlertKind, AlertRules, Severity
from cdc_assets.model.errors import RunDiedError, WalHeldError
from cdc_assets.model.record import Event, PipelineRecord
from cdc_assets.model.status import CdcStatus, FullLoadStatus, Intent, PipelineStatus, TableState
from cdc_assets.planning.alert_memory import AlertMemory, OpenProblem, Told
from cdc_assets.planning.alert_text import body, ended, news, title

SETTLED = timedelta(seconds=60)
MORE_AFTER = timedelta(minutes=5)
# News of before that are history, not news: a daemon that was away for a weekend does not tell all of it.
_OLD = timedelta(hours=24)
_SEVERITIES = {AlertKind.DEGRADED: Severity.WARNING, AlertKind.WAL_HELD: Severity.WARNING}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a pipeline now: `causes` by table, "" for the whole pipeline."""

    kind: AlertKind
    causes: Mapping[str, str]


def decide(
    memory: AlertMemory,
    *,
    records: Sequence[PipelineRecord],
    events: Sequence[Event],
    rules: AlertRules,
    now: datetime,
) -> tuple[AlertMemory, tuple[Alert, ...]]:
    """Return what to remember and what to tell; `events` may hold some that were seen before."""
    known = {record.name: record for record in records}
    fresh = memory.unseen(events)
    alerts = [
        news(event, known[event.pipeline_name], rules, run_id=memory.run_of(event))
        for event in fresh
        if _is_finished_load(event) and event.pipeline_name in known and now - event.at < _OLD
    ]
    memory = memory.after(events, fresh, now=now)
    problems: dict[str, OpenProblem] = {}
    for record in records:
        found = {problem.kind: problem for problem in find_problems(record, memory.told_of(record.name))}
        mine = {
            open_.kind: open_
            for open_ in memory.problems.values()
            if open_.pipeline == record.name and open_.pipeline_id == str(record.id)
        }
        is_failing = any(kind not in _SEVERITIES for kind in found)
        for kind in [*found, *(kind for kind in mine if kind not in found)]:
            was, problem = mine.get(kind), found.get(kind)
            if problem is None and was is not None and is_failing and record.intent is not Intent.STOPPED:
                # Another failure took its place: nothing has recovered.
                problems[was.key] = replace(was, clear_since=None)
                continue
            kept, told = _follow(record, was, problem, kind=kind, memory=memory, rules=rules, now=now)
            alerts += told
            if kept is not None:
                problems[kept.key] = kept
    # Told just now, if it was new; what the run was for is done by another one.
    done = [each.name for each in records if each.served_version >= each.intent_version and not _names_death(each)]
    return replace(memory.without_deaths(done), problems=problems), tuple(alerts)


def find_problems(record: PipelineRecord, told: Told) -> Iterator[Problem]:
    """Yield what is wrong with a pipeline now, at most one of a kind; nothing while the operator wants it stopped."""
    if told.death or (_names_death(record) and record.status is PipelineStatus.ERROR):
        named = record.last_error if _names_death(record) else None
        yield Problem(AlertKind.RUN_DIED, {"": named or told.death})
    if record.intent is Intent.STOPPED:
        return
    by_state: dict[TableState, dict[str, str]] = {}
    for table in record.tables:
        by_state.setdefault(table.state, {})[table.source_table] = table.last_error or "no cause is recorded"
    failed = by_state.get(TableState.FAILED, {})
    whole = {"": record.last_error or "no cause is recorded"}
    if failed or record.full_load_status is FullLoadStatus.FAILED:
        yield Problem(AlertKind.LOAD_FAILED, failed or whole)
    if by_state.get(TableState.RESYNC_REQUIRED):
        yield Problem(AlertKind.RESYNC_REQUIRED, by_state[TableState.RESYNC_REQUIRED])
    if record.cdc_status is CdcStatus.ERROR:
        if not _names_death(record):
            yield Problem(AlertKind.CDC_FAILED, whole)
    elif _ended_before_its_aim(record, by_state):
        yield Problem(AlertKind.START_FAILED, whole)
    yield from _found_by_looks(record, told, by_state)


def _found_by_looks(
    record: PipelineRecord, told: Told, by_state: Mapping[TableState, Mapping[str, str]]
) -> Iterator[Problem]:
    held = {key: cause for key, cause in told.findings.items() if key.startswith(f"{WalHeldError.code}:")}
    if held:
        yield Problem(AlertKind.WAL_HELD, {"": next(iter(held.values()))})
    told_already = by_state.get(TableState.RESYNC_REQUIRED, {})
    others = {key.partition(":")[2]: cause for key, cause in told.findings.items() if key not in held}
    degraded = {table: cause for table, cause in others.items() if table not in told_already}
    degraded |= by_state.get(TableState.QUARANTINED, {})
    if degraded and record.cdc_status is not CdcStatus.ERROR:
        yield Problem(AlertKind.DEGRADED, degraded)


def _follow(
    record: PipelineRecord,
    was: OpenProblem | None,
    problem: Problem | None,
    *,
    kind: AlertKind,
    memory: AlertMemory,
    rules: AlertRules,
    now: datetime,
) -> tuple[OpenProblem | None, list[Alert]]:
    """Return the problem as it stays open, None when it is over, and what to tell of it."""
    if problem is None:
        return _fading(record, was, rules, now=now, run_id=memory.runs.get(record.name))
    is_new = was is None
    open_ = was or OpenProblem(str(record.id), record.name, kind, since=now)
    open_ = replace(open_, clear_since=None)
    if open_.told_at is None:
        is_due, is_more = now - open_.since >= _patience(kind, rules), False
    else:
        is_more = bool(set(problem.causes) - set(open_.told_marks)) and now - open_.told_at >= MORE_AFTER
        is_due = rules.remind_after is not None and now - open_.told_at >= rules.remind_after
    if not is_due and not is_more:
        return open_, []
    is_again = not is_new and open_.told_at is not None and not is_more
    alert = Alert(
        kind,
        kind,
        record.name,
        _SEVERITIES.get(kind, Severity.FAILURE),
        title(kind, record.name, problem.causes, is_again=is_again, is_more=is_more),
        body(problem.causes, record, rules, since=open_.since, run_id=memory.runs.get(record.name)),
        is_reminder=is_again,
    )
    return replace(open_, told_at=now, told_marks=tuple(sorted({*open_.told_marks, *problem.causes}))), [alert]


def _fading(
    record: PipelineRecord, was: OpenProblem | None, rules: AlertRules, *, now: datetime, run_id: str | None
) -> tuple[OpenProblem | None, list[Alert]]:
    if was is None or record.intent is Intent.STOPPED:
        # Stopped by the operator: it is known, and nothing has recovered.
        return None, []
    clear_since = was.clear_since or now
    if now - clear_since < SETTLED:
        return replace(was, clear_since=clear_since), []
    return None, [] if was.told_at is None else [ended(was, record, rules, run_id=run_id)]


def _patience(kind: AlertKind, rules: AlertRules) -> timedelta:
    match kind:
        case AlertKind.CDC_FAILED:
            return rules.failed_after
        case AlertKind.DEGRADED:
            return rules.degraded_after
        case _:
            return timedelta()


def _names_death(record: PipelineRecord) -> bool:
    return record.last_error_code == RunDiedError.code and record.last_error is not None


def _ended_before_its_aim(record: PipelineRecord, by_state: Mapping[TableState, object]) -> bool:
    has_own_alert = {TableState.FAILED, TableState.RESYNC_REQUIRED, TableState.QUARANTINED} & set(by_state)
    return (
        record.status is PipelineStatus.ERROR
        and not has_own_alert
        and record.full_load_status is not FullLoadStatus.FAILED
        and not _names_death(record)
    )


def _is_finished_load(event: Event) -> bool:
    return event.field == "full_load_status" and event.new_value == FullLoadStatus.COMPLETED
