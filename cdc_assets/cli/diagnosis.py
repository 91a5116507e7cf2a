"""The verb `diagnose`: one report, readable as it is and as JSON."""

from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from cdc_assets import wiring
from cdc_assets.cli.names import Name
from cdc_assets.cli.rendering import print_json, say, terminal
from cdc_assets.model.pipeline_document import Json


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(diagnose)


def diagnose(
    name: Name,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show all that is known of a pipeline: statuses, slots, lag, connectors, last events, settings. No secrets."""
    settings = wiring.load_settings()
    report = wiring.diagnose(settings, name)
    if as_json:
        print_json(report)
    else:
        print_report(terminal(), report)


def print_report(console: Console, report: Json) -> None:
    """Write each part of the report below its heading; a line that goes on is set in by two more columns."""
    for heading, content in report.items():
        console.print(Text(heading, style="bold"))
        for line in _lines(content, "  "):
            say(console, Text(line), hanging=len(line) - len(line.lstrip()) + 2)


def _lines(content: object, indent: str) -> list[str]:
    match content:
        case dict():
            return [line for key, value in content.items() for line in _entry(str(key), value, indent)]
        case list():
            return [line for item in content for line in _item(item, indent)] or [f"{indent}none"]
        case None:
            return [f"{indent}none"]
        case _:
            return [f"{indent}{content}"]


def _entry(key: str, value: object, indent: str) -> list[str]:
    if isinstance(value, dict | list) and value:
        return [f"{indent}{key}:", *_lines(value, indent + "  ")]
    return [f"{indent}{key}: {'-' if value in (None, [], {}) else value}"]


def _item(item: object, indent: str) -> list[str]:
    if isinstance(item, dict):
        shown = ", ".join(f"{key} {value}" for key, value in item.items() if value is not None)
        return [f"{indent}- {shown}"]
    return [f"{indent}- {item}"]
