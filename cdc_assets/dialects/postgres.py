"""PostgreSQL's text: quoting, session settings, type names, and which defaults and expressions mean the same elsewhere.

Pure; the PostgreSQL adapters and `stages/prepare` use it.
"""

import re
from collections.abc import Mapping, Sequence

from cdc_assets.model.pipeline import Endpoint
from cdc_assets.model.table import ColumnType, TableName

SYSTEM_SCHEMA = "pg_catalog"
BASE_TYPES_WITHOUT_SCHEMA = frozenset({"citext", "hstore", "ltree"})
"""Types of extensions: the name without a schema finds them wherever the target keeps the extension."""

SESSION_SETTINGS: Mapping[str, str] = {
    # Text that is compared or shown must not depend on the role's or the database's settings.
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "client_encoding": "UTF8",
    "standard_conforming_strings": "on",
    # A load holds its sessions for hours.
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    # A chunk that was acknowledged must outlive the server's crash, whatever the server's default is.
    "synchronous_commit": "on",
    # Rows that a policy hides are an error, never missing.
    "row_security": "off",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    # An empty path: names in the catalog's text forms are then complete.
    "search_path": "",
}
"""What every session of ours is set to, on source and target."""
SESSION_SETTINGS_17: Mapping[str, str] = {"transaction_timeout": "0"}
"""The settings that exist since PostgreSQL 17."""

_MAX_NAME_BYTES = 63
_CAST = r"""(?:::[\w ."]+(?:\([\d, ]+\))?(?:\[\])?)*"""
_CONSTANT = re.compile(
    rf"\(*(?P<value>E?'(?:[^']|'')*'|-?\d+(?:\.\d+)?|true|false|NULL)\)?{_CAST}\)?{_CAST}", re.IGNORECASE
)
_STRINGS_INSIDE = re.compile(r"E?'(?:[^']|'')*'")
_QUALIFIED_NAME = re.compile(r'[A-Za-z_"$][\w$"]*\s*\.\s*["A-Za-z_+*/<>=~!@#%^&|`?-]')


def quote(name: str) -> str:
    """Quote an identifier; ValueError for what no identifier can be."""
    if not name or "\0" in name:
        msg = "an identifier is neither empty nor holds a NUL"
        raise ValueError(msg)
    return '"' + name.replace('"', '""') + '"'


def quote_table(table: TableName) -> str:
    """Quote a table with its schema."""
    return f"{quote(table.schema)}.{quote(table.name)}"


def quote_columns(columns: Sequence[str]) -> str:
    """Quote a list of columns."""
    return ", ".join(quote(column) for column in columns)


def literal(text: str) -> str:
    """Quote a string for SQL that cannot take a bound value, such as DDL."""
    return (
        "'" + text.replace("'", "''") + "'"
        if "\\" not in text
        else "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
    )


def application_name(pipeline: str, epoch: int) -> str:
    """Name our sessions so that those of a dead run can be told and ended."""
    return f"{application_prefix(pipeline)}{epoch}"


def application_prefix(pipeline: str) -> str:
    """Begin of the names of all our sessions of a pipeline."""
    return f"cdc_assets:{pipeline}:"


def connection_parameters(endpoint: Endpoint, *, application: str) -> dict[str, str | int]:
    """Return libpq's parameters of a connection, without the password."""
    connection = endpoint.connection
    parameters: dict[str, str | int] = {
        "host": connection.host,
        "port": connection.port,
        "user": connection.user,
        "dbname": endpoint.database,
        "application_name": application,
        "sslmode": connection.tls.mode,
        "connect_timeout": 10,
        "keepalives": 1,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "client_encoding": "UTF8",
    }
    if connection.tls.ca_file is not None:
        parameters["sslrootcert"] = str(connection.tls.ca_file)
    return parameters


def session_settings(server_version: int) -> Mapping[str, str]:
    """Return the settings for a session on a server of that `server_version_num`."""
    return {**SESSION_SETTINGS, **SESSION_SETTINGS_17} if server_version >= 170000 else SESSION_SETTINGS  # noqa: PLR2004


def type_sql(column_type: ColumnType, *, user_schema: str | None = None) -> str:
    """Write a column's type without its domain; an enum stands in `user_schema`, by default where it is now."""
    if column_type.base_category == "e":
        return f"{quote(user_schema or column_type.base_schema)}.{quote(column_type.base)}"
    if column_type.base in BASE_TYPES_WITHOUT_SCHEMA:
        return column_type.base
    return column_type.base_formatted or column_type.formatted


def constant_default(expression: str | None) -> str | None:
    """Return a default that means the same in another database (a constant, without its cast), else None.

    Sequences, functions and expressions stay behind: the rows arrive complete, with the values the source gave them.
    """
    if expression is None:
        return None
    match = _CONSTANT.fullmatch(expression.strip())
    return match["value"] if match else None


def is_portable_expression(expression: str) -> bool:
    """Whether an expression, printed under an empty search path, names nothing outside the system's schema."""
    return _QUALIFIED_NAME.search(_STRINGS_INSIDE.sub("''", expression)) is None


def names_column(expression: str, column: str) -> bool:
    """Whether an expression may use that column; a word of that name that means something else counts as well."""
    bare = _STRINGS_INSIDE.sub("''", expression)
    return quote(column) in bare or re.search(rf"(?<![\w$\"]){re.escape(column)}(?![\w$\"])", bare) is not None


def index_name(wanted: str, table: TableName, number: int) -> str:
    """Return another name for an index whose name is taken in the target schema, within PostgreSQL's 63 bytes."""
    tail = f"_cdc{number}"
    stem = f"{table.name}_{wanted}".encode()[: _MAX_NAME_BYTES - len(tail)].decode(errors="ignore")
    return stem + tail


def refusal(name: str, sqlstate: str | None, primary: str | None, *, hides_values: bool) -> str:
    """Say why a server refused, without the detail lines that hold row values.

    What was raised by a function is left out: its words may be a row's. Of refused values (class 22) and, where
    `hides_values`, of everything but broken constraints (class 23), whose sentences quote names only, quoted words are
    left out.
    """
    text = primary or ""
    kind = (sqlstate or "")[:2]
    if kind == "P0":
        text = "a function or trigger of the server raised an error"
    elif kind == "22" or (hides_values and kind != "23"):
        text = re.sub(r'"[^"]*"', '"..."', text)
        text = re.sub(r"'[^']*'", "'...'", text)
    return f"{text or name} ({name}{', SQLSTATE ' + sqlstate if sqlstate else ''})"
