"""Write cdc_assets/embedded/jars.lock from pom.xml and the artifacts below; for maintainers, needs Maven.

Run `python packaging/lock_jars.py` after a change of a version. Every line of the lock is one file:
part, platform, sha256, size in bytes, coordinates (group:artifact:version:classifier:extension).
"""

import hashlib
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
LOCK = HERE.parent / "cdc_assets" / "embedded" / "jars.lock"
REPOSITORY = Path.home() / ".m2" / "repository"
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"
POSTGRES = "io.zonky.test.postgres:embedded-postgres-binaries"
PLATFORMS = {
    "linux-x86_64": "linux-amd64",
    "linux-aarch64": "linux-arm64v8",
    "darwin-x86_64": "darwin-amd64",
    "darwin-arm64": "darwin-arm64v8",
}
EXTRA = [
    ("source-plugin", "any", "io.debezium:debezium-connector-postgres:3.7.0.Final:plugin:tar.gz"),
    ("sink-plugin", "any", "io.debezium:debezium-connector-jdbc:3.6.0.Final:plugin:tar.gz"),
    ("sink-driver", "any", "org.postgresql:postgresql:42.7.13::jar"),
    *(("postgres-18", name, f"{POSTGRES}-{slug}:18.6.0::jar") for name, slug in PLATFORMS.items()),
    # A second, older server for tests: its behaviour differs (no publish_generated_columns, other snapshots).
    *(("postgres-15", name, f"{POSTGRES}-{slug}:15.15.0::jar") for name, slug in PLATFORMS.items()),
]


def maven(*arguments: str) -> None:
    """Run Maven in this directory; a failure ends the script with Maven's own words."""
    subprocess.run(["mvn", "-q", "-B", *arguments], cwd=HERE, check=True)


def libraries() -> list[tuple[str, str, str]]:
    """Return the class path of broker and worker, as Maven resolves it."""
    with tempfile.NamedTemporaryFile("r", suffix=".txt") as listing:
        maven(f"{PLUGIN}:list", f"-DoutputFile={listing.name}", "-DincludeScope=runtime")
        rows = [line.split()[0] for line in listing if ":jar:" in line]
    found = []
    for row in rows:
        group, artifact, extension, *classifier, version, _scope = row.split(":")
        found.append(("library", "any", f"{group}:{artifact}:{version}:{''.join(classifier)}:{extension}"))
    return sorted(found)


def local_file(coordinates: str) -> Path:
    """Return where Maven keeps the artifact; the file is there afterwards."""
    group, artifact, version, classifier, extension = coordinates.split(":")
    name = f"{artifact}-{version}{'-' + classifier if classifier else ''}.{extension}"
    path = REPOSITORY / group.replace(".", "/") / artifact / version / name
    if not path.exists():
        spec = f"{group}:{artifact}:{version}:{extension}{':' + classifier if classifier else ''}"
        maven(f"{PLUGIN}:get", f"-Dartifact={spec}", "-Dtransitive=false")
    return path


def main() -> None:
    """Resolve everything and write the lock."""
    lines = ["# made by packaging/lock_jars.py: part platform sha256 bytes group:artifact:version:classifier:extension"]
    for part, platform, coordinates in [*libraries(), *EXTRA]:
        content = local_file(coordinates).read_bytes()
        lines.append(f"{part} {platform} {hashlib.sha256(content).hexdigest()} {len(content)} {coordinates}")
    LOCK.write_text("\n".join(lines) + "\n")
    print(f"{LOCK}: {len(lines) - 1} files")  # noqa: T201  a script talks to its user


if __name__ == "__main__":
    main()
