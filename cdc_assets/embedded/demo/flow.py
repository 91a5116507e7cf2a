"""What a user would do by hand: change rows in the source, look for them in the target, compare the two."""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Self

import psycopg
from psycopg import sql
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from cdc_assets.embedded.demo.sample import SOURCE_SCHEMA, TARGET_SCHEMA, SampleTable

LOOK_EVERY_SECONDS = 0.01


@dataclass(frozen=True)
class Rows:
    """A range of row numbers."""

    first: int
    last: int


@dataclass(frozen=True)
class Changes:
    """One transaction's changes of a table: updates, then deletes, then inserts."""

    update: Rows
    delete: Rows
    insert: Rows


@dataclass(frozen=True)
class Look:
    """What to look for in a target table: SQL over its columns, with the parameters `first` and `last`."""

    table: SampleTable
    condition: str
    rows: Rows
    is_there: bool = True


@dataclass(frozen=True)
class Comparison:
    """What a look at every row of a table found."""

    row_count: int
    missing: int
    """Rows of the source that the target does not have, or has with another value."""
    surplus: int
    """Rows of the target that the source does not have, or has with another value."""

    @property
    def is_equal(self) -> bool:
        """True when both hold the same rows with the same values in every column."""
        return not self.missing and not self.surplus


class Flow:
    """A session on each side; used as a context."""

    def __init__(self, source_url: str, target_url: str, *, tend: Callable[[], None]) -> None:
        """`tend` is called at every look into the target while something is waited for."""
        self._source_url, self._target_url, self._tend = source_url, target_url, tend
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Log in on both sides."""
        self._source = self._open.enter_context(psycopg.connect(self._source_url, autocommit=True))
        self._target = self._open.enter_context(psycopg.connect(self._target_url, autocommit=True))
        for session in (self._source, self._target):
            # Comparing text: both sides must write a value the same way.
            session.execute("SET timezone = 'UTC'")
        return self

    def __exit__(self, *_: object) -> None:
        """Log out."""
        self._open.close()

    def change(self, statement: str, rows: Rows) -> int:
        """Run one of a table's statements in the source; returns how many rows it changed."""
        return self._source.execute(statement, {"first": rows.first, "last": rows.last}).rowcount

    def change_all(self, tables: Sequence[SampleTable], changes: Changes) -> tuple[int, int, int]:
        """Change every table in one transaction; returns how many rows were inserted, updated and deleted."""
        inserted = updated = deleted = 0
        with self._source.transaction():
            for table in tables:
                updated += self.change(table.update, changes.update)
                deleted += self.change(table.delete, changes.delete)
                # Last, for the changes of a table arrive in their order: when its last insert is there, all are.
                inserted += self.change(table.insert, changes.insert)
        return inserted, updated, deleted

    def seconds_until(self, looks: Sequence[Look], *, limit_seconds: float) -> float | None:
        """Return how long it took until every look found what it looks for; None after the limit."""
        begun = time.monotonic()
        left = list(looks)

        def look() -> bool:
            while left and self._finds(left[0]):
                del left[0]
            if left:
                self._tend()
            return not left

        waiting = Retrying(
            retry=retry_if_result(lambda is_found: not is_found),
            wait=wait_fixed(LOOK_EVERY_SECONDS),
            stop=stop_after_delay(limit_seconds),
            retry_error_callback=lambda _state: False,
        )
        return time.monotonic() - begun if waiting(look) else None

    def _finds(self, look: Look) -> bool:
        table = sql.Identifier(TARGET_SCHEMA, look.table.name)
        query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE ").format(table) + sql.SQL(look.condition + ")")
        row = self._target.execute(query, {"first": look.rows.first, "last": look.rows.last}).fetchone()
        return row == (look.is_there,)

    def compare(self, table: SampleTable) -> Comparison:
        """Compare every row, column by column, as text."""
        columns = self._columns(table)
        source = _rows(self._source, SOURCE_SCHEMA, table, columns)
        target = _rows(self._target, TARGET_SCHEMA, table, columns)
        return Comparison(source.total(), (source - target).total(), (target - source).total())

    def _columns(self, table: SampleTable) -> list[str]:
        found = self._source.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
            " ORDER BY attnum",
            [table.name],
        )
        return [name for (name,) in found]


def _rows(session: psycopg.Connection, schema: str, table: SampleTable, columns: Sequence[str]) -> Counter[bytes]:
    listed = sql.SQL(", ").join(map(sql.Identifier, columns))
    rows: Counter[bytes] = Counter()
    query = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(listed, sql.Identifier(schema, table.name))
    with session.cursor() as cursor, cursor.copy(query) as copy:
        for block in copy:
            # A block holds whole rows; a line end inside of a value is escaped.
            rows.update(hashlib.blake2b(line, digest_size=16).digest() for line in bytes(block).splitlines())
    return rows
