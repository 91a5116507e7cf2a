"""The command line `cdc-assets`, run by `./cdc`. Each module registers its verbs; errors become one sentence here."""

import sys

import truststore
import typer

# Before anything imports requests, which binds its certificates then: a company's own is only in the system's store.
truststore.inject_into_ssl()

from cdc_assets.cli import alerts, demo, diagnosis, pauses, pipelines, stack  # noqa: E402  after the line above
from cdc_assets.cli.rendering import print_error  # noqa: E402
from cdc_assets.model.errors import CdcAssetsError, DefinitionError, SettingsError, UnknownPipelineError  # noqa: E402

FAILED = 1
WRONG_USE = 2

app = typer.Typer(
    name="cdc-assets",
    help="Copies PostgreSQL tables and keeps the copies equal: full load, then change data capture, run by Dagster.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
stack.register(app)
pipelines.register(app)
diagnosis.register(app)
pauses.register(app)
alerts.register(app)
demo.register(app)


def main() -> None:
    """Run a verb; exit 0 when it is done, 1 when it failed, 2 when it was asked in a wrong way."""
    try:
        app()
    except CdcAssetsError as error:
        print_error(error)
        wrong_use = isinstance(error, SettingsError | UnknownPipelineError | DefinitionError)
        sys.exit(WRONG_USE if wrong_use else FAILED)
