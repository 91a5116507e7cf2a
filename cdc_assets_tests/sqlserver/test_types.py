"""Every type that the registry lets into a SQL Server arrives as it is: by load, by insert, by update, and as a key."""

import pytest

from cdc_assets.dialects import sqlserver_types
from cdc_assets.model.pipeline import Mode
from cdc_assets.model.status import TableState
from cdc_assets_tests.integration.types import zoo
from cdc_assets_tests.integration.types.equality import assert_nothing_inexact
from cdc_assets_tests.sqlserver import allowed
from cdc_assets_tests.sqlserver.bench import SqlServerBench
from cdc_assets_tests.sqlserver.values import differences

_INSERTED, _UPDATED = 1000, 2000
_KEYS: dict[str, tuple[str, ...]] = {
    "smallint": ("-32768", "0", "32767"),
    "integer": ("-2147483648", "0", "2147483647"),
    "bigint": ("-9223372036854775808", "0", "9223372036854775807"),
    "numeric(10,2)": ("-1.10", "0", "99999999.99"),
    "boolean": ("t", "f"),
    "uuid": ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "11eebc99-9c0b-4ef8-bb6d-6bb9bd380aa0"),
    "date": ("0001-01-01", "2024-02-29", "9999-12-31"),
    "time": ("00:00", "12:00:00.000001", "23:59:59.999999"),
    "timestamp": ("0001-01-01", "2024-02-29 12:00:00.000001", "9999-12-31 23:59:59.999999"),
    "timestamptz": ("1582-10-15 00:00+00", "2024-02-29 12:00:00.000001+05:30", "9999-12-31 23:59:59.999999+00"),
    # One key to a collation that ignores case, accents, width or how a character is composed.
    "text": (
        "a",
        "A",
        "á",
        "a\u0301",
        "ß",
        "ss",
        "ﬀ",
        "ff",
        "\uff21",
        " a",
        "a\tb",
        "😀",
        "",
        "\u0130",
        "i",
        "x" * 450,
    ),
    "varchar(20)": ("a", "A", "ä", "é" * 20, "😀" * 20),
    "char(5)": ("a", "A", " a", "ü"),
    "mood": ("sad", "ok", 'ü"x', "it's"),
}


def test_every_type_arrives_by_load_by_insert_and_by_update(stream_bench: SqlServerBench) -> None:
    bench = stream_bench
    zoo.hostile(bench.databases.source_url)
    kept = allowed.make(bench, zoo.FAMILIES, mode=Mode.FULL_LOAD_AND_CDC)
    for table, values in kept.items():
        listed = ", ".join(f"c{number}" for number in range(len(values)))
        nulls = ", ".join(["NULL"] * len(values))
        bench.source(f"INSERT INTO {table} (id, {listed}) SELECT id + {_UPDATED}, {nulls} FROM {table}")
    pipeline = bench.pipeline(*kept)
    assert_nothing_inexact(pipeline)

    bench.sync(pipeline)
    assert set(bench.states().values()) == {TableState.STREAMING}, bench.log
    assert _unequal(bench, *kept) == [], "after the load"

    for table, values in kept.items():
        columns = [f"c{number}" for number in range(len(values))]
        listed = ", ".join(columns)
        changes = ", ".join(f"{column} = s.{column}" for column in columns)
        bench.source(
            f"INSERT INTO {table} (id, {listed}) SELECT id + {_INSERTED}, {listed} FROM {table} WHERE id < {_INSERTED};"
            f"UPDATE {table} t SET {changes} FROM {table} s WHERE s.id = t.id - {_UPDATED}"
        )
    bench.until_equal(*kept)
    assert _unequal(bench, *kept) == []


def test_every_type_that_a_stream_takes_is_among_the_values(bench: SqlServerBench) -> None:
    kept = allowed.make(bench, zoo.FAMILIES, mode=Mode.FULL_LOAD_AND_CDC)

    covered = allowed.bases(bench, kept, mode=Mode.FULL_LOAD_AND_CDC)
    # Let in by a load alone.
    assert set(sqlserver_types._TYPES) - covered == {"tstzrange"}
    empty = [
        declared
        for table, values in kept.items()
        for number, declared in enumerate(values)
        if not allowed.non_null_values(bench, table, f"c{number}")
    ]
    assert empty == []


def test_what_only_a_load_takes_arrives(bench: SqlServerBench) -> None:
    kept = allowed.make(bench, {**zoo.FAMILIES, **zoo.LOAD_ONLY}, mode=Mode.FULL_LOAD_ONLY)

    outcomes = bench.start(bench.pipeline(*kept, mode=Mode.FULL_LOAD_ONLY))

    assert {table: outcome.error for table, outcome in outcomes.items() if outcome.error} == {}
    assert _unequal(bench, *kept) == []


def test_each_type_of_a_key_finds_its_rows(stream_bench: SqlServerBench) -> None:
    bench = stream_bench
    bench.source("CREATE TYPE mood AS ENUM ('sad', 'ok', 'ha ppy', 'ü\"x', 'it''s')")
    tables = {declared: f"k{number}" for number, declared in enumerate(_KEYS)}
    for declared, table in tables.items():
        bench.source(f"CREATE TABLE {table} (k {declared} PRIMARY KEY, n int, v text DEFAULT 'default')")
        for number, value in enumerate(_KEYS[declared]):
            quoted = value.replace("'", "''")
            bench.source(f"INSERT INTO {table} VALUES ('{quoted}', {number}, 'loaded')")
    pipeline = bench.pipeline(*tables.values())
    assert_nothing_inexact(pipeline)
    bench.sync(pipeline)
    assert set(bench.states().values()) == {TableState.STREAMING}, bench.log
    assert _unequal(bench, *tables.values()) == [], "after the load"

    for table in tables.values():
        bench.source(f"UPDATE {table} SET v = 'changed ' || n; UPDATE {table} SET v = NULL WHERE n = 1")
    bench.until_equal(*tables.values())
    for declared, table in tables.items():
        bench.source(f"DELETE FROM {table} WHERE n = 0")
        if declared in ("integer", "text", "uuid", "timestamptz"):
            # The key of the first row becomes that of the second's: a delete and an insert.
            first = _KEYS[declared][0]
            bench.source(f"UPDATE {table} SET k = '{first}' WHERE n = 1")
    bench.until_equal(*tables.values())
    assert _unequal(bench, *tables.values()) == []


@pytest.mark.parametrize("value", ["'NaN'::numeric", "'Infinity'::numeric"])
def test_a_value_that_has_no_place_there_ends_the_load_of_its_table_and_is_named(
    bench: SqlServerBench, value: str
) -> None:
    """As if it had come after the preflight: it never arrives as something else."""
    bench.source(f"CREATE TABLE t (id int PRIMARY KEY, v numeric); INSERT INTO t VALUES (1, 1), (2, {value})")

    error = bench.start(bench.pipeline("t"))["t"].error

    assert error is not None
    assert error.table == "t"
    assert bench.record().table("t").last_error


def _unequal(bench: SqlServerBench, *tables: str) -> list[str]:
    return [
        sentence for table in tables for sentence in differences(bench.databases.source_url, table, bench.server, table)
    ]
