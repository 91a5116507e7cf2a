"""Writers that never hold still: the changes a hand-off has to survive, at several hundred transactions a second.

Bounded by a number of transactions and by `stop()`. Every random choice comes from a seed. Keys of one writer are
its own, so writers do not wait for each other except where a TRUNCATE makes them.
"""

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import LiteralString, Self

import psycopg
from psycopg import sql

TABLES = ("orders", "order_lines", "documents", "readings", "scratch", "We ird Größe")
KEYS = {
    "orders": ("id",),
    "order_lines": ("order_no", "line_no"),
    "documents": ("id",),
    "readings": ("sensor", "at"),
    "scratch": ("id",),
    "We ird Größe": ("Schlüssel",),
}

_SCHEMA: LiteralString = """
CREATE TABLE orders (
    id bigint PRIMARY KEY, customer int NOT NULL, amount numeric(12,2), rate numeric, note text DEFAULT 'none',
    placed_at timestamptz NOT NULL, paid boolean
);
CREATE TABLE order_lines (
    order_no bigint, line_no int, sku varchar(20) NOT NULL, qty int, price numeric(10,4),
    PRIMARY KEY (order_no, line_no)
);
CREATE TABLE documents (id uuid PRIMARY KEY, title text, body text, meta jsonb, edited timestamp);
ALTER TABLE documents ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE TABLE readings (sensor int, at timestamptz, value double precision, PRIMARY KEY (sensor, at))
    PARTITION BY RANGE (at);
CREATE TABLE readings_2025 PARTITION OF readings FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE readings_2026 PARTITION OF readings FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE scratch (id int PRIMARY KEY, v text);
CREATE TABLE "We ird Größe" ("Schlüssel" int PRIMARY KEY, "Wert %s" text, "order" date);
"""

_SEED: tuple[LiteralString, ...] = (
    """
    INSERT INTO orders SELECT g, g %% 97, g * 1.10, 1.10, CASE WHEN g %% 7 = 0 THEN NULL ELSE 'order ' || g END,
        now() - g * interval '1 s', g %% 2 = 0 FROM generate_series(1, %(rows)s) g
    """,
    """
    INSERT INTO order_lines SELECT g, l, 'sku' || g, l, g * 0.0001
        FROM generate_series(1, %(rows)s / 2) g, generate_series(1, 2) l
    """,
    """
    INSERT INTO documents SELECT md5(g::text)::uuid, 'title ' || g, repeat(md5(g::text), 200),
        jsonb_build_object('n', g), now() FROM generate_series(1, %(rows)s / 10) g
    """,
    """
    INSERT INTO readings SELECT g %% 50, '2025-01-01'::timestamptz + g * interval '1 minute', g / 3.0
        FROM generate_series(1, %(rows)s) g
    """,
    "INSERT INTO scratch SELECT g, 'seed ' || g FROM generate_series(1, 500) g",
    """INSERT INTO "We ird Größe" SELECT g, 'Wert ' || g, '2020-01-01'::date + g FROM generate_series(1, 500) g""",
)


def create_tables(source: str, *, rows: int) -> None:
    """Make the tables in schema public of the source database and fill them.

    `rows` is about the size of the larger ones.
    """
    with psycopg.connect(source, autocommit=True) as connection:
        connection.execute(_SCHEMA)
        for statement in _SEED:
            connection.execute(statement, {"rows": rows})


def differences(source: str, target: str, *, schema: str, tables: Sequence[str] = TABLES) -> dict[str, str]:
    """Compare every row and column of source and target as text.

    One sentence for every table that differs, empty when all are equal.
    """
    found: dict[str, str] = {}
    with psycopg.connect(source) as source_connection, psycopg.connect(target) as target_connection:
        for table in tables:
            wanted = _rows(source_connection, "public", table)
            present = _rows(target_connection, schema, table)
            if wanted != present:
                missing, surplus = wanted - present, present - wanted
                found[table] = (
                    f"{len(wanted)} rows in the source, {len(present)} in the target; {len(missing)} missing or stale, "
                    f"{len(surplus)} surplus"
                )
    return found


def _rows(connection: psycopg.Connection[tuple[object, ...]], schema: str, table: str) -> set[str]:
    connection.execute("SET timezone = 'UTC'")
    columns: sql.Composed = sql.SQL(", ").join(
        sql.Identifier(str(name))
        for (name,) in connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = format('%%I.%%I', %s::text, %s::text)::regclass "
            "AND attnum > 0 AND NOT attisdropped ORDER BY attname",
            (schema, table),
        )
    )
    # A row twice would vanish in a set: number the copies.
    query = sql.SQL(
        "SELECT r || '#' || row_number() OVER (PARTITION BY r) FROM (SELECT ROW({})::text AS r FROM {}) AS t"
    ).format(columns, sql.Identifier(schema, table))
    return {str(row) for (row,) in connection.execute(query)}


@dataclass
class Writers:
    """A few threads that change the source until `stop`, or until each has done `transactions`.

    `per_second`: the pace of each at most.
    """

    source: str
    count: int = 2
    transactions: int = 60_000
    per_second: int = 300
    seed: int = 20261124
    done: int = 0
    errors: list[BaseException] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _moved: threading.Condition = field(default_factory=threading.Condition)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Start writing."""
        for number in range(self.count):
            thread = threading.Thread(target=self._write, args=(number,), name=f"writer-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop writing."""
        self.stop()

    def stop(self) -> int:
        """Let each writer end its transaction; returns how many were done, raises what a writer raised, once."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        errors, self.errors = self.errors, []
        if errors:
            raise errors[0]
        return self.done

    def wait_for(self, more: int, *, timeout: float = 120) -> None:
        """Return when that many further transactions are done."""
        with self._moved:
            goal = self.done + more
            if not self._moved.wait_for(lambda: self.done >= goal or bool(self.errors), timeout):
                msg = f"the writers did {self.done} transactions, not {goal}, in {timeout} s"
                raise AssertionError(msg)
        if self.errors:
            raise self.errors[0]

    def _write(self, number: int) -> None:
        chance = random.Random(self.seed + number)  # noqa: S311  repeatable, not secret
        changes = _changes(number)
        weights = [weight for weight, _ in changes]
        functions = [change for _, change in changes]
        try:
            with psycopg.connect(self.source, autocommit=True) as connection:
                for _ in range(self.transactions):
                    # The pace of a busy source, not of a benchmark.
                    if self._stop.wait(1 / self.per_second):
                        return
                    (change,) = chance.choices(functions, weights)
                    change(connection, chance)
                    with self._moved:
                        self.done += 1
                        self._moved.notify_all()
        except psycopg.Error as error:
            with self._moved:
                self.errors.append(error)
                self._moved.notify_all()


_Connection = psycopg.Connection[tuple[object, ...]]
_Change = Callable[[_Connection, random.Random], None]


def _changes(number: int) -> list[tuple[int, _Change]]:  # noqa: C901  a list of small functions
    """What one writer does, and how often beside the rest."""
    low = 1_000_000 * (number + 1)

    def key(chance: random.Random) -> int:
        return low + chance.randrange(400)

    def seeded(chance: random.Random) -> int:
        # Rows of the first fill, split between the writers.
        return chance.randrange(1, 2000) * 2 + number % 2

    def insert(connection: _Connection, chance: random.Random) -> None:
        # A key that was deleted before is used again.
        connection.execute(
            "INSERT INTO orders VALUES (%s, %s, %s, %s, DEFAULT, now(), NULL) ON CONFLICT (id) DO UPDATE SET "
            "amount = excluded.amount, note = NULL",
            (
                key(chance),
                chance.randrange(97),
                chance.randrange(10**6) / 100,
                "1.10" if chance.random() < 0.5 else "1.1",
            ),
        )

    def update(connection: _Connection, chance: random.Random) -> None:
        connection.execute("UPDATE orders SET amount = amount + 0.01, paid = NOT paid WHERE id = %s", (seeded(chance),))

    def delete(connection: _Connection, chance: random.Random) -> None:
        connection.execute("DELETE FROM orders WHERE id = %s", (chance.choice([key(chance), seeded(chance)]),))

    def change_key(connection: _Connection, chance: random.Random) -> None:
        with connection.transaction():
            old, new = key(chance), key(chance)
            connection.execute("DELETE FROM order_lines WHERE order_no = %s", (new,))
            connection.execute("UPDATE order_lines SET order_no = %s, qty = qty + 1 WHERE order_no = %s", (new, old))
            connection.execute("INSERT INTO order_lines VALUES (%s, 1, 'moved', 1, 0.5) ON CONFLICT DO NOTHING", (old,))

    def unchanged_toast(connection: _Connection, chance: random.Random) -> None:
        # `body` is stored out of line and not touched.
        connection.execute(
            "UPDATE documents SET title = %s, edited = now() WHERE id = md5(%s::text)::uuid",
            (f"t{chance.random()}", seeded(chance) % 400 * 2 + number),
        )

    def large(connection: _Connection, chance: random.Random) -> None:
        connection.execute(
            "INSERT INTO documents VALUES (md5(%s::text)::uuid, 'large', repeat(md5(random()::text), %s), '{}', now()) "
            "ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            (key(chance), chance.randrange(1, 600)),
        )

    def several_tables(connection: _Connection, chance: random.Random) -> None:
        with connection.transaction():
            order = key(chance)
            connection.execute(
                "INSERT INTO orders VALUES (%s, 1, 1, 1, 'multi', now(), true) ON CONFLICT (id) DO UPDATE SET note = "
                "'multi'",
                (order,),
            )
            connection.execute("DELETE FROM order_lines WHERE order_no = %s", (order,))
            connection.execute(
                "INSERT INTO order_lines SELECT %s, l, 's', l, l / 3.0 FROM generate_series(1, 3) l", (order,)
            )
            connection.execute(
                "UPDATE readings SET value = value * 1.5 WHERE sensor = %s AND at < '2025-01-01 02:00'", (order % 50,)
            )

    def move_partition(connection: _Connection, chance: random.Random) -> None:
        sensor = 1000 + number
        hour = chance.randrange(100)
        with connection.transaction():
            connection.execute(
                "INSERT INTO readings VALUES (%s, '2025-12-01'::timestamptz + %s * interval '1 hour', 1) ON CONFLICT "
                "DO NOTHING",
                (sensor, hour),
            )
            connection.execute(
                "DELETE FROM readings WHERE sensor = %s AND at = '2026-12-01'::timestamptz + %s * interval '1 hour'",
                (sensor, hour),
            )
            connection.execute(
                "UPDATE readings SET at = '2026-12-01'::timestamptz + %(h)s * interval '1 hour' WHERE sensor = %(s)s "
                "AND at = '2025-12-01'::timestamptz + %(h)s * interval '1 hour'",
                {"s": sensor, "h": hour},
            )

    def roll_back(connection: _Connection, chance: random.Random) -> None:
        with connection.transaction(force_rollback=True):
            connection.execute("UPDATE orders SET note = 'never' WHERE id = %s", (seeded(chance),))
            connection.execute("DELETE FROM documents WHERE id = md5(%s::text)::uuid", (seeded(chance),))

    def truncate(connection: _Connection, chance: random.Random) -> None:
        if chance.random() < 0.8:
            return
        with connection.transaction():
            connection.execute("TRUNCATE scratch")
            connection.execute(
                "INSERT INTO scratch SELECT g, %s FROM generate_series(1, 50) g", (f"after {chance.random()}",)
            )

    def odd_names(connection: _Connection, chance: random.Random) -> None:
        connection.execute(
            'INSERT INTO "We ird Größe" VALUES (%s, %s, NULL) ON CONFLICT ("Schlüssel") DO UPDATE SET "Wert %%s" '
            '= excluded."Wert %%s", "order" = now()',
            (key(chance), f"ä{chance.random()}"),
        )

    return [
        (20, insert),
        (20, update),
        (8, delete),
        (4, change_key),
        (10, unchanged_toast),
        (4, large),
        (5, several_tables),
        (3, move_partition),
        (5, roll_back),
        (1, truncate),
        (8, odd_names),
    ]
