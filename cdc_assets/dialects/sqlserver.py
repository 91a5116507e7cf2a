"""T-SQL's text: quoting, names that cannot be told apart, rights, and why a server refused, without row values.

Pure; the SQL Server adapter, the stages and preflight use it.
"""

import re
from collections.abc import Mapping, Sequence

from cdc_assets.model.table import TableName

KEY_COLLATION = "Latin1_General_100_BIN2"
"""Tells apart what PostgreSQL tells apart: case, accents, width; blanks at the end no collation sees."""
KEY_CHARACTERS = 450
"""The longest text of a key: 900 bytes of a clustered index, two for each UTF-16 unit."""
INDEX_BYTES = 1700
"""The longest key of a secondary index."""

LIBRARIES: Mapping[str, str] = {
    "libltdl.so.7": "libltdl7",
    "libodbc.so.2": "libodbc2",
    "libkrb5.so.3": "libkrb5-3",
    "libgssapi_krb5.so.2": "libgssapi-krb5-2",
}
"""Shared libraries that the drivers want from the operating system, and Debian's packages that have them."""

_LIBRARY = re.compile(r"\b(lib[\w+.-]+?\.so(?:\.\d+)*)")
# Sentences in which the server prints a row: each begins one, up to the end of the text.
_VALUES_BEGIN = re.compile(
    r"\bThe duplicate key value is|\bTruncated value:|\bstatement has been terminated", re.IGNORECASE
)
_NAMED = "column|table|object|constraint|index|schema|database|login|user|relation|type"
_QUOTED = re.compile(
    rf"(?P<named>\b(?:{_NAMED})\s+)?(?P<quote>[\"'])(?P<inner>.*?)(?P=quote)", re.IGNORECASE | re.DOTALL
)
_ORIGIN = re.compile(r"\[[^\[\]]*\](?=\[|\w)")


def quote(name: str) -> str:
    """Quote an identifier; ValueError for what no identifier can be."""
    if not name or "\0" in name:
        msg = "an identifier is neither empty nor holds a NUL"
        raise ValueError(msg)
    return "[" + name.replace("]", "]]") + "]"


def quote_table(table: TableName) -> str:
    """Quote a table with its schema."""
    return f"{quote(table.schema)}.{quote(table.name)}"


def quote_columns(columns: Sequence[str]) -> str:
    """Quote a list of columns."""
    return ", ".join(quote(column) for column in columns)


def literal(text: str) -> str:
    """Quote a string for statements that take no bound value."""
    return "N'" + text.replace("'", "''") + "'"


def names_equal_without_case(names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Groups of names that are one to a server that compares them by a collation without case."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.casefold(), []).append(name)
    return tuple(tuple(group) for group in groups.values() if len(set(group)) > 1)


def missing_library(error: str) -> tuple[str, str] | None:
    """The shared library that a driver could not load, and the command that installs it; None for another error."""
    found = _LIBRARY.search(error)
    if found is None:
        return None
    library = found[1]
    return library, f"apt-get install {LIBRARIES[library]}" if library in LIBRARIES else f"install {library}"


def refusal(message: str) -> str:
    """Say in one line why the server or the driver refused, without what may be a row's value."""
    text = _VALUES_BEGIN.split(message, maxsplit=1)[0]
    text = _QUOTED.sub(_keep_names, text)
    text = _ORIGIN.sub("", text)
    return " ".join(text.split()).rstrip(" .;:") or "no reason was given"


def _keep_names(quoted: re.Match[str]) -> str:
    return quoted[0] if quoted["named"] else f"{quoted['quote']}...{quoted['quote']}"
