"""The command line: `./cdc` and `cdc-assets`. Errors become one sentence here; the verbs are in `verbs`."""

import sys

import truststore
import typer

# Before anything imports requests, which binds its certificates then: a company's own is only in the system's store.
truststore.inject_into_ssl()

from cdc_assets.cli.messages import print_error  # noqa: E402  after the line above
from cdc_assets.cli.verbs import LazyVerbs  # noqa: E402
from cdc_assets.model.errors import CdcAssetsError, DefinitionError, SettingsError, UnknownPipelineError  # noqa: E402

FAILED = 1
WRONG_USE = 2
SCRIPT = "cdc"
"""The program's name when it is run by `./cdc`; completions are registered for a name."""

app = typer.Typer(
    cls=LazyVerbs,
    help="Copies PostgreSQL tables and keeps the copies equal: full load, then change data capture, run by Dagster.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def main_options() -> None:
    """Copies PostgreSQL tables and keeps the copies equal: full load, then change data capture, run by Dagster."""


def main(program: str | None = None) -> None:
    """Run a verb; exit 0 when it is done, 1 when it failed, 2 when it was asked in a wrong way."""
    try:
        app(prog_name=program)
    except CdcAssetsError as error:
        print_error(error)
        wrong_use = isinstance(error, SettingsError | UnknownPipelineError | DefinitionError)
        sys.exit(WRONG_USE if wrong_use else FAILED)
