"""Every type that the registry lets into a stream arrives as it is: by load, by insert, by update, and is deleted.

On a source and a target whose own settings would garble the text of values. `zoo.STREAMED` has the values, those of
`zoo.FAMILIES` arrive without our converter too; a type that the registry calls exact and that is not there fails here.
"""

from collections.abc import Mapping

import psycopg
from psycopg import sql

from cdc_assets.dialects.type_registry import Verdict
from cdc_assets.dialects.type_rules import BUILT_IN, EXTENSIONS, Refused
from cdc_assets_tests.integration.streaming.bench import StreamBench
from cdc_assets_tests.integration.types import zoo
from cdc_assets_tests.integration.types.equality import (
    assert_nothing_inexact,
    differences,
    judged_columns,
    wait_until_equal,
)
from cdc_assets_tests.integration.types.plain_connect import PlainConnect

_INSERTED, _UPDATED, _DELETED = 1000, 2000, 3000


def test_every_type_arrives_by_load_by_insert_and_by_update(stream_bench_each: StreamBench) -> None:
    _arrive(stream_bench_each, zoo.STREAMED, has_converter=True)


def test_what_needs_no_converter_arrives_without_one(stream_bench: StreamBench) -> None:
    stream_bench.connect = PlainConnect(stream_bench.connect_url)
    _arrive(stream_bench, zoo.FAMILIES, has_converter=False)


def _arrive(bench: StreamBench, families: Mapping[str, zoo.Values], *, has_converter: bool) -> None:
    source, target = bench.databases.source_url, bench.databases.target_url
    for url in (source, target):
        zoo.hostile(url)
    bench.target(zoo.EXTENSIONS)
    zoo.create(source, families)
    zoo.fill(source, families, first_id=1)
    zoo.fill(source, families, first_id=_DELETED)
    for table, values in families.items():
        bench.source(f"INSERT INTO {table} (id) SELECT {_UPDATED} + g FROM generate_series(1, {zoo.edges(values)}) g")
        _nullify(bench, table, values)
    pipeline = bench.pipeline(*families)
    assert_nothing_inexact(pipeline, has_converter=has_converter)

    bench.sync(pipeline)
    for table in families:
        assert differences(bench, table) == [], "after the load"

    zoo.fill(source, families, first_id=_INSERTED)
    for table, values in families.items():
        columns = [sql.Identifier(f"c{number}") for number in range(len(values))]
        changes = sql.SQL(", ").join(sql.SQL("{0} = s.{0}").format(column) for column in columns)
        with psycopg.connect(source, autocommit=True) as session:
            session.execute(
                sql.SQL("UPDATE {0} t SET {1} FROM {0} s WHERE s.id = t.id - {2}").format(
                    sql.Identifier(table), changes, sql.Literal(_UPDATED)
                )
            )
        # Large values that do not change are not in the log's new row.
        bench.source(f"UPDATE {table} SET id = id WHERE id < {_UPDATED}")
        bench.source(f"DELETE FROM {table} WHERE id >= {_DELETED}")
    wait_until_equal(bench, *families)
    for table, values in families.items():
        there = zoo.rows(target, "dbo", table)
        number = zoo.edges(values)
        for row in range(1, number + 1):
            assert there[row] == there[_INSERTED + row - 1] == there[_UPDATED + row]
        assert set(there[_INSERTED + number]) == {"()"}


def test_every_type_let_into_a_stream_is_among_the_values(stream_bench: StreamBench) -> None:
    zoo.create(stream_bench.databases.source_url, zoo.STREAMED)
    all_rules = {**BUILT_IN, **EXTENSIONS}
    for families, has_converter in ((zoo.FAMILIES, False), (zoo.STREAMED, True)):
        facts = judged_columns(stream_bench.pipeline(*families), has_converter=has_converter)

        let_in = {name for name, rules in all_rules.items() if not isinstance(rules.stream, Refused)}
        let_in |= {name for name, rules in all_rules.items() if has_converter and rules.text is not None}
        let_in -= {name for name, rules in all_rules.items() if isinstance(rules.load, Refused)}
        assert let_in - {fact.column.type.base for fact in facts} == set()
        assert {fact.name for fact in facts if fact.verdict.verdict is Verdict.REFUSED} == set()


def test_every_type_of_the_server_is_decided(stream_bench: StreamBench) -> None:
    found = stream_bench.source(
        "SELECT typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace"
        " WHERE nspname = 'pg_catalog' AND typtype IN ('b', 'r', 'm') AND typrelid = 0"
        " AND (typcategory <> 'A' OR typelem NOT IN (SELECT oid FROM pg_type WHERE typrelid <> 0 OR typtype = 'p'))"
    )
    assert {str(name) for (name,) in found} - set(BUILT_IN) == set()
    assert len(BUILT_IN) > 100


def _nullify(bench: StreamBench, table: str, values: zoo.Values) -> None:
    nulls = ", ".join(f"c{number} = NULL" for number in range(len(values)))
    bench.source(f"UPDATE {table} SET {nulls} WHERE id > {_UPDATED}")
