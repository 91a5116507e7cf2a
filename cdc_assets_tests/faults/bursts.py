"""The workload under which a resumed Debezium loses rows: bursts of transactions that are large beside a stored offset.

COPY of rows from 20 bytes to 3.9 kB, changes of 2,000 keys at once, transactions that overlap, transactions over both
tables. Every choice comes from a seed.
"""

import random
from dataclasses import dataclass, field

import psycopg

TABLES = ("a", "b")
DDL = "CREATE TABLE a (id bigint PRIMARY KEY, n int, v text); CREATE TABLE b (id bigint PRIMARY KEY, n int, v text)"
_KEYS_A_CHANGE = 2000


@dataclass
class Bursts:
    """Writes one burst after the other; keys are never used twice, so that a lost row stays lost."""

    url: str
    chance: random.Random
    _next: int = 1
    _kinds: list[str] = field(default_factory=list)

    def write(self) -> None:
        """One burst of four transactions, in an order of its own."""
        kinds = ["copy", "keys", "overlap", "mixed"]
        self.chance.shuffle(kinds)
        with (
            psycopg.connect(self.url, autocommit=True) as session,
            psycopg.connect(self.url, autocommit=True) as other,
        ):
            for kind in kinds:
                match kind:
                    case "copy":
                        self._copy(session, self.chance.choice(TABLES), self.chance.randrange(1500, 4000))
                    case "keys":
                        self._change_keys(session)
                    case "overlap":
                        self._overlap(session, other)
                    case _:
                        self._mixed(session)

    def _take(self, count: int) -> int:
        first, self._next = self._next, self._next + count
        return first

    def _copy(self, session: psycopg.Connection, table: str, count: int) -> None:
        first = self._take(count)
        with session.cursor().copy(f"COPY {table} FROM STDIN".encode()) as copy:
            for key in range(first, first + count):
                size = self.chance.choice((20, 100, 400, 3900))
                copy.write_row((key, 0, format(self.chance.getrandbits(size * 4), "x")))

    def _change_keys(self, session: psycopg.Connection) -> None:
        for table in TABLES:
            self._copy(session, table, _KEYS_A_CHANGE // 2)
        for table in TABLES:
            shift = self._take(_KEYS_A_CHANGE)
            session.execute(
                f"WITH chosen AS (SELECT id, row_number() OVER () AS r FROM {table} ORDER BY id DESC LIMIT %s) "
                f"UPDATE {table} t SET id = %s + chosen.r, n = n + 1 FROM chosen WHERE t.id = chosen.id".encode(),
                (_KEYS_A_CHANGE, shift - 1),
            )

    def _overlap(self, session: psycopg.Connection, other: psycopg.Connection) -> None:
        with session.transaction():
            self._insert(session, "a", 150)
            with other.transaction():
                self._insert(other, "b", 150)
                self._insert(session, "b", 150)
                self._insert(other, "a", 150)
            self._insert(session, "a", 150)

    def _mixed(self, session: psycopg.Connection) -> None:
        with session.transaction():
            for table in TABLES:
                self._insert(session, table, 200)
                session.execute(
                    f"UPDATE {table} SET n = n + 1 WHERE id IN "
                    f"(SELECT id FROM {table} ORDER BY id DESC LIMIT 300)".encode()
                )
                session.execute(
                    f"DELETE FROM {table} WHERE id IN "
                    f"(SELECT id FROM {table} ORDER BY id DESC OFFSET 20 LIMIT 50)".encode()
                )

    def _insert(self, session: psycopg.Connection, table: str, count: int) -> None:
        first = self._take(count)
        session.execute(
            f"INSERT INTO {table} SELECT g, 0, repeat(md5(g::text), %s) "
            f"FROM generate_series(%s::bigint, %s::bigint) g".encode(),
            (self.chance.choice((1, 3, 12, 120)), first, first + count - 1),
        )
