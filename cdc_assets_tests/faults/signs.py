"""What shows a fault to a user: the events to look for, and sentences without the names of one test run."""

import re
import subprocess
from collections.abc import Callable
from typing import Any

# Names and places of one test run, which would make each printed table another one.
_OWN = re.compile(
    r"\b(?P<root>cdc_f_[0-9a-f]{6}_\d+_[0-9a-f]{6})|\b(?P<name>f_[0-9a-f]+)\w*|(?P<host>127\.0\.0\.1:\d+)|\b(?P<end>source|target|src|tgt)_[0-9a-f]{6,8}\b|"
    r"(?P<run>[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})|(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\S*( UTC)?)|"
    r"(?P<process>\b(pid|process) \d+)"
)
_AS = {"root": "cdc_P", "name": "P", "host": "HOST", "run": "ID", "time": "TIME", "process": "pid N"}


def is_error(event: dict[str, Any]) -> bool:
    """Whether the pipeline is said to be in ERROR from here on."""
    return bool(event["field"] == "status" and event["new_value"] == "ERROR")


def is_table_in(table: str, *states: str) -> Callable[[dict[str, Any]], bool]:
    """Look for the event with which a table comes to one of these states."""
    return lambda event: bool(
        event["field"] == "state" and event["table_name"] == table and event["new_value"] in states
    )


def says(pattern: str) -> Callable[[dict[str, Any]], bool]:
    """Look for the event that names this cause of an error; what broke first may have been told before."""

    def is_sign(event: dict[str, Any]) -> bool:
        sentence = event["new_value"] if event["field"] == "last_error" else event["cause"] if is_error(event) else None
        return re.search(pattern, sentence or "") is not None

    return is_sign


def is_wait(event: dict[str, Any]) -> bool:
    """Whether the pipeline is said to wait for somebody."""
    return bool(event["field"] == "last_error" and event["cause"] == "WAITING")


def is_death(event: dict[str, Any]) -> bool:
    """Whether the run is said to have died."""
    return bool(event["field"] == "run" and (event["cause"] or "").startswith("RUN_DIED"))


def plain(sentence: str) -> str:
    """A sentence without the names of this test run."""
    return _OWN.sub(lambda match: match["end"] or _AS[match.lastgroup or "name"], sentence).strip()


def told(done: subprocess.CompletedProcess[str]) -> str:
    """The error with which a command ended, in one line, without the names of this test run."""
    return plain(" ".join((done.stdout + done.stderr).rpartition("error:")[2].split()))
