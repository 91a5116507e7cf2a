"""Random rows, inserted, updated, deleted and given other keys in a running stream; PostgreSQL says what they are.

The stream starts once: what is random is which types meet in a table, and every row and change.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg import sql

from cdc_assets_tests.integration.streaming.bench import StreamBench
from cdc_assets_tests.integration.types import zoo
from cdc_assets_tests.integration.types.equality import assert_nothing_inexact, wait_until_equal
from cdc_assets_tests.integration.types.randoms import STREAMED

_TABLES = 4
_SEED = 20261129
# Few, so that changes meet.
_IDS = st.integers(0, 9)
_WHAT = [*["insert"] * 5, *["update"] * 5, "key", "key", "delete", "delete", "truncate"]


@dataclass(frozen=True)
class Change:
    """What is done to one row; `cells` are new values by column, None is NULL."""

    table: str
    what: str
    row: int
    other_row: int
    cells: Mapping[str, str | None]


def _declared() -> Mapping[str, Sequence[str]]:
    """The types of each table's columns: every type once, by chance beside which."""
    types = sorted(STREAMED)
    random.Random(_SEED).shuffle(types)  # noqa: S311  repeatable, not secret
    return {f"random_{number}": types[number::_TABLES] for number in range(_TABLES)}


_DECLARED = _declared()


@st.composite
def _changes(draw: st.DrawFn) -> Change:
    table = draw(st.sampled_from(sorted(_DECLARED)))
    cells = {f"c{n}": draw(st.none() | STREAMED[declared]) for n, declared in enumerate(_DECLARED[table])}
    what = draw(st.sampled_from(_WHAT))
    kept = draw(st.sets(st.sampled_from(sorted(cells)), min_size=1)) if what == "update" else set(cells)
    return Change(table, what, draw(_IDS), draw(_IDS), {column: cells[column] for column in sorted(kept)})


_TRANSACTIONS = st.lists(st.lists(_changes(), min_size=1, max_size=6), min_size=1, max_size=5)


def test_any_changes_of_any_rows_arrive(stream_bench: StreamBench) -> None:
    bench = stream_bench
    bench.target(zoo.EXTENSIONS)
    zoo.create(bench.databases.source_url, {})
    for table, types in _DECLARED.items():
        columns = ", ".join(f"c{number} {declared}" for number, declared in enumerate(types))
        bench.source(f"CREATE TABLE {table} (id int PRIMARY KEY, {columns})")
        bench.source(f"INSERT INTO {table} (id) SELECT generate_series(0, 4)")
    pipeline = bench.pipeline(*_DECLARED)
    assert_nothing_inexact(pipeline)
    bench.sync(pipeline)
    done: dict[str, int] = {}

    @settings(
        max_examples=20,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        # A stream has no beginning to go back to: what fails is shown as it is.
        phases=[Phase.generate],
    )
    @given(_TRANSACTIONS)
    def arrive(transactions: list[list[Change]]) -> None:
        with psycopg.connect(bench.databases.source_url) as session:
            for changes in transactions:
                for change in changes:
                    if _apply(session, change):
                        done[change.what] = done.get(change.what, 0) + 1
                session.commit()
        wait_until_equal(bench, *_DECLARED)

    arrive()
    assert set(done) == {"insert", "update", "key", "delete", "truncate"}
    assert sum(done.values()) > 50


def _apply(session: psycopg.Connection, change: Change) -> bool:
    """Make the change; whether PostgreSQL took it and it met a row."""
    try:
        with session.transaction():
            return session.execute(_statement(change)).rowcount != 0
    except (psycopg.DataError, psycopg.errors.UniqueViolation):
        return False


def _statement(change: Change) -> sql.Composed:
    table, row = sql.Identifier(change.table), sql.Literal(change.row)
    values = [_cell(change.table, column, cell) for column, cell in change.cells.items()]
    names = [sql.Identifier(column) for column in change.cells]
    pairs = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(name, value) for name, value in zip(names, values, strict=True)
    )
    match change.what:
        case "insert":
            return sql.SQL("INSERT INTO {0} (id, {1}) VALUES ({2}, {3}) ON CONFLICT (id) DO UPDATE SET {4}").format(
                table, sql.SQL(", ").join(names), row, sql.SQL(", ").join(values), pairs
            )
        case "update":
            return sql.SQL("UPDATE {} SET {} WHERE id = {}").format(table, pairs, row)
        case "key":
            return sql.SQL("UPDATE {} SET id = {}, {} WHERE id = {}").format(
                table, sql.Literal(change.other_row), pairs, row
            )
        case "delete":
            return sql.SQL("DELETE FROM {} WHERE id = {}").format(table, row)
        case _:
            return sql.SQL("TRUNCATE {}").format(table)


def _cell(table: str, column: str, cell: str | None) -> sql.Composable:
    declared = _DECLARED[table][int(column.removeprefix("c"))]
    return sql.SQL("{}::text::{}").format(sql.Literal(cell), sql.SQL(declared))
