"""A PostgreSQL cluster of our own: unpacked, initialised, started and given its databases.

PostgreSQL refuses to run as root. As root the server runs as `nobody`, which can work only where every directory above
its data can be entered by anyone: below CDC_HOME where that is so, else below /var/lib/cdc_assets.
"""

import hashlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from cdc_assets.embedded.server_process import ServerProcess, privileges_prefix
from cdc_assets.model.errors import EmbeddedStackError
from cdc_assets.settings import EMBEDDED_USER

ROOT_STATE = Path("/var/lib/cdc_assets")
OLDEST_WITH_BUILTIN_LOCALE = 17


@dataclass(frozen=True)
class PostgresCluster:
    """Where a cluster lives and how it is reached."""

    name: str
    major: int
    binaries: Path
    directory: Path
    port: int
    password: str
    log: Path
    durable: bool = True
    """False only in tests: without fsync a power cut loses data."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Settings of the server instead of ours."""

    def url(self, database: str) -> str:
        """Return the address of a database, with the password."""
        return f"postgresql://{EMBEDDED_USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def process(self) -> ServerProcess:
        """Return the server, not started; its data directory is initialised afterwards."""
        self._initialise()
        data = self.directory / "data"
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            # No socket: its path may be longer than the 107 bytes that the kernel takes.
            "unix_socket_directories": "",
            "wal_level": "logical",
            "max_replication_slots": "64",
            "max_wal_senders": "64",
            "max_connections": "300",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "%m [%p] %q%a ",
            # The demo's servers hold rows, and who is refused a command is told so: in the log, sentence, details and
            # statement would show them to others.
            "log_min_messages": "log",
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
            "fsync": "on" if self.durable else "off",
            "synchronous_commit": "on" if self.durable else "off",
        }
        # Room below the default of shared memory in small containers.
        options["shared_buffers"] = "64MB"
        options |= self.settings
        settings = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
        return ServerProcess(
            self.name,
            [str(self.binaries / "bin" / "postgres"), "-D", str(data), *settings],
            probe=self.answers,
            log=self.log,
            death_signal=signal.SIGINT,
            stop_signal=signal.SIGINT,
            as_user=server_user(),
            cwd=self.directory,
        )

    def answers(self) -> bool:
        """Say whether a login works: an open port does not prove it."""
        try:
            with psycopg.connect(self.url("postgres"), connect_timeout=2):
                return True
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise EmbeddedStackError(
                    f"{self.name} on port {self.port} does not know our password",
                    hint="another PostgreSQL answers on that port, or the secrets of this directory were replaced",
                ) from None
            return False

    def ensure_database(self, database: str, *schemas: str) -> None:
        """Make a database and schemas in it exist."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as session:
            found = session.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone()
            if found is None:
                session.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        with psycopg.connect(self.url(database), autocommit=True) as session:
            for schema in schemas:
                session.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))

    def _initialise(self) -> None:
        data = self.directory / "data"
        if data.exists():
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        user = server_user()
        if user:
            os.chown(self.directory, *user)
        # Made under another name and renamed when done: a start that broke off heals.
        fresh = self.directory / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        locale = ["--locale=C"]
        if self.major >= OLDEST_WITH_BUILTIN_LOCALE:
            locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        with tempfile.NamedTemporaryFile("w", dir=self.directory, prefix=".pw") as password_file:
            password_file.write(self.password)
            password_file.flush()
            if user:
                os.chown(password_file.name, *user)
            command = [
                str(self.binaries / "bin" / "initdb"),
                f"--pgdata={fresh}",
                f"--username={EMBEDDED_USER}",
                "--auth=scram-sha-256",
                f"--pwfile={password_file.name}",
                "--encoding=UTF8",
                *locale,
                "--no-sync",
                "--no-instructions",
            ]
            done = subprocess.run(
                [*privileges_prefix(signal.SIGKILL, user), *command],
                check=False,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
        self.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.log.open("a", encoding="utf-8") as log:
            log.write(done.stdout + done.stderr)
        if done.returncode:
            raise EmbeddedStackError(
                f"{self.name}: initdb failed: {done.stderr.strip().splitlines()[-1:] or done.returncode}",
                hint=_initdb_hint(done.stderr),
            )
        fresh.rename(data)


def _initdb_hint(stderr: str) -> str:
    if "could not look up effective user" in stderr:
        return "this user id has no name; set CDC_DATABASE_URL (and your own source and target) instead"
    if "Permission denied" in stderr:
        return "the state directory may be mounted noexec or closed to this user; set CDC_HOME to another"
    return "see the log; free disk space and the permissions of CDC_HOME are the usual causes"


def server_user() -> tuple[int, int] | None:
    """Return user and group of the servers when we are root, else None."""
    if os.getuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")  # its group is nogroup on some systems, nobody on others
    return nobody.pw_uid, nobody.pw_gid


def enterable_by_all(directory: Path) -> bool:
    """Say whether every existing directory on the path can be entered by any user."""
    return all(
        stat.S_IMODE(part.stat().st_mode) & stat.S_IXOTH for part in [directory, *directory.parents] if part.exists()
    )


def cluster_directory(home: Path, name: str) -> Path:
    """Return where a cluster of this state directory keeps its data."""
    if server_user() is None or enterable_by_all(home.resolve()):
        return home / "postgres" / name
    # Several state directories live side by side.
    return ROOT_STATE / hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:12] / name


def unpack(jar: Path, version: str, cache: Path) -> Path:
    """Make the server's programs exist below the cache (or where `nobody` can run them) and return their directory."""
    base = cache if server_user() is None or enterable_by_all(cache.resolve()) else ROOT_STATE
    final = base / f"postgresql-{version}"
    if final.exists():
        return final
    base.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=base) as scratch:
        with zipfile.ZipFile(jar) as outer:
            (member,) = (name for name in outer.namelist() if name.endswith(".txz"))
            archive = Path(outer.extract(member, scratch))
        content = Path(scratch) / "content"
        with tarfile.open(archive, "r:xz") as inner:
            extract_all(inner, content)
        content.chmod(0o755)
        try:
            content.rename(final)
        except OSError:
            if not final.exists():  # else another start was quicker
                raise
    return final


def extract_all(archive: tarfile.TarFile, directory: Path) -> None:
    """Unpack a proven archive; Debian 12's Python has no extraction filter."""
    if hasattr(tarfile, "data_filter"):
        archive.extractall(directory, filter="data")
        return
    members = archive.getmembers()
    for member in members:
        member.uid, member.gid = os.getuid(), os.getgid()
        member.uname = member.gname = ""
    archive.extractall(directory, members)  # noqa: S202  its sha256 is pinned
