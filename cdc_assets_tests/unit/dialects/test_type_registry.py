"""Every type gets an answer, and the answer for what was not measured is no.

Most questions are of a Connect cluster without our converter: with it there is less to ask.
"""

import pytest

from cdc_assets.dialects.type_registry import (
    TypeVerdict,
    Verdict,
    has_key_of_several_forms,
    judge,
    needs_text,
    needs_type,
)
from cdc_assets.model.table import ColumnDefinition, ColumnType, TableDefinition, TableName
from cdc_assets_tests.unit.dialects.types_page import PAGE, render


def _judge(
    base: str,
    formatted: str = "",
    *,
    captured: bool = True,
    is_key: bool = False,
    has_converter: bool = False,
    **more: object,
) -> TypeVerdict:
    schema = str(more.pop("schema", "pg_catalog"))
    shown = formatted or base
    column_type = ColumnType(
        formatted=shown,
        schema=schema,
        name=base,
        base=base,
        base_schema=schema,
        category=more.pop("category", "b"),  # type: ignore[arg-type]
        base_category=str(more.pop("base_category", "b")),
        base_formatted=str(more.pop("base_formatted", shown)),
        **more,  # type: ignore[arg-type]
    )
    column = ColumnDefinition('a "c', column_type, nullable=True)
    return judge(column, target_schema="dbo", captured=captured, is_key=is_key, has_converter=has_converter)


@pytest.mark.parametrize("base", ["int4", "text", "jsonb", "bit", "tstzrange", "money", "inet"])
def test_exact(base: str) -> None:
    assert _judge(base) == TypeVerdict(base, Verdict.EXACT)


@pytest.mark.parametrize(
    "base", ["float8", "numeric", "date", "timestamp", "timestamptz", "time", "timetz", "interval", "xml", "_int4"]
)
def test_exact_but_for_some_values(base: str) -> None:
    verdict = _judge(base)

    assert verdict.verdict is Verdict.EXACT_IF_VALUES
    assert verdict.inexact_condition is not None
    assert '"a ""c"' in verdict.inexact_condition
    assert verdict.inexact_values
    assert "accept_inexact" in verdict.remedy


@pytest.mark.parametrize(
    "base",
    ["float8", "numeric", "date", "timestamp", "time", "timetz", "tsvector", "varbit", "_int4", "_numeric", "box"],
)
def test_the_converter_makes_it_exact_and_is_named_where_it_is_missing(base: str) -> None:
    assert _judge(base, has_converter=True) == TypeVerdict(base, Verdict.EXACT)
    assert "give Kafka Connect the converter" in _judge(base).remedy
    assert "converter" not in _judge(base, captured=False).remedy


@pytest.mark.parametrize(
    ("base", "formatted", "is_key", "expected"),
    [
        ("float8", "float8", False, True),
        ("_int4", "integer[]", False, True),
        ("tsquery", "tsquery", False, True),
        ("jsonb", "jsonb", False, False),
        ("jsonb", "jsonb", True, True),
        ("bit", "bit(1)", True, True),
        ("int4", "integer", True, False),
        ("numeric", "numeric(10,2)", False, False),
        ("interval", "interval", False, False),
        ("regclass", "regclass", False, False),
    ],
)
def test_only_what_gains_by_it_travels_as_text(base: str, formatted: str, *, is_key: bool, expected: bool) -> None:
    kind = ColumnType(formatted, "pg_catalog", base, base, "pg_catalog", "b", base_formatted=formatted)
    assert needs_text(ColumnDefinition("c", kind, nullable=True), is_key=is_key) is expected


@pytest.mark.parametrize(
    ("base", "schema", "expected"),
    [("int4", "pg_catalog", False), ("text", "app", True), ("bit", "pg_catalog", True), ("_text", "pg_catalog", True)],
)
def test_events_name_the_type_of_what_their_schema_does_not_tell(base: str, schema: str, *, expected: bool) -> None:
    kind = ColumnType(base, schema, base, base, schema, "b", base_formatted=base)
    assert needs_type(ColumnDefinition("c", kind, nullable=True)) is expected


@pytest.mark.parametrize("base", ["interval", "xml", "_xml"])
def test_what_the_converter_cannot_help_stays_exact_for_some_values(base: str) -> None:
    assert _judge(base, has_converter=True).verdict is Verdict.EXACT_IF_VALUES


def test_a_declared_precision_has_no_room_for_infinity() -> None:
    assert _judge("numeric", "numeric(10,2)").verdict is Verdict.EXACT


def test_declared_bits_must_be_complete() -> None:
    assert _judge("varbit", "bit varying(20)").inexact_condition == 'length("a ""c") <> 20'
    assert "get_bit" in (_judge("varbit", "bit varying").inexact_condition or "")


@pytest.mark.parametrize(
    "base", ["point", "tsquery", "pg_lsn", "jsonpath", "int4multirange", "_numeric", "_date", "_interval", "xid8"]
)
def test_what_the_stream_cannot_carry_a_load_alone_can(base: str) -> None:
    refused = _judge(base)

    assert refused.verdict is Verdict.REFUSED
    assert refused.reason
    assert "full_load_only" in refused.remedy
    assert _judge(base, captured=False).verdict is Verdict.EXACT


@pytest.mark.parametrize("base", ["regclass", "aclitem", "pg_node_tree", "a_type_of_tomorrow"])
def test_what_cannot_be_carried_is_refused_in_every_mode(base: str) -> None:
    for captured in (True, False):
        verdict = _judge(base, captured=captured)
        assert verdict.verdict is Verdict.REFUSED
        assert verdict.reason
        assert "columns: {exclude" in verdict.remedy
        assert "full_load_only" not in verdict.remedy


@pytest.mark.parametrize("base", ["geometry", "text", "int4range"])
def test_a_type_of_another_schema_is_not_the_built_in_one(base: str) -> None:
    assert _judge(base, schema="public").verdict is Verdict.REFUSED
    assert _judge(base, schema="public", captured=False).verdict is Verdict.REFUSED


def test_types_of_known_extensions() -> None:
    assert _judge("citext", "public.citext", schema="public") == TypeVerdict("citext", Verdict.EXACT)
    assert _judge("hstore", schema="public").verdict is Verdict.EXACT_IF_VALUES
    assert _judge("_citext", schema="public", element="public.citext").verdict is Verdict.REFUSED


def test_declared_dimensions_are_refused_in_a_stream() -> None:
    assert _judge("_int4", "integer[]", dimensions=2).verdict is Verdict.REFUSED
    assert _judge("_int4", "integer[]", dimensions=2, captured=False).verdict is Verdict.EXACT


@pytest.mark.parametrize("category", ["r", "m"])
def test_ranges_of_ones_own_are_refused(category: str) -> None:
    verdict = _judge("floats", schema="public", base_category=category)

    assert verdict.verdict is Verdict.REFUSED
    assert "range" in verdict.reason


def test_an_enum_and_a_domain_over_it_become_the_enum_of_the_target_schema() -> None:
    verdict = _judge("mood", "public.mood", schema="public", category="d", base_category="e", labels=("a",))

    assert verdict == TypeVerdict('"dbo"."mood"', Verdict.EXACT)


def test_a_domain_becomes_what_is_below_it() -> None:
    verdict = _judge("numeric", "public.price", category="d", base_formatted="numeric(10,2)")

    assert verdict == TypeVerdict("numeric(10,2)", Verdict.EXACT)


@pytest.mark.parametrize(
    ("base", "formatted"),
    [("time", "time without time zone"), ("bit", "bit(1)"), ("jsonb", "jsonb"), ("_varchar", "character varying[]")],
)
def test_what_finds_no_row_is_refused_in_a_key_alone(base: str, formatted: str) -> None:
    refused = _judge(base, formatted, is_key=True)

    assert refused.verdict is Verdict.REFUSED
    assert "no row by a key of it" in refused.reason
    assert "another primary key" in refused.remedy
    assert _judge(base, formatted).verdict is not Verdict.REFUSED
    assert _judge(base, formatted, is_key=True, has_converter=True).verdict is Verdict.EXACT
    assert _judge(base, formatted, is_key=True, captured=False).verdict is Verdict.EXACT


def test_what_finds_its_row_may_be_a_key() -> None:
    for base, formatted in (("int4", "integer"), ("bit", "bit(3)"), ("_int4", "integer[]"), ("timestamp", "timestamp")):
        assert _judge(base, formatted, is_key=True).verdict is not Verdict.REFUSED


@pytest.mark.parametrize(
    ("base", "formatted", "expected"),
    [
        ("numeric", "numeric", True),
        ("numeric", "numeric(10,2)", False),
        ("citext", "public.citext", True),
        ("interval", "interval", True),
        ("interval", "interval(0)", True),
        ("bpchar", "bpchar", True),
        ("bpchar", "character(5)", False),
        ("numrange", "numrange", True),
        ("text", "text", False),
    ],
)
def test_keys_whose_values_may_be_equal_and_not_the_same(base: str, formatted: str, *, expected: bool) -> None:
    kind = ColumnType(formatted, "pg_catalog", base, base, "pg_catalog", "b", base_formatted=formatted)
    columns = (ColumnDefinition("k", kind, nullable=False), ColumnDefinition("v", kind, nullable=True))
    table = TableDefinition(TableName("dbo", "t"), "r", 1, columns, ("k",))
    assert has_key_of_several_forms(table, {"k"}) is expected
    assert not has_key_of_several_forms(table, {"another"})


def test_a_composite_says_why() -> None:
    verdict = _judge("pair", "public.pair", schema="public", category="c", base_category="c")

    assert verdict.verdict is Verdict.REFUSED
    assert "composite" in verdict.reason


def test_the_page_for_users_says_the_same() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "python -m cdc_assets_tests.unit.dialects.types_page"
