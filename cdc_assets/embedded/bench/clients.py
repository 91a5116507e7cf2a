"""PostgreSQL's own client programs, which the embedded servers do not bring: found on this machine, or asked for."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cdc_assets.model.errors import BenchError

_PROGRAMS = ("psql", "pg_dump", "pg_restore")
# The programs themselves: what lies on Debian's PATH is a script that looks for them, and costs time of its own.
_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")


@dataclass(frozen=True, slots=True)
class ClientPrograms:
    """Where they are, and of which version."""

    directory: Path
    version: str

    def path(self, program: str) -> str:
        """Return the path of one."""
        return str(self.directory / program)


def find_clients(major: int, directory: Path | None) -> ClientPrograms:
    """Return programs that fit a server of that version: of those as new or newer, the oldest.

    BenchError when there are none; it names what to install.
    """
    found = [clients for place in _candidates(directory) if (clients := _clients(place)) is not None]
    fitting = sorted((clients for clients in found if _major(clients) >= major), key=_major)
    if not fitting:
        what = ", ".join(f"{clients.directory} ({clients.version})" for clients in found) or "none"
        raise BenchError(
            f"psql, pg_dump and pg_restore of PostgreSQL {major} or later are needed to compare with; found: {what}",
            hint=f"install them (Debian: postgresql-client-{major}), or name their directory with --client-bin",
        )
    return fitting[0]


def _candidates(directory: Path | None) -> list[Path]:
    if directory is not None:
        return [directory]
    found = [path for place in _PLACES for path in sorted(Path("/").glob(place.lstrip("/")))]
    on_path = shutil.which("pg_dump")
    return [*found, Path(on_path).parent] if on_path else found


def _clients(directory: Path) -> ClientPrograms | None:
    if not all((directory / program).is_file() for program in _PROGRAMS):
        return None
    told = subprocess.run([str(directory / "pg_dump"), "--version"], check=False, capture_output=True, text=True)
    version = re.search(r"(\d+)[.\w]*", told.stdout)
    return ClientPrograms(directory, version.group(0)) if version else None


def _major(clients: ClientPrograms) -> int:
    return int(re.split(r"\D", clients.version, maxsplit=1)[0])
