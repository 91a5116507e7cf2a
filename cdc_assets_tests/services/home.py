"""A state directory of a test's own, on which `./cdc` runs as a user runs it."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from cdc_assets.embedded.server_process import free_port
from cdc_assets.settings import Settings, checkout, inherited_environment


@dataclass(frozen=True)
class Home:
    """A state directory with ports of its own, and `./cdc` on it."""

    directory: Path
    ports: dict[str, int]

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in inherited_environment().items() if not name.startswith("CDC_")},
            **{name: str(port) for name, port in self.ports.items()},
            "CDC_HOME": str(self.directory),
            "CDC_ALERTS_FILE": str(self.directory / "alerts.yaml"),
            "CDC_FAST_START": "1",
        }

    def cdc(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(checkout() / "cdc"), *arguments],
            env={**self.environment, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

    @property
    def supervisor(self) -> int:
        return int((self.directory / "stack.lock").read_text())

    @property
    def connect_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['CDC_EMBEDDED_CONNECT_PORT']}"

    def settings(self) -> Settings:
        return Settings.load(home=self.directory, embedded_pg_port=self.ports["CDC_EMBEDDED_PG_PORT"])

    def processes(self) -> list[str]:
        """Command lines of everything that belongs to this directory."""
        found = []
        for process in psutil.process_iter():
            try:
                command, environment = " ".join(process.cmdline()), process.environ()
            except psutil.Error:
                continue
            ours = environment.get("CDC_HOME") == str(self.directory) and process.pid != os.getpid()
            if process.status() != psutil.STATUS_ZOMBIE and (ours or str(self.directory) in command):
                found.append(command[:120])
        return found


@contextmanager
def temporary_home(*ports: str) -> Iterator[Home]:
    """Make a state directory, and a free port for each of the settings `CDC_<name>_PORT`."""
    with tempfile.TemporaryDirectory(prefix="cdc-home-") as directory:
        Path(directory).chmod(0o755)  # as root, PostgreSQL passes through as another user
        yield Home(Path(directory) / "home", {f"CDC_{name}_PORT": free_port() for name in ports})
