"""What an address or a path must look like; no refusal repeats the value, which may hold a password."""

import os.path
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

_LARGEST_PORT = 65535


def database_url(value: str) -> str:
    """Return the URL of a PostgreSQL database, or raise ValueError."""
    parts = _split(value)
    database = parts.path.removeprefix("/") if parts else ""
    if parts is None or parts.scheme not in {"postgresql", "postgres"} or not database:
        msg = (
            "must look like postgresql://user:password@host:5432/database, "
            "with %40 for @, %3A for : and %2F for / in the password"
        )
        raise ValueError(msg)
    try:
        conninfo_to_dict(value)
    except ProgrammingError:
        # Its words hold the value.
        msg = "has a connection option that PostgreSQL does not know, after ?: correct or remove it"
        raise ValueError(msg) from None
    return value


def http_url(value: str) -> str:
    """Return the URL of a server without its last slash, or raise ValueError."""
    return _http(value, "http://host:8083")


def mirror_url(value: str) -> str:
    """Return the URL of a repository without its last slash, or raise ValueError."""
    return _http(value, "https://mirror.example.org/maven2")


def bootstrap(value: str) -> str:
    """Return the addresses of Kafka brokers, or raise ValueError."""
    for server in value.split(","):
        host, _, port = server.strip().rpartition(":")
        if not host or "/" in host or not port.isdecimal() or not 1 <= int(port) <= _LARGEST_PORT:
            msg = "must look like host:9092 or host1:9092,host2:9092"
            raise ValueError(msg)
    return value


def expanded(path: Path) -> Path:
    """Return the path with ~ replaced by the home it stands for, or raise ValueError."""
    if not str(path).isprintable():
        msg = "holds control characters: write a path without them"
        raise ValueError(msg)
    try:
        return path.expanduser()
    except RuntimeError:
        msg = "names the home of a user who does not exist here: write the path from / on"
        raise ValueError(msg) from None


def directory(path: Path) -> Path:
    """Return the path of what is, or may become, a directory, or raise ValueError."""
    # os.path: a path below a file, or one that may not be looked at, is no error there.
    existing = next((part for part in (path, *path.parents) if os.path.exists(part)), None)  # noqa: PTH110
    if existing is not None and not existing.is_dir():
        msg = f"{existing} is a file: name a directory"
        raise ValueError(msg)
    return path


def is_loopback(host: str) -> bool:
    """Say whether a listening address can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _http(value: str, example: str) -> str:
    parts = _split(value)
    if parts is None or parts.scheme not in {"http", "https"}:
        msg = f"must look like {example}"
        raise ValueError(msg)
    return value.rstrip("/")


def _split(value: str) -> SplitResult | None:
    """Part a URL; None when it names no host, or a port that is none."""
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        # Its words hold a piece of the value.
        return None
    return parts if parts.hostname and port != 0 and not any(map(str.isspace, value)) else None
