"""`./cdc test` ends with what it started, however it is ended; its exit codes are those of every verb."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from cdc_assets.settings import checkout
from cdc_assets_tests.services.installation import wait_until

_SUITE = """
import os
import subprocess
import threading
from pathlib import Path

import pytest


@pytest.fixture
def server():
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.terminate()
    (Path(__file__).parent / "ended").touch()


def test_that_lasts(server):
    (Path(__file__).parent / "begun").write_text(f"{os.getpid()} {server.pid}")
    threading.Event().wait(600)
"""


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "cdc_assets.cli", "test", "-n", "0", "-p", "no:cacheprovider", *arguments]


def test_a_suite_that_is_ended_ends_its_servers(tmp_path: Path) -> None:
    (tmp_path / "test_lasting.py").write_text(_SUITE)
    with subprocess.Popen(_command(str(tmp_path)), cwd=checkout(), stdout=subprocess.PIPE) as suite:
        begun = tmp_path / "begun"
        text = wait_until(lambda: begun.exists() and begun.read_text(), what="the test has begun", seconds=120)
        pids = [int(pid) for pid in str(text).split()]
        suite.terminate()
        suite.communicate(timeout=60)
    assert suite.returncode == 1
    assert (tmp_path / "ended").exists()
    assert [pid for pid in pids if psutil.pid_exists(pid)] == []


@pytest.mark.parametrize(
    ("body", "arguments", "code"),
    [("assert True", (), 0), ("assert False", (), 1), ("assert True", ("--no-such-option",), 2)],
)
def test_exit_codes(tmp_path: Path, body: str, arguments: tuple[str, ...], code: int) -> None:
    (tmp_path / "test_it.py").write_text(f"def test_it():\n    {body}\n")
    done = subprocess.run(_command(str(tmp_path), *arguments), cwd=checkout(), capture_output=True, check=False)
    assert done.returncode == code, done.stdout.decode() + done.stderr.decode()
