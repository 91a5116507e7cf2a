"""The pages that say how it works name what there is in the code."""

import re
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from cdc_assets import ports
from cdc_assets.settings import checkout

DOCS = checkout() / "docs"


def _operations() -> set[str]:
    """Every operation that a port has."""
    modules = [import_module(f"cdc_assets.ports.{module.name}") for module in iter_modules(ports.__path__)]
    kinds = [each for module in modules for each in vars(module).values() if isinstance(each, type)]
    return {name for kind in kinds if kind.__module__.startswith("cdc_assets.ports") for name in vars(kind)}


def _sources() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in Path(checkout() / "cdc_assets").rglob("*.py"))


def test_the_diagram_of_the_hand_off_shows_operations_that_exist_in_the_order_that_loses_nothing() -> None:
    (diagram,) = re.findall(r"```mermaid\nsequenceDiagram\n(.*?)```", (DOCS / "architecture.md").read_text(), re.DOTALL)
    named = re.findall(r"(\w+)\(\)", diagram)
    assert set(named) <= _operations()
    order = (
        "apply",
        "ensure_full_replica_identity",
        "ensure_publication",
        "open_slot_snapshot",
        "rows",
        "write",
        "verify_load",
        "ensure_topics",
        "set_sink_offset",
        "emit_marker",
        "delivered_lsn",
        "committed",
        "set_cdc",
    )
    assert [name for name in named if name in order] == list(order)
    participants = set(re.findall(r"participant (\w)", diagram))
    assert set(re.findall(r"^ +(\w)-+>>", diagram, re.MULTILINE)) <= participants
    assert set(re.findall(r">>(\w):", diagram)) <= participants


def test_the_page_has_its_parts() -> None:
    headings = re.findall(r"^## ([^\n:]+)", (DOCS / "architecture.md").read_text(), re.MULTILINE)
    wanted = [
        "Promises, in this order",
        "Flow",
        "Layers",
        "Control",
        "The hand-off",
        "Restarts of the source connector",
    ]
    assert [heading for heading in headings if heading in wanted] == wanted


def test_every_name_of_the_glossary_is_one_in_the_code() -> None:
    rows = [line.split("|") for line in (DOCS / "glossary.md").read_text().splitlines() if line.startswith("| ")]
    names = {name.strip(".") for row in rows for name in re.findall(r"`([^`]+)`", row[2])}
    assert len(names) > 20
    sources = _sources()
    assert {name for name in names if not re.search(rf"\b{re.escape(name)}\b", sources)} == set()
