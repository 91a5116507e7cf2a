"""The changes of the stream benchmark: a table, a backlog written at once, and single changes at a steady rate."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import LiteralString

import psycopg
from psycopg import sql

TABLE = "changes"
COLUMNS: LiteralString = (
    "id bigint PRIMARY KEY, customer int NOT NULL, amount numeric(12,2), status varchar(20), note text,"
    " is_paid boolean, placed_at timestamptz NOT NULL, weight double precision, changed_at timestamp"
)
_IN_A_TRANSACTION = 100
_ROW: LiteralString = (
    "number, number % 9973, number % 1000000 * 1.07, 'status ' || number % 7, 'some words about change ' || number,"
    " number % 2 = 0, '2026-01-01'::timestamptz + number % 1000000 * interval '1 second', number / 3.0,"
    " '2026-01-01'::timestamp + number % 1000000 * interval '1 ms'"
)
# Of ten changes seven insert, two update and one deletes: rows of this backlog, a while after they were made. The last
# change inserts the row that is waited for.
_BACKLOG: LiteralString = (
    "DO $do$ DECLARE begins bigint := {begins}; position bigint; number bigint; BEGIN"  # noqa: S608  our constants
    " FOR position IN 1..{count} LOOP"
    "   number := begins + position;"
    "   IF position % 10 IN (3, 6) AND position > 20 AND position < {count} THEN"
    "     UPDATE changes SET status = 'changed', amount = amount + 1 WHERE id = number - 12 + (position % 10 = 6)::int;"
    "   ELSIF position % 10 = 9 AND position > 20 AND position < {count} THEN"
    "     DELETE FROM changes WHERE id = number - 12;"
    "   ELSE"
    "     INSERT INTO changes SELECT " + _ROW + ";"
    "   END IF;"
    "   IF position % {in_a_transaction} = 0 THEN COMMIT; END IF;"
    " END LOOP; END $do$"
)
_CHANGE: LiteralString = "INSERT INTO changes SELECT " + _ROW + " FROM (SELECT {}::bigint AS number) n"  # noqa: S608  as above
# One row in its table's order; compared as text under fixed settings.
_CONTENT: LiteralString = (
    "SELECT count(*), sum(hashtextextended(c::text, 0)) FROM (SELECT id, customer, amount, status, note, is_paid,"
    " placed_at, weight, changed_at FROM {table}) c"
)
_SPAN = 1_000_000_000
_WRITER_RATE = 250
_LOOK_SECONDS = 0.002


def make_table(url: str, schema: str = "public") -> None:
    """Make the empty table with its key."""
    with psycopg.connect(url, autocommit=True) as session:
        table = sql.Identifier(schema, TABLE)
        session.execute(sql.SQL("CREATE TABLE {} ({})").format(table, sql.SQL(COLUMNS)))


def write_backlog(url: str, begins: int, count: int) -> int:
    """Write so many changes to rows above `begins`, a hundred a transaction; returns the row of the last one."""
    with psycopg.connect(url, autocommit=True) as session:
        statement = sql.SQL(_BACKLOG).format(
            begins=sql.Literal(begins),
            count=sql.Literal(count),
            in_a_transaction=sql.Literal(_IN_A_TRANSACTION),
        )
        session.execute(statement)
    return begins + count


def content(url: str, schema: str = "public") -> tuple[object, ...]:
    """Return what a table holds, as a count and a sum of hashes."""
    with psycopg.connect(url) as session:
        session.execute("SET timezone = 'UTC'")
        table = sql.Identifier(schema, TABLE)
        return tuple(session.execute(sql.SQL(_CONTENT).format(table=table)).fetchone() or ())


@dataclass
class SteadyChanges:
    """Single inserts at a steady rate, each its own transaction, and a look at the target every two milliseconds.

    The clock of a change starts when its commit returns and stops when a query in the target has seen its row. Writers
    keep to their timetable: one that comes late writes at once, so that a stall is not spared the changes behind it.
    """

    source_url: str
    target_url: str
    target_schema: str
    rate: int
    seconds: float
    begins: int
    committed: dict[int, float] = field(default_factory=dict)
    seen: dict[int, float] = field(default_factory=dict)
    write_seconds: float = 0.0
    _errors: list[BaseException] = field(default_factory=list)

    def run(self, *, patience_seconds: float) -> None:
        """Write, and look until all is seen or nothing new was for so long."""
        writers = max(1, self.rate // _WRITER_RATE)
        over = threading.Event()
        reader = threading.Thread(target=self._guarded, args=[self._look, writers, over, patience_seconds])
        reader.start()
        begun = time.monotonic()
        threads = [
            threading.Thread(target=self._guarded, args=[self._write, number, writers, begun])
            for number in range(writers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.write_seconds = time.monotonic() - begun
        over.set()
        reader.join()
        if self._errors:
            raise self._errors[0]

    def delays_ms(self, *, without_first_seconds: float) -> Sequence[float]:
        """Return each change's delay in milliseconds, without those of the first seconds; unseen ones are left out."""
        if not self.committed:
            return []
        first = min(self.committed.values()) + without_first_seconds
        return [
            (self.seen[number] - moment) * 1000
            for number, moment in self.committed.items()
            if moment >= first and number in self.seen
        ]

    def _guarded(self, work: Callable[..., None], *arguments: object) -> None:
        try:
            work(*arguments)
        except psycopg.Error as error:
            self._errors.append(error)

    def _write(self, number: int, writers: int, begun: float) -> None:
        pause = threading.Event()
        interval = writers / self.rate
        query = sql.SQL(_CHANGE.replace("%", "%%")).format(sql.Placeholder())
        with psycopg.connect(self.source_url, autocommit=True) as session:
            for position in range(int(self.seconds / interval)):
                due = begun + (position + number / writers) * interval
                pause.wait(max(0.0, due - time.monotonic()))
                row = self._first(number) + position
                session.execute(query, [row], prepare=True)
                self.committed[row] = time.monotonic()

    def _look(self, writers: int, over: threading.Event, patience_seconds: float) -> None:
        pause = threading.Event()
        expected = [self._first(number) for number in range(writers)]
        last = sql.SQL("(SELECT max(id) FROM {} WHERE id >= {} AND id < {})")
        table = sql.Identifier(self.target_schema, TABLE)
        query = sql.SQL("SELECT {}").format(
            sql.SQL(", ").join(
                last.format(table, sql.Literal(self._first(number)), sql.Literal(self._first(number + 1)))
                for number in range(writers)
            )
        )
        with psycopg.connect(self.target_url, autocommit=True) as session:
            news = time.monotonic()
            while not over.is_set() or (
                len(self.seen) < len(self.committed) and time.monotonic() - news < patience_seconds
            ):
                found = session.execute(query, prepare=True).fetchone() or ()
                now = time.monotonic()
                for number, newest in enumerate(found):
                    while newest is not None and expected[number] <= newest:
                        self.seen[expected[number]] = news = now
                        expected[number] += 1
                pause.wait(_LOOK_SECONDS)

    def _first(self, number: int) -> int:
        return self.begins + number * _SPAN
