"""How values look on a terminal, and as JSON."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import typer
from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from cdc_assets.cli.messages import print_failure
from cdc_assets.model.pipeline_document import Json
from cdc_assets.model.preflight import CheckStatus, PreflightCheck
from cdc_assets.model.report import RemovalReport
from cdc_assets.model.status import PipelineStatus
from cdc_assets.planning.start_plan import StartPlan

_STYLES = {
    PipelineStatus.RUNNING: "green",
    PipelineStatus.COMPLETED: "green",
    PipelineStatus.ERROR: "bold red",
    PipelineStatus.INVALID: "bold red",
    PipelineStatus.STARTING: "yellow",
    PipelineStatus.STOPPING: "yellow",
}
_MARKS = {
    CheckStatus.PASS: ("ok  ", "green"),
    CheckStatus.WARN: ("warn", "yellow"),
    CheckStatus.FAIL: ("FAIL", "bold red"),
}
_WIDE = 240


def terminal() -> Console:
    """Return a console; where the output is no terminal its lines are not broken."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDE)


def print_json(value: object) -> None:
    """Write one JSON value to the standard output."""
    typer.echo(json.dumps(value, indent=2))


def say(console: Console, line: Text, *, hanging: int = 0) -> None:
    """Write one line; on a terminal that is narrower it goes on `hanging` columns from the left."""
    if not console.is_terminal:
        console.print(line, soft_wrap=True)
        return
    first, *rest = line.wrap(console, console.width) or [line]
    console.print(first)
    if rest:
        left = Text(" ").join(rest)
        for part in left.wrap(console, max(20, console.width - hanging)):
            console.print(Text(" " * hanging) + part)


def split_sentence(sentence: str) -> tuple[str, str]:
    """Part a recorded sentence into what happened and the way out."""
    what, _, fix = sentence.partition(". Fix: ")
    return what, fix


def plan_json(plan: StartPlan) -> Json:
    """Return a plan under its own names."""
    return {
        "pipeline": plan.pipeline,
        "mode": plan.mode,
        "source": plan.source,
        "target": plan.target,
        "tables": [
            {
                "name": table.source_table,
                "target_table": table.target_table,
                "size_bytes": table.size_bytes,
                "row_estimate": None if table.row_estimate < 0 else table.row_estimate,
                "left_out": list(table.left_out),
                "refused": table.refused or None,
            }
            for table in plan.tables
        ],
        "ddl": list(plan.ddl),
        "connectors": {name: dict(config) for name, config in plan.connectors.items()},
    }


def status_table(pipelines: Iterable[Json], *, is_watched: bool = False) -> RenderableType:
    """Return one line a pipeline, then the last error of each that has one; watched, the errors come first."""
    table = Table(box=None, pad_edge=False)
    for heading in ("PIPELINE", "STATUS", "FULL LOAD", "CDC", "ROWS", "TABLES"):
        is_number = heading == "ROWS"
        # A name that does not fit goes on in the next line; cut, it would be no name.
        is_whole = heading not in {"TABLES", "PIPELINE"}
        justify: JustifyMethod = "right" if is_number else "left"
        table.add_column(heading, justify=justify, no_wrap=is_whole, overflow="fold", min_width=8)
    errors: list[RenderableType] = []
    for pipeline in pipelines:
        states = Counter(str(each["state"]) for each in pipeline["tables"])
        table.add_row(
            pipeline["name"],
            _status(pipeline["status"]),
            pipeline["full_load_status"] or "-",
            pipeline["cdc_status"] or "-",
            f"{sum(each.get('rows_loaded') or 0 for each in pipeline['tables']):,}",
            ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "-",
        )
        if pipeline["last_error"]:
            errors.append(Text(f"{pipeline['name']}: {pipeline['last_error']}", style="red"))
    return Group(*errors, table) if is_watched else Group(table, *errors)


def status_detail(pipeline: Json, *, progress: str = "", is_watched: bool = False) -> RenderableType:
    """Return a pipeline with one line a table, then their errors.

    Watched, what is in trouble comes first: what is longer than the terminal is not seen then.
    """
    head = Text.assemble(f"{pipeline['name']}  ", _status(pipeline["status"]))
    head.append(f"  full load {pipeline['full_load_status'] or '-'}, cdc {pipeline['cdc_status'] or '-'}")
    lines: list[RenderableType] = [head]
    if pipeline.get("source") and pipeline.get("target"):
        lines.append(Text(f"{_place(pipeline['source'])} -> {_place(pipeline['target'])}, mode {pipeline['mode']}"))
    if progress:
        lines.append(Text(progress))
    if pipeline["last_error"]:
        lines.append(Text(pipeline["last_error"], style="red"))
    lines += _health(pipeline)
    table = Table(box=None, pad_edge=False)
    errors: list[RenderableType] = []
    for heading in ("TABLE", "TARGET", "STATE", "ROWS LOADED", "ABOUT"):
        is_number = heading in {"ROWS LOADED", "ABOUT"}
        justify: JustifyMethod = "right" if is_number else "left"
        table.add_column(heading, justify=justify, no_wrap=is_number or heading == "STATE", overflow="fold")
    for each in sorted(pipeline["tables"], key=lambda row: is_watched and not row.get("last_error")):
        table.add_row(
            Text(each["name"]),
            Text(each["target_table"]),
            each["state"],
            f"{each.get('rows_loaded') or 0:,}",
            f"{max(0, each.get('rows_estimated') or 0):,}",
        )
        if each.get("last_error"):
            errors.append(Text(f"{each['name']}: {each['last_error']}", style="red"))
    return Group(*lines, *errors, table) if is_watched else Group(*lines, table, *errors)


def _health(pipeline: Json) -> list[RenderableType]:
    """Return what the last look saw; what is the last error already is not said twice."""
    health = pipeline.get("health")
    if not health:
        return []
    known = {pipeline["last_error"], *(each.get("last_error") for each in pipeline["tables"])}
    lines: list[RenderableType] = [Text(f"last look {health['observed_at']}: {health['level']}")]
    for finding in health["findings"]:
        if finding["sentence"] not in known:
            until = f" (a failure from {finding['fails_at']} on)" if finding["fails_at"] else ""
            lines.append(Text(f"  {finding['sentence']}{until}", style="yellow"))
    return lines


def _place(endpoint: Json) -> str:
    return f"{endpoint['connection']}:{endpoint['database']}.{endpoint['schema']}"


def _status(status: str) -> Text:
    return Text(status, style=_STYLES.get(PipelineStatus(status), ""))


def print_checks(console: Console, checks: Sequence[PreflightCheck], places: dict[tuple[str, str], str]) -> None:
    """Write the checks of every pipeline, then one script of what is missing; `places` names (pipeline, side)."""
    for pipeline in dict.fromkeys(check.pipeline for check in checks):
        console.print(Text(pipeline, style="bold"))
        for check in (each for each in checks if each.pipeline == pipeline):
            mark, style = _MARKS[check.status]
            line = Text.assemble("  ", (mark, style), f"  {check.name:<24}  {check.what}")
            say(console, line, hanging=8)
            if check.fix and check.status is not CheckStatus.PASS:
                say(console, Text(f"        fix: {check.fix}"), hanging=13)
    _print_scripts(console, checks, places)
    counts = Counter(check.status for check in checks)
    summary = (
        f"{counts[CheckStatus.PASS]} passed, {counts[CheckStatus.WARN]} warnings, {counts[CheckStatus.FAIL]} failed"
    )
    console.print(Text(summary))


def _print_scripts(console: Console, checks: Sequence[PreflightCheck], places: dict[tuple[str, str], str]) -> None:
    statements: dict[str, list[str]] = {}
    for check in checks:
        for script in check.scripts:
            where = places.get((check.pipeline, script.side), f"the {script.side} of {check.pipeline}")
            statements.setdefault(where, []).append(script.sql)
    for where, lines in statements.items():
        console.print(Text(f"\n-- What an owner or administrator has to run on {where}:"), soft_wrap=True)
        for line in dict.fromkeys(lines):
            console.print(Text(line), soft_wrap=True)
    if statements:
        console.print()


def print_answers(console: Console, answers: Mapping[str, str | None]) -> None:
    """Write how each receiver took a message; the reason of each that did not."""
    for name, why in answers.items():
        mark = ("ok  ", "green") if why is None else ("FAIL", "bold red")
        say(console, Text.assemble(mark, f"  {name}: {why or 'the receiver took the message'}"), hanging=6)


def removal_json(report: RemovalReport) -> Json:
    """Return what a drop removed and left."""
    return {"pipeline": report.pipeline, "removed": list(report.removed), "left": list(report.left)}


def print_removal(console: Console, report: RemovalReport) -> None:
    """Write what a drop removed, and what it still found."""
    for each in report.removed:
        say(console, Text(f"removed  {each}"), hanging=9)
    for each in report.left:
        say(console, Text(f"LEFT     {each}", style="bold red"), hanging=9)
    if report.left:
        print_failure(f"{len(report.left)} things of pipeline {report.pipeline} are left", "run ./cdc drop again")
    else:
        console.print(Text(f"Nothing of pipeline {report.pipeline} is left but its file and its events."))


def print_plan(console: Console, plan: StartPlan) -> None:
    """Write a plan: tables, DDL, connectors."""
    console.print(Text(f"{plan.pipeline}: {plan.source} -> {plan.target}, mode {plan.mode}", style="bold"))
    table = Table(box=None, pad_edge=False)
    for heading in ("TABLE", "TARGET", "SIZE", "ROWS ABOUT", "LEFT OUT"):
        table.add_column(heading, justify="right" if heading in {"SIZE", "ROWS ABOUT"} else "left", overflow="fold")
    for each in plan.tables:
        rows = "?" if each.row_estimate < 0 else f"{each.row_estimate:,}"
        left_out = Text(", ".join(each.left_out) or "-")
        table.add_row(
            Text(each.source_table), Text(each.target_table), f"{each.size_bytes / 1e6:,.1f} MB", rows, left_out
        )
    console.print(table)
    for each in plan.tables:
        if each.refused:
            say(console, Text(f"refused: {each.source_table}: {each.refused}", style="bold red"), hanging=9)
    if plan.ddl:
        console.print(Text("\nIn the target:", style="bold"))
        for statement in plan.ddl:
            console.print(Text(statement.rstrip(";") + ";"), soft_wrap=True)
    for name, config in plan.connectors.items():
        console.print(Text(f"\nConnector {name}:", style="bold"))
        for key, value in sorted(config.items()):
            console.print(Text(f"  {key} = {value}"), soft_wrap=True)
    console.print(Text("\nNothing was changed."))
