"""The verbs about alerts: alert test."""

from typing import Annotated

import typer

from cdc_assets import wiring
from cdc_assets.cli.rendering import print_answers, print_json, terminal

FAILED = 1
app = typer.Typer(help="Try the receivers of alerts: alert test.", no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    """Add the group."""
    parent.add_typer(app, name="alert")


@app.callback()
def alert() -> None:
    """Try the receivers of alerts: alert test."""


@app.command("test")
def try_channels(
    channel: Annotated[str | None, typer.Argument(metavar="[CHANNEL]", help="One channel; all when left out.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Send a test message to each channel of alerts.yaml; exit 1 when one does not take it."""
    answers = wiring.try_channels(wiring.load_settings(), channel)
    if as_json:
        print_json([{"channel": name, "delivered": why is None, "error": why} for name, why in answers.items()])
    else:
        print_answers(terminal(), answers)
    if any(answers.values()):
        raise typer.Exit(FAILED)
