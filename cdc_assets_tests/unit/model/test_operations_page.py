"""An operator who meets a code finds it explained, and no code is explained that does not exist."""

import re
from pathlib import Path
from typing import get_args

from cdc_assets.adapters.definition_files.alerts import Kind
from cdc_assets.model.alert import AlertKind
from cdc_assets.model.errors import CdcAssetsError

PAGE = Path(__file__).parents[3] / "docs" / "operations.md"


def _codes(kind: type[CdcAssetsError]) -> set[str]:
    return {kind.code} | {code for below in kind.__subclasses__() for code in _codes(below)}


def test_every_error_code_has_its_section() -> None:
    explained = re.findall(r"^### `([A-Z_]+)`$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(explained) == sorted(_codes(CdcAssetsError) - {CdcAssetsError.code})


def test_every_kind_of_alert_is_in_the_table_and_can_be_asked_for() -> None:
    kinds = {kind.value for kind in AlertKind} - {AlertKind.TEST.value}
    section = PAGE.read_text(encoding="utf-8").partition("## Alerts")[2].partition("\n### ")[0]
    assert set(re.findall(r"^\| `([a-z_]+)` \|", section, re.MULTILINE)) == kinds
    assert set(get_args(Kind)) == kinds
