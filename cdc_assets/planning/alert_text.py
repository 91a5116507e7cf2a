"""The words of an alert: a title for the lock screen; cause, fix and links for who opens it."""

from collections.abc import Mapping
from datetime import datetime

from cdc_assets.model.alert import Alert, AlertKind, AlertRules, Severity
from cdc_assets.model.record import Event, PipelineRecord
from cdc_assets.planning.alert_memory import OpenProblem

_MOST_TABLES = 5
_TITLES = {
    AlertKind.START_FAILED: "the start failed",
    AlertKind.LOAD_FAILED: "the full load failed",
    AlertKind.LOAD_FINISHED: "the full load has finished",
    AlertKind.CDC_FAILED: "changes do not arrive",
    AlertKind.DEGRADED: "degraded",
    AlertKind.RESYNC_REQUIRED: "a new load is required",
    AlertKind.WAL_HELD: "the source keeps much log",
    AlertKind.RUN_DIED: "a run died",
    AlertKind.RECOVERED: "recovered",
    AlertKind.TEST: "this is a test",
}


def title(
    kind: AlertKind, pipeline: str, causes: Mapping[str, str], *, is_again: bool = False, is_more: bool = False
) -> str:
    """Return one line: pipeline, what is wrong, how many tables."""
    tables = [table for table in causes if table]
    count = f" ({len(tables)} table{'s' if len(tables) > 1 else ''})" if tables else ""
    how = "still: " if is_again else "more: " if is_more else ""
    return f"{pipeline}: {how}{_TITLES[kind]}{count}"


def body(
    causes: Mapping[str, str],
    record: PipelineRecord,
    rules: AlertRules,
    *,
    since: datetime | None = None,
    run_id: str | None = None,
) -> str:
    """Return cause and fix of each table (or of the pipeline), since when, and where to look."""
    lines: list[str] = []
    fixes: list[str] = []
    for table, sentence in list(causes.items())[:_MOST_TABLES]:
        what, _, fix = sentence.partition(". Fix: ")
        lines.append(f"{table}: {what}" if table else what)
        if fix and fix not in fixes:
            fixes.append(fix)
    if len(causes) > _MOST_TABLES:
        lines.append(f"and {len(causes) - _MOST_TABLES} more tables")
    lines += [f"Fix: {fix}" for fix in fixes]
    if since is not None:
        lines.append(f"Since: {since:%Y-%m-%d %H:%M:%S} UTC")
    lines.append(f"Status: {record.status} (full load {record.full_load_status}, cdc {record.cdc_status})")
    return "\n".join([*lines, *_links(record.name, rules, run_id)])


def news(event: Event, record: PipelineRecord, rules: AlertRules, *, run_id: str | None) -> Alert:
    """Return the message that a full load has finished."""
    rows = sum(table.rows_loaded for table in record.tables)
    what = f"{len(record.tables)} tables, {rows:,} rows, verified, at {event.at:%Y-%m-%d %H:%M:%S} UTC"
    kind = AlertKind.LOAD_FINISHED
    text = body({"": what}, record, rules, run_id=run_id)
    return Alert(kind, kind, record.name, Severity.SUCCESS, title(kind, record.name, {}), text)


def ended(problem: OpenProblem, record: PipelineRecord, rules: AlertRules, *, run_id: str | None) -> Alert:
    """Return the message that a problem is over."""
    since = problem.clear_since or problem.since
    what = f"No more: {_TITLES[problem.kind]}. It lasted from {problem.since:%H:%M:%S} to {since:%H:%M:%S} UTC"
    kind = AlertKind.RECOVERED
    return Alert(
        kind,
        problem.kind,
        record.name,
        Severity.SUCCESS,
        f"{title(kind, record.name, {})}: {_TITLES[problem.kind]}",
        body({"": what}, record, rules, run_id=run_id),
    )


def test_message(channel: str, rules: AlertRules) -> tuple[str, str]:
    """Return title and body of the message by which a receiver is tried."""
    links = [f"Dagster: {rules.dagster_url}", f"API: {rules.api_url}/api/pipelines"]
    text = f"Alerts of cdc_assets reach channel {channel}. Nothing is wrong, nothing has to be done."
    return f"cdc_assets: {_TITLES[AlertKind.TEST]}", "\n".join([text, *links])


def _links(pipeline: str, rules: AlertRules, run_id: str | None) -> list[str]:
    run = [f"Last run: {rules.dagster_url}/runs/{run_id}"] if run_id else []
    return [
        *run,
        f"Dagster: {rules.dagster_url}/locations/cdc_assets/asset-groups/{pipeline}",
        f"API: {rules.api_url}/api/pipelines/{pipeline}",
        f"More: ./cdc diagnose {pipeline}",
    ]
