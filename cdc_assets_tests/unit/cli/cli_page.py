"""Writes docs/cli.md from the verbs themselves: `python -m cdc_assets_tests.unit.cli.cli_page`."""

from pathlib import Path
from typing import Any

from typer.core import TyperArgument, TyperGroup

from cdc_assets.cli.verbs import VERBS, load

PAGE = Path(__file__).parents[3] / "docs" / "cli.md"
_HEAD = """\
# Command line

Written from the code by `python -m cdc_assets_tests.unit.cli.cli_page`; a test keeps it current.

`./cdc` makes its own `.venv` from `requirements.lock` when it is first called, then runs the verb. `cdc-assets` is the
same program in that environment. Every verb has `--help`.

* **Exit codes**: 0 done; 1 failed, or a check failed, or something is left; 2 asked in a wrong way (unknown pipeline or
  table, bad setting or file, missing option).
* **Output**: what was asked for on the standard output, with `--json` as one JSON value; errors on the standard error
  output, as `error: ...` and `fix: ...`, one line each where it is no terminal, else broken at blanks.
* **Waiting**: a verb returns when its work is done, or with `--no-wait` when it is accepted. Ctrl-C ends the waiting,
  not the work.
* **Completion**: `./cdc --install-completion` for the shell you are in (`--show-completion` prints it): verbs, options,
  names of pipelines and tables. In bash it also works for `./cdc` with its path; other shells call the program `cdc`,
  so put the checkout on `PATH` for them. `cdc-assets --install-completion` does the same for that name.
* **Settings** come from the environment and `cdc_assets.toml`: [configuration](configuration.md). What an error means:
  [operations](operations.md).
"""


def page() -> str:
    """Return the page as it should be."""
    listed = "".join(f"| [`{name}`](#{_anchor(name)}) | {verb.summary} |\n" for name, verb in VERBS.items())
    sections = "".join(_section(name, load(name)) for name in VERBS)
    return f"{_HEAD}\n| verb | does |\n|---|---|\n{listed}{sections}"


def _anchor(name: str) -> str:
    return f"cdc-{name}"


def _section(name: str, command: Any) -> str:  # noqa: ANN401  typer's command classes have no public base
    if isinstance(command, TyperGroup):
        below = "".join(_section(f"{name} {inner}", command.commands[inner]) for inner in command.commands)
        return f"\n## cdc {name}\n\n{command.help}\n{below}"
    arguments = [parameter for parameter in command.params if isinstance(parameter, TyperArgument)]
    options = [each for each in command.params if not isinstance(each, TyperArgument) and not each.hidden]
    usage = " ".join(["./cdc", name, *(["[options]"] if options else []), *(str(each.metavar) for each in arguments)])
    if command.context_settings.get("ignore_unknown_options"):
        usage += " [pytest arguments]"
    rows = [(f"`{each.metavar}`", each.help) for each in arguments]
    rows += [(_option(each), each.help) for each in options]
    table = "".join(f"| {shown} | {text} |\n" for shown, text in rows)
    level = "##" if " " not in name else "###"
    return (
        f"\n{level} cdc {name}\n\n```\n{usage}\n```\n\n{command.help}\n"
        + (f"\n| argument | meaning |\n|---|---|\n{table}" if rows else "")
    )  # fmt: skip


def _option(option: Any) -> str:  # noqa: ANN401  as above
    names = ", ".join(f"`{name}`" for name in option.opts)
    return names if option.is_flag else f"{names} `{option.metavar or 'VALUE'}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
