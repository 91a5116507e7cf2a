"""The verb that shows the product at work: demo."""

from typing import Annotated

import typer

from cdc_assets.cli.follow import follow
from cdc_assets.cli.stack import fetch_bar
from cdc_assets.embedded.demo.site import Site
from cdc_assets.embedded.demo.story import Demo
from cdc_assets.embedded.supervisor import StopRequested
from cdc_assets.model.errors import CdcAssetsError
from cdc_assets.wiring import load_settings

FAILED = 1


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(demo)


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="Stop everything after the proof; exit 1 when it fails.")
    ] = False,
) -> None:
    """Show it all on this machine: servers, sample tables, a full load, changes arriving; until Ctrl-C."""
    settings = load_settings()
    try:
        Demo(Site.at(settings), report=typer.echo, progress_bar=fetch_bar, follow=follow).run(once=once)
    except StopRequested:
        if once:
            _fail("stopped before the proof was done")
        typer.echo("Stopped.")
    except CdcAssetsError as error:
        _fail(error.message, error.hint)
    else:
        typer.echo("demo: OK")


def _fail(cause: str, fix: str = "") -> None:
    """Say why; the last line holds the cause alone."""
    first, *more = cause.splitlines()
    for line in (*more, *([f"fix: {fix}"] if fix else [])):
        typer.echo(line)
    typer.echo(f"demo: FAILED: {first}")
    raise typer.Exit(FAILED)
