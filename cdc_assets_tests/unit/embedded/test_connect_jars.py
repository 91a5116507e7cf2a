"""The committed jars of ours are those that were recorded, and what their sources make."""

import hashlib
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from cdc_assets.embedded.connect_jars import CONNECT_JARS, ConnectJar
from cdc_assets.model.errors import EmbeddedStackError

ROOT = Path(__file__).parents[3]


def _can_build() -> bool:
    """Whether Maven and the JDK are here that the committed bytes come from; another compiler makes others."""
    javac = shutil.which("javac")
    if shutil.which("mvn") is None or javac is None:
        return False
    version = subprocess.run([javac, "-version"], capture_output=True, text=True, check=True)
    return f"{version.stdout}{version.stderr}".startswith("javac 17.")


@pytest.mark.parametrize("jar", CONNECT_JARS, ids=lambda jar: jar.name)
def test_a_committed_jar_is_the_recorded_one(jar: ConnectJar) -> None:
    assert hashlib.sha256(jar.content()).hexdigest() == jar.sha256
    with pytest.raises(EmbeddedStackError, match="is not the recorded one"):
        replace(jar, sha256="0" * 64).content()


@pytest.mark.skipif(not _can_build(), reason="needs Maven and a JDK 17 to build the jars again")
def test_the_sources_make_the_committed_jars_to_the_byte(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "connect-plugin", tmp_path / "plugin", ignore=shutil.ignore_patterns("target"))
    subprocess.run(["mvn", "-q", "-B", "package"], cwd=tmp_path / "plugin", check=True)
    for jar in CONNECT_JARS:
        assert (tmp_path / "plugin" / "target" / jar.name).read_bytes() == jar.content(), jar.name
