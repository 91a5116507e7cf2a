"""An operator who meets a code finds it explained, and no code is explained that does not exist."""

import re
from pathlib import Path

from cdc_assets.model.errors import CdcAssetsError

PAGE = Path(__file__).parents[3] / "docs" / "operations.md"


def _codes(kind: type[CdcAssetsError]) -> set[str]:
    return {kind.code} | {code for below in kind.__subclasses__() for code in _codes(below)}


def test_every_error_code_has_its_section() -> None:
    explained = re.findall(r"^### `([A-Z_]+)`$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(explained) == sorted(_codes(CdcAssetsError) - {CdcAssetsError.code})
