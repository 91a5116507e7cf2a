"""Whatever type a key has, a change finds its row: by load, insert, update, delete and change of the key.

Every type that a key may have, in keys of many columns: a row is found only when each of them arrives as it was. Keys
of one column have values that are equal and yet written in two ways. What a key may not have is refused by name.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import psycopg

from cdc_assets.dialects.postgres import literal
from cdc_assets.dialects.type_registry import Verdict
from cdc_assets.model.pipeline import Mode
from cdc_assets_tests.integration.streaming.bench import StreamBench
from cdc_assets_tests.integration.types import zoo
from cdc_assets_tests.integration.types.equality import assert_nothing_inexact, judged_columns, wait_until_equal

_COLUMNS_A_KEY = 14
_ROWS = 8
# An entry of a B-tree has no room for more.
_LONGEST = 150
# PostgreSQL makes no key of these: it has no order for them.
_WITHOUT_ORDER = {"json", "xml", "json[]"}
_REFUSED_WITHOUT_CONVERTER = {
    *("time", "time(0)", "time(3)", "bit", "jsonb"),
    *("varchar[]", "varchar(3)[]", "char(3)[]", "jsonb[]", "oid[]"),
}

# Those of the types that only a converter brings which have an order.
_ORDERED_AS_TEXT = (
    *("pg_lsn", "xid8", "tid", "oidvector", "tsquery", "int4multirange", "nummultirange", "tstzmultirange"),
    *("numeric(6,3)[]", "timestamptz[]", "interval[]", "money[]", "bit(3)[]", "tsvector[]", "int4multirange[]"),
)

_ALONE: Mapping[str, tuple[str, ...]] = {
    "numeric": ("1.10", "1.1", "1.100", "NaN"),
    "citext": ("Ab", "aB", "ab"),
    "interval": ("1 mon", "30 days", "29 days 24:00"),
    # What looks like a list or a map stopped the sink.
    "text": ("", " ", "a'b", "\u00fc", "[1,x", "{a:}", '{"a":[]}', "[null]", "]"),
    "bytea": ("\\x", "\\x00ff", "\\x27"),
    "timestamptz": ("2024-01-02 03:04:05.678901+05:30", "infinity"),
    "double precision": ("0", "-0", "NaN", "Infinity"),
    "date": ("infinity", "2024-01-02", "-infinity", "4714-11-24 BC"),
    "time": ("24:00", "00:00"),
    "timetz": ("12:00+01", "13:00+02", "24:00+00"),
    "jsonb": ('{"a": 1.10}', '{"a": 1.1}', "null", '"x"'),
    "bit(1)": ("1", "0"),
    "varbit": ("", "0", "00"),
    "numeric[]": ("{1.10,NaN}", "{1.1,NaN}", "{{1},{2}}"),
    "boolean": ("t", "f"),
    "mood": ("it's", '\u00fc"x'),
}
"""Keys of one column; some have values that are equal and not the same."""


def test_rows_are_found_by_keys_of_every_type(stream_bench: StreamBench) -> None:
    bench = stream_bench
    bench.target(zoo.EXTENSIONS)
    zoo.create(bench.databases.source_url, {})
    keyed = _keyed()
    for table, values in keyed.items():
        columns = ", ".join(f"c{number} {declared}" for number, declared in enumerate(values))
        key = ", ".join(f"c{number}" for number in range(len(values)))
        _run(bench, [f"CREATE TABLE {table} (id int, {columns}, v text, PRIMARY KEY (id, {key}))"])
        _run(bench, _insert(table, values, range(_ROWS)))
    for declared, some in _ALONE.items():
        table = _alone(declared)
        _run(bench, [f"CREATE TABLE {table} (k {declared} PRIMARY KEY, id int, v text)"])
        _run(bench, [f"INSERT INTO {table} VALUES ({literal(some[0])}, 1, 'loaded')"])
    tables = [*keyed, *map(_alone, _ALONE)]
    pipeline = bench.pipeline(*tables)
    assert_nothing_inexact(pipeline)
    bench.sync(pipeline)

    for table, values in keyed.items():
        _run(bench, _change(table, values))
    for declared, some in _ALONE.items():
        _run(bench, _change_alone(_alone(declared), some))
    wait_until_equal(bench, *tables)

    for table in keyed:
        assert bench.target(f"SELECT count(*) FROM dbo.{table}") == [(2 * _ROWS - 2,)]


def test_a_type_that_no_key_may_have_without_the_converter_is_refused_by_name(stream_bench: StreamBench) -> None:
    bench = stream_bench
    zoo.create(bench.databases.source_url, {})
    refused = dict(enumerate(sorted(_REFUSED_WITHOUT_CONVERTER)))
    for number, declared in refused.items():
        bench.source(f"CREATE TABLE t{number} (k {declared} PRIMARY KEY, v {declared})")
    pipeline = bench.pipeline(*(f"t{number}" for number in refused))

    facts = judged_columns(pipeline, has_converter=False)

    assert {fact.name for fact in facts if fact.verdict.verdict is Verdict.REFUSED} == {f"t{n}.k" for n in refused}
    for fact in facts:
        if fact.verdict.verdict is Verdict.REFUSED:
            assert "by a key of it" in fact.verdict.reason
            assert "another primary key" in fact.verdict.remedy
    assert {f.verdict.verdict for f in judged_columns(replace(pipeline, mode=Mode.FULL_LOAD_ONLY))} == {Verdict.EXACT}


def _keyed() -> Mapping[str, zoo.Values]:
    """Tables whose key has an `id` and some of the declared types that have an order; no type is left out."""
    ordered = [
        (declared, tuple(value for value in values if len(value) < _LONGEST))
        for family in zoo.FAMILIES.values()
        for declared, values in family.items()
        if declared not in _WITHOUT_ORDER
    ]
    ordered += [(declared, zoo.AS_TEXT["once_load_only"][declared]) for declared in _ORDERED_AS_TEXT]
    cuts = range(0, len(ordered), _COLUMNS_A_KEY)
    return {f"keyed_{cut}": dict(ordered[cut : cut + _COLUMNS_A_KEY]) for cut in cuts}


def _alone(declared: str) -> str:
    return "alone_" + "".join(character if character.isalnum() else "_" for character in declared)


def _cell(declared: str, values: tuple[str, ...], row: int) -> str:
    return f"{literal(values[row % len(values)])}::{declared}"


def _insert(table: str, values: zoo.Values, rows: range) -> Iterator[str]:
    for row in rows:
        cells = ", ".join(_cell(declared, some, row) for declared, some in values.items())
        yield f"INSERT INTO {table} VALUES ({row}, {cells}, 'inserted')"


def _change(table: str, values: zoo.Values) -> Iterator[str]:
    """Rows of the load and rows of the stream: inserted, updated, deleted, each column of the key changed."""
    yield from _insert(table, values, range(_ROWS, 2 * _ROWS))
    yield f"UPDATE {table} SET v = 'updated' WHERE id % 2 = 0"
    yield f"DELETE FROM {table} WHERE id IN (1, {_ROWS + 1})"
    for number, (declared, some) in enumerate(values.items()):
        for row in (0, _ROWS):
            yield f"UPDATE {table} SET c{number} = {_cell(declared, some, row + 1)} WHERE id = {row}"
    yield f"UPDATE {table} SET v = 'changed twice' WHERE id IN (0, {_ROWS})"


def _change_alone(table: str, values: tuple[str, ...]) -> Iterator[str]:
    yield f"UPDATE {table} SET v = 'updated' WHERE id = 1"
    # Through every value, the equal ones too, and back to the first.
    for number, value in enumerate((*values[1:], values[0], values[-1])):
        yield f"UPDATE {table} SET k = {literal(value)}, v = 'moved {number}' WHERE id = 1"
    yield f"DELETE FROM {table} WHERE id = 1"
    # The key that a row had is used again, written in another way.
    yield f"INSERT INTO {table} VALUES ({literal(values[0])}, 2, 'inserted')"
    yield f"UPDATE {table} SET v = 'updated' WHERE id = 2"
    yield f"DELETE FROM {table} WHERE id = 2"
    yield f"INSERT INTO {table} VALUES ({literal(values[1])}, 3, 'again')"


def _run(bench: StreamBench, statements: Iterable[str]) -> None:
    """Each statement in a transaction of its own."""
    with psycopg.connect(bench.databases.source_url, autocommit=True) as session:
        for statement in statements:
            session.execute(statement.encode())
