"""Fetch the files of `jars.lock` into a store and prove each by its checksum.

The store is `<cache>/<sha256>/<name>`, shared by all checkouts of a user. A file is taken from ~/.m2 when the right one
is there, else fetched, eight at a time. Nothing under a final name is ever incomplete: a broken fetch repeats.
"""

import hashlib
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from xml.etree import ElementTree as ET

import requests
from jgo.maven import MavenContext, PythonResolver
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from cdc_assets.model.errors import EmbeddedStackError

FETCH_THREADS = 8
FETCH_ATTEMPTS = 4
FETCH_TIMEOUT_SECONDS = 30
MAVEN_HOME = Path.home() / ".m2"

Progress = Callable[[str, int], None]
"""Called with a file's name and the number of bytes that have just arrived."""


@dataclass(frozen=True)
class Jar:
    """One pinned file."""

    part: str
    platform: str
    sha256: str
    size_bytes: int
    group: str
    artifact: str
    version: str
    classifier: str
    extension: str

    @property
    def name(self) -> str:
        """File name, as Maven writes it."""
        classifier = f"-{self.classifier}" if self.classifier else ""
        return f"{self.artifact}-{self.version}{classifier}.{self.extension}"

    @property
    def coordinates(self) -> str:
        """Name for people."""
        return f"{self.group}:{self.artifact}:{self.version}"

    @property
    def maven_path(self) -> Path:
        """Place in a local Maven repository."""
        return Path(*self.group.split("."), self.artifact, self.version, self.name)


class NotPinnedError(EmbeddedStackError):
    """A fetched file is not the one in the lock."""


@dataclass(frozen=True)
class JarStore:
    """The store below one directory, and how missing files are fetched."""

    directory: Path
    offline: bool = False
    mirror: str | None = None

    def ensure(self, jars: Iterable[Jar], progress: Progress | None = None) -> dict[Jar, Path]:
        """Return the path of every file; all are there and proven when they were put there.

        Raises EmbeddedStackError naming the first file that cannot be had; a rerun continues with the missing ones.
        """
        wanted = list(jars)
        missing = [jar for jar in wanted if not self._path(jar).exists()]
        if missing:
            mirror = self.mirror or configured_mirror(MAVEN_HOME / "settings.xml")
            with ThreadPoolExecutor(FETCH_THREADS) as pool:
                for _ in pool.map(lambda jar: self._obtain(jar, mirror, progress), missing):
                    pass
        return {jar: self._path(jar) for jar in wanted}

    def missing(self, jars: Iterable[Jar]) -> list[Jar]:
        """Return what would have to be fetched."""
        return [jar for jar in jars if not self._path(jar).exists()]

    def _path(self, jar: Jar) -> Path:
        return self.directory / jar.sha256 / jar.name

    def _obtain(self, jar: Jar, mirror: str | None, progress: Progress | None) -> None:
        final = self._path(jar)
        final.parent.mkdir(parents=True, exist_ok=True)
        # On the store's own file system, so that the rename is atomic.
        with tempfile.TemporaryDirectory(dir=self.directory) as scratch:
            local = MAVEN_HOME / "repository" / jar.maven_path
            part = Path(scratch) / jar.name
            if local.is_file() and local.stat().st_size == jar.size_bytes:
                shutil.copyfile(local, part)
            if not part.exists() or checksum(part) != jar.sha256:
                part = self._fetch(jar, Path(scratch), mirror, progress)
            elif progress:
                progress(jar.name, jar.size_bytes)
            part.replace(final)

    def _fetch(self, jar: Jar, scratch: Path, mirror: str | None, progress: Progress | None) -> Path:
        if self.offline:
            raise EmbeddedStackError(
                f"{jar.coordinates} is not there and CDC_OFFLINE is set",
                hint="unset CDC_OFFLINE for one start, or copy ~/.m2/repository from a machine that has it",
            )
        attempts = Retrying(
            stop=stop_after_attempt(FETCH_ATTEMPTS),
            wait=wait_exponential(multiplier=0.5, max=8),
            # jgo answers a status other than 200 with a bare RuntimeError.
            retry=retry_if_exception_type((requests.RequestException, OSError, RuntimeError, NotPinnedError)),
            reraise=True,
        )
        try:
            for attempt in attempts:
                with attempt:
                    return self._fetch_once(jar, scratch / str(attempt.retry_state.attempt_number), mirror, progress)
        except (requests.RequestException, OSError, RuntimeError) as error:
            raise EmbeddedStackError(
                f"could not fetch {jar.coordinates} after {FETCH_ATTEMPTS} tries: {_reason(error)}",
                hint="check the network, or set a mirror in ~/.m2/settings.xml or CDC_MAVEN_MIRROR; "
                "a rerun continues where this one stopped",
            ) from error
        raise AssertionError  # pragma: no cover  the loop returns or raises

    @staticmethod
    def _fetch_once(jar: Jar, scratch: Path, mirror: str | None, progress: Progress | None) -> Path:
        @contextmanager
        def report(name: str, _total: int) -> Iterator[Callable[[int], None]]:
            yield lambda count: progress(name, count) if progress else None

        context = MavenContext(
            resolver=PythonResolver(progress_callback=report),
            repo_cache=scratch,
            local_repos=[],
            remote_repos={"mirror": mirror} if mirror else None,
            timeout=FETCH_TIMEOUT_SECONDS,
        )
        component = context.project(jar.group, jar.artifact).at_version(jar.version)
        fetched = Path(component.artifact(jar.classifier, jar.extension).resolve())
        found = checksum(fetched)
        if found != jar.sha256:
            raise NotPinnedError(
                f"file {jar.name} is not the pinned one (got sha256 {found[:12]}, want {jar.sha256[:12]}): not used",
                hint="rerun; if it repeats, the mirror or a proxy alters files: ask who runs it",
            )
        return fetched


def checksum(file: Path) -> str:
    """Return the sha256 of a file in hex."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def locked_jars(*parts: str) -> list[Jar]:
    """Return the files of these parts for this machine; raises EmbeddedStackError where there is none for it."""
    here = platform_name()
    jars = []
    for line in resources.files("cdc_assets.embedded").joinpath("jars.lock").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        part, machine, sha256, size, coordinates = line.split()
        if part in parts and machine in {"any", here}:
            jars.append(Jar(part, machine, sha256, int(size), *coordinates.split(":")))
    absent = set(parts) - {jar.part for jar in jars}
    if absent:
        raise EmbeddedStackError(
            f"there is no {', '.join(sorted(absent))} for {here}",
            hint="Linux with glibc (x86-64, arm64) or macOS is needed for the embedded servers; "
            "elsewhere set CDC_DATABASE_URL, CDC_KAFKA_BOOTSTRAP and CDC_CONNECT_URL",
        )
    return jars


def platform_name() -> str:
    """Return the machine as the lock names it, such as linux-x86_64."""
    system = platform.system().lower()
    if system == "linux" and platform.libc_ver()[0] != "glibc":
        system = "linux-musl"
    return f"{system}-{platform.machine()}"


def configured_mirror(settings_file: Path) -> str | None:
    """Return the mirror of central that Maven's settings name, if any; the file may or may not carry a namespace."""
    if not settings_file.exists():
        return None
    try:
        root = ET.parse(settings_file).getroot()  # noqa: S314  the user's own file
    except ET.ParseError:
        # Maven itself would refuse the file; without a mirror the fetch says what is wrong with the network.
        return None
    for mirror in root.iterfind("{*}mirrors/{*}mirror"):
        covers = {name.strip() for name in (mirror.findtext("{*}mirrorOf") or "").split(",")}
        url = mirror.findtext("{*}url")
        if url and covers & {"*", "central", "external:*"} and "!central" not in covers:
            return url.strip()
    return None


def link_all(files: Iterable[Path], directory: Path) -> None:
    """Make a directory hold exactly these files, as hard links where the file system allows, else as copies."""
    fresh = directory.with_name(directory.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for file in files:
        try:
            os.link(file, fresh / file.name)
        except OSError:
            shutil.copyfile(file, fresh / file.name)
    shutil.rmtree(directory, ignore_errors=True)
    fresh.rename(directory)


def _reason(error: Exception) -> str:
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return "the server's certificate is not in the system's store"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    if isinstance(error, RuntimeError):
        return "the server does not offer it"
    return type(error).__name__
