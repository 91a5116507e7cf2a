"""Every type that the registry lets into a load arrives as it is; what a stream would change is found beforehand.

Of a stream without our converter: with it only intervals and declarations of documents are left to be found.
"""

from dataclasses import dataclass

import pytest

from cdc_assets.adapters.postgres import PostgresSource
from cdc_assets.adapters.system_clock import SystemClock
from cdc_assets.dialects.type_registry import Verdict
from cdc_assets.dialects.type_rules import BUILT_IN, EXTENSIONS, ExactUnless, Refused
from cdc_assets.model.pipeline import Mode
from cdc_assets.stages.preflight.facts import ColumnFact
from cdc_assets.stages.preflight.type_checks import read_columns
from cdc_assets_tests.integration.load.bench import LoadBench
from cdc_assets_tests.integration.types import zoo
from cdc_assets_tests.integration.types.equality import judged_columns
from cdc_assets_tests.services.servers import PASSWORD

_ALL = {**zoo.STREAMED, **zoo.LOAD_ONLY}
# Arrays of these travel like those that are among the values: the same code of the server, whatever the element.
_ARRAYS_LIKE_OTHERS = {name for name in BUILT_IN if name.startswith("_")}


def test_every_value_of_every_type_arrives(load_bench_each: LoadBench) -> None:
    bench = load_bench_each
    bench.target(zoo.EXTENSIONS)
    zoo.create(bench.databases.source_url, _ALL)
    zoo.fill(bench.databases.source_url, _ALL, first_id=1)

    outcomes = bench.start(bench.pipeline(*_ALL, mode=Mode.FULL_LOAD_ONLY))

    assert {table: outcome.error for table, outcome in outcomes.items() if outcome.error} == {}
    for table, values in _ALL.items():
        loaded = zoo.rows(bench.databases.target_url, "dbo", table)
        assert loaded == zoo.rows(bench.databases.source_url, "public", table)
        assert len(loaded) == zoo.edges(values) + 1


def test_every_type_let_into_a_load_is_among_the_values(load_bench: LoadBench) -> None:
    zoo.create(load_bench.databases.source_url, _ALL)
    facts = _columns(load_bench, *_ALL, mode=Mode.FULL_LOAD_ONLY)

    let_in = {name for name, rules in {**BUILT_IN, **EXTENSIONS}.items() if not isinstance(rules.load, Refused)}
    assert let_in - _ARRAYS_LIKE_OTHERS - {fact.column.type.base for fact in facts} == set()
    assert {fact.name for fact in facts if fact.verdict.verdict is Verdict.REFUSED} == set()


@dataclass(frozen=True)
class Tried:
    """How many rows of a table hold a value, and how many of them a condition found, by declared type."""

    held: dict[str, int]
    found: dict[str, int]


def test_each_value_that_would_not_arrive_is_found_before_the_start(load_bench_each: LoadBench) -> None:
    tried = _try(load_bench_each, {declared: values for declared, values in zoo.INEXACT.items() if values})

    assert tried.found == tried.held
    conditional = {name for name, rules in {**BUILT_IN, **EXTENSIONS}.items() if isinstance(rules.stream, ExactUnless)}
    bases = {fact.column.type.base for fact in _columns(load_bench_each, "tried")}
    assert conditional - bases == set()


@pytest.mark.parametrize("family", zoo.FAMILIES)
def test_no_value_that_arrives_is_taken_for_one_that_would_not(load_bench_each: LoadBench, family: str) -> None:
    tried = _try(load_bench_each, zoo.FAMILIES[family])

    assert {declared: count for declared, count in tried.found.items() if count} == {}


def test_the_converter_leaves_only_two_types_to_look_into(load_bench: LoadBench) -> None:
    zoo.create(load_bench.databases.source_url, zoo.STREAMED)
    facts = judged_columns(load_bench.pipeline(*zoo.STREAMED, mode=Mode.FULL_LOAD_AND_CDC))

    assert {fact.column.type.base for fact in facts if fact.verdict.verdict is not Verdict.EXACT} == {
        "interval",
        "xml",
        "_xml",
    }


def test_infinite_intervals_are_found_where_there_are_any(load_bench: LoadBench) -> None:
    assert _try(load_bench, {"interval": ("infinity", "-infinity")}).found == {"interval": 2}


def test_what_a_load_alone_would_change_is_found_for_it(load_bench: LoadBench) -> None:
    values = {"xml": zoo.INEXACT["xml"], "xml[]": ("{\"<?xml version='1.0'?><a/>\"}",), "real": ("NaN",)}
    zoo.create(load_bench.databases.source_url, {"tried": values})
    zoo.fill(load_bench.databases.source_url, {"tried": values}, first_id=1)

    facts = _columns(load_bench, "tried", mode=Mode.FULL_LOAD_ONLY)

    assert [fact.inexact_rows for fact in facts if fact.column.name != "id"] == [1, 1, 0]


def _try(bench: LoadBench, values: zoo.Values) -> Tried:
    zoo.create(bench.databases.source_url, {"tried": values})
    zoo.fill(bench.databases.source_url, {"tried": values}, first_id=1)
    facts = {fact.column.name: fact for fact in _columns(bench, "tried")}
    names = {declared: f"c{number}" for number, declared in enumerate(values)}
    held = {declared: len(set(some)) for declared, some in values.items()}
    return Tried(held, {declared: facts[name].inexact_rows for declared, name in names.items()})


def _columns(bench: LoadBench, *tables: str, mode: Mode = Mode.FULL_LOAD_AND_CDC) -> tuple[ColumnFact, ...]:
    pipeline = bench.pipeline(*tables, mode=mode)
    source = PostgresSource(pipeline.source, password=PASSWORD, pipeline=pipeline.name, epoch=0, clock=SystemClock())
    found = source.describe([mapping.source for mapping in pipeline.tables])
    return read_columns(pipeline, source, found, None, has_converter=False)
