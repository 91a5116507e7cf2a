"""Random tables and rows arrive through a load, with PostgreSQL as the oracle of what a value is."""

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from cdc_assets.model.pipeline import Mode
from cdc_assets_tests.integration.load.bench import LoadBench
from cdc_assets_tests.integration.types import zoo
from cdc_assets_tests.integration.types.randoms import VALUES


@st.composite
def _tables(draw: st.DrawFn) -> tuple[list[str], list[list[str | None]]]:
    """The types of some columns, and rows of them."""
    types = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=8))
    row = st.tuples(*(st.none() | VALUES[declared] for declared in types)).map(list)
    return types, draw(st.lists(row, max_size=25))


def test_any_rows_of_any_columns_arrive(load_bench: LoadBench) -> None:
    zoo.create(load_bench.databases.source_url, {})
    numbers = iter(range(1_000_000))

    @settings(
        max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], database=None
    )
    @given(_tables())
    def arrive(table: tuple[list[str], list[list[str | None]]]) -> None:
        types, rows = table
        name = f"random_{next(numbers)}"
        kept = _fill(load_bench, name, types, rows)
        load_bench.name = name

        outcome = load_bench.start(load_bench.pipeline(name, mode=Mode.FULL_LOAD_ONLY))[name]

        assert outcome.error is None
        loaded = zoo.rows(load_bench.databases.target_url, "dbo", name)
        assert loaded == zoo.rows(load_bench.databases.source_url, "public", name)
        assert len(loaded) == kept

    arrive()


def _fill(bench: LoadBench, name: str, types: list[str], rows: list[list[str | None]]) -> int:
    """Make the table; rows that PostgreSQL does not take are left out. Returns how many it took."""
    columns = ", ".join(f"c{number} {declared}" for number, declared in enumerate(types))
    bench.source(f"CREATE TABLE {name} (id int PRIMARY KEY, {columns})")
    kept = 0
    with psycopg.connect(bench.databases.source_url, autocommit=True) as session:
        for row in rows:
            cells = [
                sql.SQL("{}::text::{}").format(sql.Literal(cell), sql.SQL(declared))
                for cell, declared in zip(row, types, strict=True)
            ]
            insert = sql.SQL("INSERT INTO {} VALUES ({}, {})")
            try:
                session.execute(insert.format(sql.Identifier(name), sql.Literal(kept), sql.SQL(", ").join(cells)))
            except psycopg.DataError:
                continue
            kept += 1
    return kept
