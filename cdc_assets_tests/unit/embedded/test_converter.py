"""The committed jar of the converter is the one that was recorded, and what its sources make."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from cdc_assets.embedded import converter
from cdc_assets.embedded.converter import CONVERTER_JAR, CONVERTER_SHA256, converter_bytes
from cdc_assets.model.errors import EmbeddedStackError

ROOT = Path(__file__).parents[3]


def _can_build() -> bool:
    """Whether Maven and the JDK are here that the committed bytes come from; another compiler makes others."""
    javac = shutil.which("javac")
    if shutil.which("mvn") is None or javac is None:
        return False
    version = subprocess.run([javac, "-version"], capture_output=True, text=True, check=True)
    return f"{version.stdout}{version.stderr}".startswith("javac 17.")


def test_the_committed_jar_is_the_recorded_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hashlib.sha256(converter_bytes()).hexdigest() == CONVERTER_SHA256
    monkeypatch.setattr(converter, "CONVERTER_SHA256", "0" * 64)
    with pytest.raises(EmbeddedStackError, match="is not the recorded one"):
        converter_bytes()


@pytest.mark.skipif(not _can_build(), reason="needs Maven and a JDK 17 to build the jar again")
def test_the_sources_make_the_committed_jar_to_the_byte(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "connect-plugin", tmp_path / "plugin", ignore=shutil.ignore_patterns("target"))
    subprocess.run(["mvn", "-q", "-B", "package"], cwd=tmp_path / "plugin", check=True)
    assert (tmp_path / "plugin" / "target" / CONVERTER_JAR).read_bytes() == converter_bytes()
