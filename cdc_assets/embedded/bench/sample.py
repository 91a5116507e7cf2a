"""The tables that the load copies: a narrow one, a wide one with large values, and one with a random key."""

from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import sql

_WIDE_NUMBERS: LiteralString = ", ".join(f"n{number} int" for number in range(10))
_WIDE_TEXTS: LiteralString = ", ".join(f"t{number} varchar(60)" for number in range(10))
_WIDE_MOMENTS: LiteralString = ", ".join(f"m{number} timestamptz" for number in range(8))


@dataclass(frozen=True, slots=True)
class BenchTable:
    """A table: its columns, the key that is built last, and a query for rows 1 to n."""

    name: str
    columns: LiteralString
    rows: LiteralString
    share: float
    """Rows for each row of the narrow table."""

    def count(self, rows: int) -> int:
        """Rows of this table when the narrow one has so many."""
        return max(1, int(rows * self.share))


NARROW = BenchTable(
    "narrow",
    "id bigint, customer int NOT NULL, amount numeric(12,2), status varchar(20), note text, is_paid boolean,"
    " placed_at timestamptz NOT NULL, changed_at timestamp",
    "SELECT g, g %% 9973, g * 1.07, 'status ' || g %% 7, CASE WHEN g %% 5 = 0 THEN NULL ELSE 'note ' || g END,"
    " g %% 2 = 0, '2026-01-01'::timestamptz + g * interval '1 second', '2026-01-01'::timestamp + g * interval '1 ms'"
    " FROM generate_series(1, %(rows)s) g",
    1,
)
WIDE = BenchTable(
    "wide",
    f"id bigint, {_WIDE_NUMBERS}, {_WIDE_TEXTS}, {_WIDE_MOMENTS}, price numeric, body text",
    "SELECT g, "  # noqa: S608  of our own constants
    + ", ".join(f"g + {number}" for number in range(10))
    + ", "
    + ", ".join(f"'some words of column {number} in row ' || g" for number in range(10))
    + ", "
    + ", ".join(f"'2026-01-01'::timestamptz + g * interval '{number} second'" for number in range(8))
    # A fifth of the rows has a value that is kept outside of the row.
    + ", g / 7.0, CASE WHEN g %% 5 = 0 THEN (SELECT string_agg(md5((g + i)::text), '') FROM generate_series(1, 150) i)"
    " ELSE 'short ' || g END FROM generate_series(1, %(rows)s) g",
    0.08,
)
RANDOM_KEY = BenchTable(
    "random_key",
    "id uuid, customer int, amount numeric(12,2), note text, placed_at timestamptz",
    "SELECT md5(g::text)::uuid, g %% 997, g * 1.01, 'note ' || g, '2026-01-01'::timestamptz + g * interval '1 second'"
    " FROM generate_series(1, %(rows)s) g",
    0.5,
)
TABLES = (NARROW, WIDE, RANDOM_KEY)
KEY = "id"


def fill(url: str, rows: int) -> int:
    """Make the tables with their keys in schema public, as after a while of use; returns their bytes."""
    with psycopg.connect(url, autocommit=True) as session:
        for table in TABLES:
            make_table(session, table)
            session.execute(
                sql.SQL("INSERT INTO {} ").format(sql.Identifier(table.name)) + sql.SQL(table.rows),
                {"rows": table.count(rows)},
            )
            add_key(session, table)
            session.execute(sql.SQL("VACUUM ANALYZE {}").format(sql.Identifier(table.name)))
        found = session.execute(
            "SELECT sum(pg_table_size(oid))::int8 FROM pg_class WHERE relname = ANY(%s)",
            [[table.name for table in TABLES]],
        ).fetchone()
    return int(found[0]) if found else 0


def make_table(session: psycopg.Connection, table: BenchTable) -> None:
    """Make a table without its key."""
    session.execute(sql.SQL("CREATE TABLE {} ({})").format(sql.Identifier(table.name), sql.SQL(table.columns)))


def add_key(session: psycopg.Connection, table: BenchTable) -> None:
    """Build the key."""
    session.execute(
        sql.SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(sql.Identifier(table.name), sql.Identifier(KEY))
    )
