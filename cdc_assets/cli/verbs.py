"""The list of verbs: which module brings each, and its line in the help.

A verb's module, and with it the databases' drivers and the servers' code, is loaded when the verb is called: the help
and the completions of a shell need none of it. A test holds the lines equal to what the verbs themselves say.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group


@dataclass(frozen=True, slots=True)
class Verb:
    """`module` has `register(app)`, which adds the verb."""

    module: str
    summary: str


VERBS = {
    "demo": Verb(
        "demo", "Show it all on this machine: servers, sample tables, a full load, changes arriving; until Ctrl-C."
    ),
    "up": Verb(
        "stack",
        "Run the stack: the embedded servers (only where no address is configured) and Dagster, until Ctrl-C.",
    ),
    "down": Verb("stack", "Stop the stack of this state directory: connectors first, PostgreSQL last."),
    "check": Verb("pipelines", "Check what could lose or damage something, change nothing; exit 1 when a check fails."),
    "plan": Verb(
        "pipelines", "Show what a start would do: tables and sizes, DDL, connectors, what is left out. Changes nothing."
    ),
    "start": Verb(
        "pipelines",
        "Start a pipeline; returns when it is RUNNING (COMPLETED for full_load_only), exit 1 with the cause else.",
    ),
    "stop": Verb(
        "pipelines", "Stop a pipeline; returns when it is STOPPED. Its slot stays: a start goes on where it was."
    ),
    "pause": Verb(
        "pauses",
        "Pause a pipeline or one table; returns when nothing is applied any more. Its changes are kept meanwhile.",
    ),
    "resume": Verb(
        "pauses",
        "Let a paused pipeline or table go on where it was; returns when its changes arrive. Nothing is loaded again.",
    ),
    "status": Verb("pipelines", "Show the recorded state of one or all pipelines."),
    "diagnose": Verb(
        "diagnosis",
        "Show all that is known of a pipeline: statuses, slots, lag, connectors, last events, settings. No secrets.",
    ),
    "drop": Verb(
        "pipelines",
        "Remove everything of a pipeline but its file and its events: connectors, topics, slot, publication, state.",
    ),
    "alert": Verb("alerts", "Try the receivers of alerts: alert test."),
    "bench": Verb("bench", "Measure on servers of its own, beside a peer in the same run."),
    "test": Verb("stack", "Run the test suite; it starts and stops every server it needs. Arguments go to pytest."),
}


def load(name: str) -> Any:  # noqa: ANN401  typer's command classes have no public base
    """Return the verb itself; its module is imported now."""
    app = typer.Typer()
    import_module(f"cdc_assets.cli.{VERBS[name].module}").register(app)
    # One verb alone would become the program itself.
    app.callback()(_nothing)
    return get_group(app).commands[name]


class LazyVerbs(TyperGroup):
    """Shows every verb by its line, and loads the one that is called."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401  as above
        """Return the names in the order of the list."""
        del ctx
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401  as above
        """Return a stand-in with the verb's line, enough for help and completion."""
        del ctx
        return TyperCommand(cmd_name, help=VERBS[cmd_name].summary) if cmd_name in VERBS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401  as above
        """Return the verb that is called."""
        name, stand_in, rest = super().resolve_command(ctx, args)
        return name, stand_in if name is None else load(name), rest


def _nothing() -> None:
    """Do nothing before a verb."""
