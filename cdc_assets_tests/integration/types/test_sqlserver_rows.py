"""What a load reads for a SQL Server is what PostgreSQL has, value by value; no SQL Server is needed.

Rows are read as a load reads them, by the registry's expressions through the real reader, and brought to the Arrow
types in which they are sent. Values that the preflight finds are left out: all others have to be whole.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from cdc_assets.adapters.postgres import PostgresSource
from cdc_assets.adapters.sqlserver.arrow import arrow_schema, conform
from cdc_assets.adapters.system_clock import SystemClock
from cdc_assets.dialects.type_registry import Verdict
from cdc_assets.model.pipeline import Connection, Endpoint, Mode, SecretReference
from cdc_assets.planning.chunks import Chunk
from cdc_assets.planning.table_changes import TargetColumn
from cdc_assets.ports.rows import RowForm
from cdc_assets.stages.preflight.facts import ColumnFact
from cdc_assets_tests.integration.load.bench import LoadBench
from cdc_assets_tests.integration.types import zoo
from cdc_assets_tests.integration.types.equality import judged_columns
from cdc_assets_tests.integration.types.randoms import STREAMED, fill, tables
from cdc_assets_tests.services.servers import PASSWORD, Databases
from cdc_assets_tests.sqlserver import allowed
from cdc_assets_tests.sqlserver.values import Column, unequal

_UUID = pa.binary(16)
_NOWHERE = Connection("nowhere", "sqlserver", "127.0.0.1", 9, "sa", SecretReference(env="X"))


@dataclass
class ReadingBench(LoadBench):
    """A pipeline whose target is a SQL Server that nobody asks."""

    def target_endpoint(self) -> Endpoint:
        """Where its tables would go."""
        return Endpoint(_NOWHERE, "cdctest", "dbo")

    def facts(self, *names: str) -> Mapping[str, list[ColumnFact]]:
        """What the preflight knows of the columns that it lets in, by table."""
        found: dict[str, list[ColumnFact]] = {name: [] for name in names}
        for fact in judged_columns(self.pipeline(*names, mode=Mode.FULL_LOAD_ONLY)):
            if fact.verdict.verdict is not Verdict.REFUSED:
                found[fact.table.name].append(fact)
        return found

    def misread(self, table: str) -> list[str]:
        """What of the table's rows a load would read as something else."""
        facts = {fact.column.name: fact for fact in self.facts(table)[table]}

        def read(columns: Sequence[Column]) -> list[list[Any]]:
            return list(self._cells(table, [facts[column.name] for column in columns if column.name in facts]))

        return unequal(self.databases.source_url, table, read)

    def _cells(self, table: str, facts: Sequence[ColumnFact]) -> Iterator[list[Any]]:
        pipeline = self.pipeline(table, mode=Mode.FULL_LOAD_ONLY)
        source = PostgresSource(
            pipeline.source, password=PASSWORD, pipeline=pipeline.name, epoch=0, clock=SystemClock()
        )
        columns = [
            TargetColumn(fact.column.name, fact.verdict.target_sql, nullable=True, select_sql=fact.verdict.select_sql)
            for fact in facts
        ]
        chunk = Chunk(number=0, leaf=pipeline.tables[0].source, first_block=0, end_block=None, estimated_bytes=1)
        schema = arrow_schema(columns)
        with source.open_later_snapshot() as view, view.reader(RowForm.ARROW) as reader:
            for batch in reader.rows(chunk, columns):
                sent = conform(batch, schema)
                yield from (list(row) for row in zip(*map(_values, sent.columns), strict=True))


def _values(column: pa.Array) -> list[Any]:
    values: list[Any] = column.to_pylist()
    return [None if value is None else UUID(bytes=value) for value in values] if column.type == _UUID else values


@pytest.fixture
def bench(databases: Databases, kafka_bootstrap: str) -> Iterator[ReadingBench]:
    """The source on PostgreSQL 18."""
    made = ReadingBench(databases, kafka_bootstrap)
    yield made
    made.close()


def test_every_type_at_its_edges_is_read_as_it_is(bench: ReadingBench) -> None:
    zoo.hostile(bench.databases.source_url)
    kept = allowed.make(bench, {**zoo.STREAMED, **zoo.LOAD_ONLY}, mode=Mode.FULL_LOAD_ONLY)

    assert [sentence for table in kept for sentence in bench.misread(table)] == []
    assert len(allowed.bases(bench, kept, mode=Mode.FULL_LOAD_ONLY)) > 100


def test_any_rows_of_any_columns_are_read_as_they_are(bench: ReadingBench) -> None:
    zoo.create(bench.databases.source_url, {})
    numbers = iter(range(1_000_000))

    @settings(
        max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], database=None
    )
    @given(tables(STREAMED))
    def arrive(table: tuple[list[str], list[list[str | None]]]) -> None:
        types, rows = table
        name = f"random_{next(numbers)}"
        fill(bench, name, types, rows)
        facts = bench.facts(name)[name]
        allowed.leave_out_values(bench, facts)
        refused = {f"c{number}" for number in range(len(types))} - {fact.column.name for fact in facts}
        for column in refused:
            bench.source(f"ALTER TABLE {name} DROP {column}")

        assert bench.misread(name) == []

    arrive()


_FITS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # What SQL Server documents to hold, and what it does not.
    "double precision": (
        ("0", "-0", "2.2250738585072014e-308", "-1.7976931348623157e308"),
        ("NaN", "Infinity", "-Infinity", "5e-324", "-2.225073858507201e-308"),
    ),
    "real": (("0", "1.1754944e-38", "-3.4028235e38"), ("NaN", "Infinity", "-Infinity", "1e-45", "-1.1754942e-38")),
    "numeric(38,38)": (("0.1", "-0." + "9" * 38), ("NaN",)),
    "numeric": (
        ("9" * 28 + "." + "9" * 10, "0.1", "-1e-10", "1." + "0" * 20),
        ("NaN", "Infinity", "-Infinity", "1e28", "-1e28", "1e-11", "0.12345678901"),
    ),
    "date": (("0001-01-01", "1582-10-10", "9999-12-31"), ("infinity", "-infinity", "0001-12-31 BC", "10000-01-01")),
    "timestamp": (
        ("0001-01-01", "9999-12-31 23:59:59.999999"),
        ("infinity", "-infinity", "0001-12-31 23:59:59.999999 BC", "10000-01-01"),
    ),
    "timestamptz": (
        ("0001-01-01 00:00+00", "9999-12-31 23:59:59.999999+00", "1500-03-01 00:00+00"),
        ("infinity", "-infinity", "0001-01-01 00:00+01", "9999-12-31 23:30-01"),
    ),
    "time": (("00:00", "23:59:59.999999"), ("24:00",)),
    "interval": (("1 mon -1 day 0.000001 sec", "-178000000 years"), ("infinity", "-infinity")),
}
_KEYS_FIT: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "text": (("", " a", "a\t", "a\u00a0", "x" * 450, "\U0001f600" * 225), ("a ", " ", "x" * 451, "\U0001f600" * 226)),
    "varchar(500)": (("x" * 450,), ("x" * 451, "a ")),
    "citext": (("A", "a\n"), ("a ",)),
}


@pytest.mark.parametrize(("declared", "values"), _FITS.items(), ids=list(_FITS))
def test_a_value_is_found_exactly_when_sql_server_has_none_like_it(
    bench: ReadingBench, declared: str, values: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    """Else it would be refused for nothing, or let in and lost."""
    found = _found(bench, f"id int PRIMARY KEY, c {declared}", values)

    assert found == set(values[1])


@pytest.mark.parametrize(("declared", "values"), _KEYS_FIT.items(), ids=list(_KEYS_FIT))
def test_a_key_is_found_exactly_when_sql_server_cannot_tell_it_from_others(
    bench: ReadingBench, declared: str, values: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    found = _found(bench, f"id int, c {declared}, PRIMARY KEY (c, id)", values)

    assert found == set(values[1])


def _found(bench: ReadingBench, columns: str, values: tuple[tuple[str, ...], tuple[str, ...]]) -> set[str]:
    """Which of the values the preflight's condition is true of."""
    zoo.create(bench.databases.source_url, {})
    bench.source(f"CREATE TABLE t ({columns})")
    listed = [*values[0], *values[1]]
    with psycopg.connect(bench.databases.source_url, autocommit=True) as session:
        for number, value in enumerate(listed):
            session.execute("INSERT INTO t (id, c) VALUES (%s, %s)", (number, value))
        condition = next(fact for fact in bench.facts("t")["t"] if fact.column.name == "c").verdict.inexact_condition
        query = f"SELECT id FROM t WHERE {condition}"
        return {listed[number] for (number,) in session.execute(query.encode())}
