"""A disk of the target server that can be full."""

import contextlib
import os
import resource
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

from cdc_assets.embedded.postgres import server_user

_SIZE_MB = 128
# Beyond the server's own files of 16 MB, below what `Scene.write_large` needs.
_LARGEST_FILE_BYTES = 17 << 20


class Disk(Protocol):
    """`tablespace`: where the pipeline's tables go, None for the server's default; `reason`: what the server says."""

    kind: str
    reason: str
    tablespace: Path | None

    def fill(self) -> None:
        """Nothing more can be written."""

    def free(self) -> None:
        """Something can."""

    def remove(self) -> None:
        """Give everything back; its server has ended."""


@dataclass
class SmallFileSystem:
    """A file system in memory, filled by a file of ours."""

    mount: Path
    tablespace: Path | None
    kind: str = "a file system of its own"
    reason: str = "No space left on device"

    def fill(self) -> None:
        with (self.mount / "ballast").open("ab") as ballast:
            left = os.statvfs(self.mount)
            os.posix_fallocate(ballast.fileno(), ballast.tell(), left.f_bavail * left.f_frsize)

    def free(self) -> None:
        (self.mount / "ballast").unlink(missing_ok=True)

    def remove(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.mount)], check=True)


@dataclass
class FileLimit:
    """Where no file system can be mounted: the server's processes may not make a file larger than this."""

    postmaster: Callable[[], psutil.Process]
    kind: str = "files limited to 17 MB"
    reason: str = "File too large"
    tablespace: Path | None = None

    def fill(self) -> None:
        self._limit(_LARGEST_FILE_BYTES)

    def free(self) -> None:
        self._limit(resource.RLIM_INFINITY)

    def remove(self) -> None:
        """Nothing was made."""

    def _limit(self, largest: int) -> None:
        postmaster = self.postmaster()
        for process in (postmaster, *postmaster.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)[1]
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (largest, hard))


def make_disk(directory: Path, postmaster: Callable[[], psutil.Process]) -> Disk:
    """A small file system below the directory, or a limit where this user may not mount one."""
    mount = directory / "small-disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE_MB}m,mode=0755", "tmpfs", str(mount)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        mount.rmdir()
        return FileLimit(postmaster)
    tables = mount / "tables"
    tables.mkdir(mode=0o700)
    user = server_user()
    if user:
        os.chown(tables, *user)
    return SmallFileSystem(mount, tables)
