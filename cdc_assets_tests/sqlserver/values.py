"""Values of both sides made comparable, by other means than the product's.

What SQL Server holds as text for another type of PostgreSQL is cast back by PostgreSQL and compared as it prints it;
everything else is compared as Python's drivers read it, numbers without the zeros behind their last digit.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import sql

from cdc_assets.dialects.postgres import SESSION_SETTINGS
from cdc_assets.dialects.sqlserver import quote_columns
from cdc_assets_tests.sqlserver.server import SqlServer

_SAME_TEXT = {"text", "varchar", "name"}
_READ_AS = {"float4": "{}::float8", "money": "{}::numeric", "bit": "({} = B'1')", "oid": "{}::int8"}
_NATIVE = {"bool", "int2", "int4", "int8", "float8", "numeric", "uuid", "bytea", "date", "time", "timestamp"}
_NATIVE |= {"timestamptz", *_READ_AS}
_COLUMNS = """
WITH RECURSIVE bases AS (
    SELECT a.attnum, a.attname, format_type(a.atttypid, a.atttypmod) AS declared, t.typname, t.typbasetype
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = format('public.%%I', %(table)s::text)::regclass AND a.attnum > 0 AND NOT a.attisdropped
        AND a.attgenerated <> 'v'
    UNION ALL
    SELECT b.attnum, b.attname, b.declared, t.typname, t.typbasetype
    FROM bases b JOIN pg_type t ON t.oid = b.typbasetype
)
SELECT b.attname::text, b.declared, b.typname::text, coalesce(i.indkey::int2[] @> ARRAY[b.attnum], false)
FROM bases b LEFT JOIN pg_index i ON i.indrelid = format('public.%%I', %(table)s::text)::regclass AND i.indisprimary
WHERE b.typbasetype = 0 ORDER BY b.attnum
"""
_Rows = Mapping[tuple[object, ...], list[tuple[object, ...]]]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the source: its declared type, the built-in one below its domains, whether it is of the key."""

    name: str
    declared: str
    base: str
    is_key: bool

    @property
    def is_native(self) -> bool:
        """Whether both sides have a value of one kind: a single bit is one, several are text in the target."""
        return self.base in _NATIVE and (self.base != "bit" or self.declared == "bit(1)")

    @property
    def is_cast_back(self) -> bool:
        """Whether the target has another type's text."""
        return not self.is_native and self.base not in _SAME_TEXT and self.base != "bpchar"

    @property
    def reading(self) -> str:
        """How the source's column is read."""
        return _READ_AS.get(self.base, "{}") if self.is_native else "{}::text"


def differences(source_url: str, table: str, server: SqlServer, target_table: str) -> list[str]:
    """A sentence for each row that is in one side only, and for each value that differs."""

    def read(columns: Sequence[Column]) -> list[list[Any]]:
        names = quote_columns([column.name for column in columns])
        return [list(row) for row in server.run(f"SELECT {names} FROM {server.table(target_table)}")]

    return unequal(source_url, table, read)


def unequal(source_url: str, table: str, read: Callable[[Sequence[Column]], list[list[Any]]]) -> list[str]:
    """Compare a table of the source with the rows that `read` returns for its columns; sentences as `differences`."""
    with psycopg.connect(source_url, autocommit=True) as session:
        for name, value in SESSION_SETTINGS.items():
            session.execute("SELECT set_config(%s, %s, false)", (name, value))
        session.execute("SET timezone = 'UTC'")
        columns = [Column(*row) for row in session.execute(_COLUMNS, {"table": table})]
        wanted = _by_key(_source_rows(session, table, columns), columns)
        present = _by_key(_read_back(session, read(columns), columns), columns)
    found = []
    for key in wanted.keys() | present.keys():
        ours, theirs = sorted(wanted.get(key, []), key=repr), sorted(present.get(key, []), key=repr)
        found += [f"row {key} of {table} is in one side only"] * abs(len(ours) - len(theirs))
        for one, other in zip(ours, theirs, strict=False):
            found += [
                f"{column.declared} {column.name} in row {key} of {table}: {ascii(value)[:80]} is {ascii(arrived)[:80]}"
                for column, value, arrived in zip(columns, one, other, strict=True)
                if value != arrived
            ]
    return sorted(found)


def _by_key(rows: Sequence[tuple[object, ...]], columns: Sequence[Column]) -> _Rows:
    key = [place for place, column in enumerate(columns) if column.is_key] or list(range(len(columns)))
    grouped: dict[tuple[object, ...], list[tuple[object, ...]]] = defaultdict(list)
    for row in rows:
        grouped[tuple(row[place] for place in key)].append(row)
    return grouped


def _source_rows(
    session: psycopg.Connection[tuple[Any, ...]], table: str, columns: Sequence[Column]
) -> list[tuple[object, ...]]:
    listed = [sql.SQL(column.reading).format(sql.Identifier(column.name)) for column in columns]
    query = sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(listed), sql.Identifier("public", table))
    return [
        tuple(_plain(value, column) for value, column in zip(row, columns, strict=True))
        for row in session.execute(query)
    ]


def _read_back(
    session: psycopg.Connection[tuple[Any, ...]], cells: list[list[Any]], columns: Sequence[Column]
) -> list[tuple[object, ...]]:
    for place, column in enumerate(columns):
        if column.is_cast_back:
            texts = [row[place] for row in cells]
            query = f"SELECT (v::{column.declared})::text FROM unnest(%s::text[]) WITH ORDINALITY u(v, n) ORDER BY n"
            for row, (value,) in zip(cells, session.execute(query.encode(), [texts]), strict=True):
                row[place] = value
    return [tuple(_plain(value, column) for value, column in zip(row, columns, strict=True)) for row in cells]


def _plain(value: object, column: Column) -> object:
    match value:
        case Decimal():
            text = f"{value:f}"
            return (text.rstrip("0").rstrip(".") if "." in text else text) if value else "0"
        case datetime() if value.tzinfo is not None:
            return value.astimezone(UTC).isoformat()
        case str() if column.base == "bpchar":
            return value.rstrip(" ")
        case bytes() | bytearray() | memoryview():
            return bytes(value)
        case _:
            return value
