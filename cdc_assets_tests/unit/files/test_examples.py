"""What the documentation shows can be used: example files, YAML blocks and commands."""

import re
from pathlib import Path

import pytest

from cdc_assets.adapters.definition_files import load, load_alerts
from cdc_assets.cli.verbs import VERBS
from cdc_assets.cli.verbs import load as load_verb
from cdc_assets.settings import checkout

EXAMPLES = checkout() / "examples"
PAGES = [checkout() / "README.md", checkout() / "CONTRIBUTING.md", *sorted((checkout() / "docs").rglob("*.md"))]
# In a block of commands or in code; elsewhere it may be the subject of a sentence.
_COMMAND = re.compile(r"(?:^ *|`)\./cdc ([a-z]+)((?: +[^`\n;|)]*)?)", re.MULTILINE)


def test_the_example_files_can_be_used() -> None:
    definitions = load(EXAMPLES / "pipelines", EXAMPLES / "connections.yaml")
    assert definitions.invalid == ()
    assert {pipeline.name for pipeline in definitions.pipelines} == {"sales", "archive"}
    rules = load_alerts(EXAMPLES / "alerts.yaml", dagster_url="", api_url="")
    assert {channel.name for channel in rules.channels} == {"ops_mail", "pager"}


def test_every_example_is_listed() -> None:
    listed = set(re.findall(r"\]\(([^)]+)\)", (EXAMPLES / "README.md").read_text()))
    files = {str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*") if path.is_file()}
    assert listed == files - {"README.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(checkout())))
def test_every_command_of_a_page_exists(page: Path) -> None:
    for verb, rest in _COMMAND.findall(page.read_text(encoding="utf-8")):
        assert verb in VERBS, f"{page.name}: ./cdc {verb}"
        command = load_verb(verb)
        if hasattr(command, "commands"):  # a group: the word that follows is the verb itself
            assert rest.split()[0] in command.commands, f"{page.name}: ./cdc {verb}{rest}"
            command = command.commands[rest.split()[0]]
        known = {name for option in command.params for name in option.opts} | {"--help", "-h"}
        options = set(re.findall(r"(?<!\S)(--?[a-z][a-z-]*)", rest.partition("#")[0]))
        assert verb == "test" or options <= known, f"{page.name}: ./cdc {verb}{rest}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(checkout())))
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)(?:#[^)]*)?\)", text):
        assert (page.parent / link).exists(), f"{page.name}: {link}"
