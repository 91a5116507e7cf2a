"""The command line as a whole: every verb is listed, documented, quick to come up, and fits 80 columns."""

import os
import pty
import re
import shutil
import subprocess
import sys
import termios
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest
import typer
from rich.cells import cell_len
from typer.main import get_group

from cdc_assets import cli, wiring
from cdc_assets.cli.messages import in_width
from cdc_assets.cli.verbs import VERBS, load
from cdc_assets.settings import checkout, inherited_environment
from cdc_assets_tests.unit.cli.cli_page import PAGE, page

WIDTH = 80


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in inherited_environment().items() if not key.startswith(("CDC_", "_CDC"))}
    return subprocess.run(
        [sys.executable, "-P", "-m", "cdc_assets.cli", *arguments],
        cwd=checkout(),
        env=environment | {"COLUMNS": str(WIDTH)} | variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def _every_verb() -> dict[str, Any]:
    """Every verb with its command, those of groups by both words."""
    found: dict[str, Any] = {}
    for name in VERBS:
        found[name] = load(name)
        found |= {f"{name} {inner}": command for inner, command in getattr(found[name], "commands", {}).items()}
    return found


def test_the_page_of_verbs_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m cdc_assets_tests.unit.cli.cli_page"


def test_every_verb_of_every_module_is_listed_with_its_own_words() -> None:
    found = {}
    for module in iter_modules(cli.__path__):
        if module.name == "__main__":
            continue
        register = getattr(import_module(f"cdc_assets.cli.{module.name}"), "register", None)
        if register is not None:
            app = typer.Typer()
            register(app)
            app.callback()(lambda: None)
            for name, command in get_group(app).commands.items():
                found[name] = (module.name, " ".join(str(command.help).split()))
    assert found == {name: (verb.module, verb.summary) for name, verb in VERBS.items()}


def test_every_command_that_a_sentence_names_is_there() -> None:
    """A fix that cannot be typed is none; what the program itself does ("./cdc makes .venv") is no command."""
    root = checkout()
    files = [*(root / "cdc_assets").rglob("*.py"), *(root / "docs").rglob("*.md"), root / "README.md"]
    named = {(verb, file.name) for file in files for verb in re.findall(r"\./cdc ([a-z]+)", file.read_text("utf-8"))}
    assert {(verb, file) for verb, file in named if verb not in {*VERBS, "makes", "does"}} == set()
    assert {"drop", "start"} <= {verb for verb, _ in named}


def test_every_operation_of_wiring_can_be_had() -> None:
    # A module of an operation's name would take its place as soon as it is loaded.
    for module in iter_modules(wiring.__path__):
        import_module(f"cdc_assets.wiring.{module.name}")
    for name in wiring.__all__:
        assert callable(getattr(wiring, name))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(wiring, "nothing")  # noqa: B009  mypy knows that it is not there


@pytest.mark.parametrize("name", ["", *_every_verb()])
def test_help_fits_the_terminal_and_nothing_is_cut(name: str) -> None:
    shown = run(*name.split(), "--help")
    assert shown.returncode == 0, shown.stderr
    assert [line for line in shown.stdout.splitlines() if cell_len(line) > WIDTH] == []
    assert "…" not in shown.stdout
    words = str(_every_verb()[name].help) if name else "Copies PostgreSQL tables"
    assert " ".join(words.split()[:3]) in shown.stdout


def test_every_verb_that_prints_an_answer_prints_it_as_json_too() -> None:
    # These tell how servers and tests do while they run; what a group would print, its verbs do.
    without = {"demo", "up", "down", "test", "alert", "bench"}
    found = {
        name for name, command in _every_verb().items() if not any("--json" in each.opts for each in command.params)
    }
    assert found == without


def test_on_a_terminal_an_error_is_told_within_its_columns(tmp_path: Path) -> None:
    name = "nowhere_" * 5
    environment = {**inherited_environment(), "CDC_HOME": str(tmp_path)}
    environment["CDC_DATABASE_URL"] = f"postgresql://cdc:hidden@127.0.0.1:9/{name}"
    environment.pop("COLUMNS", None)
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, WIDTH))
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        command = [sys.executable, "-P", "-m", "cdc_assets.cli", "status", "sales"]
        done = subprocess.run(
            command, cwd=checkout(), env=environment, stdout=theirs, stderr=theirs, check=False, timeout=300
        )
        os.close(theirs)
        lines = terminal.read(100_000).decode().splitlines()
    assert done.returncode == 1
    assert [line for line in lines if cell_len(line) > WIDTH] == []
    assert lines[0].startswith("error: ")
    assert any(line.startswith("fix: ") for line in lines)
    assert len(lines) > 2, "broken, not cut"


def test_a_sentence_is_broken_at_blanks_only() -> None:
    address = "postgresql://" + "h" * 100
    text = in_width(f"error: {'word ' * 30}{address} is away", WIDTH)
    assert address in text
    assert [line for line in text.splitlines() if len(line) > WIDTH and address not in line] == []
    assert in_width("error: " + "word " * 30, None).count("\n") == 0


@pytest.mark.parametrize(
    ("arguments", "not_needed"),
    [
        (("--help",), ("sqlalchemy", "psycopg", "pydantic", "dagster", "confluent_kafka", "apprise")),
        (("status",), ("alembic", "confluent_kafka", "dagster", "apprise", "jgo", "mirakuru", "fastapi")),
    ],
)
def test_a_verb_loads_only_what_it_works_with(arguments: tuple[str, ...], not_needed: tuple[str, ...]) -> None:
    # Modules and not seconds: a loaded machine is slow, whatever is loaded.
    code = (
        "import sys\nfrom cdc_assets.cli import main\n"
        f"sys.argv = ['cdc', *{arguments!r}]\n"
        "try:\n    main('cdc')\nexcept SystemExit:\n    pass\n"
        f"print(sorted(set({not_needed!r}) & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=checkout(), capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_verbs_and_names_of_pipelines_after_the_script_itself(tmp_path: Path) -> None:
    for name in ("sales", "orders"):
        (tmp_path / f"{name}.yaml").write_text("mode: odd\n")
    script = (
        'set -eu; source <("$1" --show-completion); '
        'complete -p cdc; COMP_WORDS=("$1" status "s"); COMP_CWORD=2; _cdc_completion "$1"; echo "${COMPREPLY[@]}"; '
        'COMP_WORDS=("$1" "diag"); COMP_CWORD=1; _cdc_completion "$1"; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", script, "bash", str(checkout() / "cdc")],
        env={**inherited_environment(), "CDC_PIPELINES_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert done.stdout.splitlines() == ["complete -o default -F _cdc_completion cdc", "sales", "diagnose"]
