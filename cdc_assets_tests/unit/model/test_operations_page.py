"""An operator who meets a code finds it explained, and no code is explained that does not exist."""

import ast
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import get_args

from cdc_assets import api
from cdc_assets.adapters.definition_files.alerts import Kind
from cdc_assets.api.problems import _FIXES
from cdc_assets.model.alert import AlertKind
from cdc_assets.model.errors import CdcAssetsError

PAGE = Path(__file__).parents[3] / "docs" / "operations.md"


def _codes(kind: type[CdcAssetsError]) -> set[str]:
    return {kind.code} | {code for below in kind.__subclasses__() for code in _codes(below)}


def _codes_of_the_api() -> Iterator[str]:
    """The codes that its routes make themselves, and the names of the framework's own refusals."""
    yield from (HTTPStatus(status).name for status in _FIXES)
    for module in sorted(path for folder in api.__path__ for path in Path(folder).rglob("*.py")):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Problem":
                told = (each.value for each in ast.walk(node.args[1]) if isinstance(each, ast.Constant))
                yield from (each for each in told if isinstance(each, str))


def test_every_error_code_has_its_section_and_something_in_it() -> None:
    parts = re.split(r"^### `([A-Z_]+)`$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    explained = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert len(explained) == len(parts) // 2, "explained once"
    codes = (_codes(CdcAssetsError) - {CdcAssetsError.code}) | set(_codes_of_the_api())
    assert {"TOKEN_WRONG", "ORIGIN_REFUSED", "NOT_FOUND"} <= codes
    assert sorted(explained) == sorted(codes)
    assert [code for code, text in explained.items() if len(text.partition("\n## ")[0].split()) < 8] == []


def test_every_kind_of_alert_is_in_the_table_and_can_be_asked_for() -> None:
    kinds = {kind.value for kind in AlertKind} - {AlertKind.TEST.value}
    section = PAGE.read_text(encoding="utf-8").partition("## Alerts")[2].partition("\n### ")[0]
    assert set(re.findall(r"^\| `([a-z_]+)` \|", section, re.MULTILINE)) == kinds
    assert set(get_args(Kind)) == kinds
