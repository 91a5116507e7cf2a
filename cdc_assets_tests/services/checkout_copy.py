"""A checkout of a test's own: what lies beside its `./cdc` is the test's, such as cdc_assets.toml.

`Copy.cdc` runs `./cdc` as a user does. `Console` is for tables of many cases: it loads the command line once and forks
a process for each, because loading takes longer than most refusals.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from cdc_assets.settings import inherited_environment
from cdc_assets_tests.services.installation import CHECKOUT

_SERVER = """\
import json, os, sys, tempfile, traceback
from importlib import import_module
from cdc_assets.cli import SCRIPT, main
from cdc_assets.cli.verbs import VERBS

for verb in VERBS.values():
    import_module(f"cdc_assets.cli.{verb.module}")

def run(asked):
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = [SCRIPT, *asked["arguments"]]
    try:
        main(SCRIPT)
    except SystemExit as end:
        return end.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0

for line in sys.stdin:
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as error:
        child = os.fork()
        if not child:
            for number, stream in enumerate((open(os.devnull), output, error)):
                os.dup2(stream.fileno(), number)
            code = run(json.loads(line))
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        told = []
        for stream in (output, error):
            stream.seek(0)
            told.append(stream.read().decode())
    print(json.dumps([status, *told]), flush=True)
"""


class Told(NamedTuple):
    """How a process ended: its code, and what it said to whom."""

    code: int
    output: str
    error: str


@dataclass(frozen=True)
class Console:
    """The loaded command line of a copy."""

    copy: "Copy"
    process: subprocess.Popen[str]

    def tell(self, *arguments: str, **variables: str) -> Told:
        """Run the command line in a process of its own."""
        asked = {"arguments": arguments, "environment": {**self.copy.environment, **variables}}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return Told(*json.loads(self.process.stdout.readline()))


@dataclass(frozen=True)
class Copy:
    """The copy, with an empty installation beside it."""

    directory: Path

    @classmethod
    def make(cls, directory: Path) -> "Copy":
        """Copy what `./cdc` needs; it takes the packages that are installed already."""
        checkout = directory / "checkout"
        shutil.copytree(CHECKOUT / "cdc_assets", checkout / "cdc_assets")
        for name in ("cdc", "requirements.lock", "dagster.yaml", "workspace.yaml"):
            shutil.copy2(CHECKOUT / name, checkout / name)
        programs = checkout / ".venv" / "bin"
        programs.mkdir(parents=True)
        python = programs / "python"
        python.write_text(f'#!/bin/sh\nPYTHONPATH="{checkout}" exec "{sys.executable}" "$@"\n')
        python.chmod(0o755)
        with (checkout / "requirements.lock").open("rb") as lock:
            checksum = subprocess.run(["cksum"], stdin=lock, capture_output=True, text=True, check=True)
        (checkout / ".venv" / ".ready").write_text(f"{checksum.stdout.strip()} {checkout.resolve()}\n")
        (directory / "pipelines").mkdir()
        (directory / "connections.yaml").write_text("{}\n")
        return cls(directory)

    @property
    def checkout(self) -> Path:
        return self.directory / "checkout"

    @property
    def environment(self) -> dict[str, str]:
        kept = inherited_environment().items()
        return {
            **{key: value for key, value in kept if not key.startswith(("CDC_", "DAGSTER_"))},
            "PYTHONPATH": str(self.checkout),
            "CDC_HOME": str(self.directory / "home"),
            "CDC_PIPELINES_DIR": str(self.directory / "pipelines"),
            "CDC_CONNECTIONS_FILE": str(self.directory / "connections.yaml"),
        }

    def cdc(self, *arguments: str, **variables: str) -> Told:
        """Run `./cdc` of the copy."""
        done = subprocess.run(
            [str(self.checkout / "cdc"), *arguments],
            cwd=self.checkout,
            env={**self.environment, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return Told(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def console(self) -> Iterator[Console]:
        """Load the command line; it ends with the block."""
        with subprocess.Popen(
            [sys.executable, "-c", _SERVER],
            cwd=self.checkout,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            yield Console(self, process)

    def files(self) -> dict[str, str]:
        """Everything that is there, without what Python caches."""
        return {
            str(path.relative_to(self.directory)): str(path.stat().st_mtime_ns) if path.is_file() else ""
            for path in self.directory.rglob("*")
            if "__pycache__" not in path.parts
        }
