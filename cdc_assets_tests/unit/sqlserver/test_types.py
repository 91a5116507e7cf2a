"""Every PostgreSQL type has its answer for SQL Server: the type, how it is read, and what is refused."""

from dataclasses import replace

import pyarrow as pa
import pytest

from cdc_assets.adapters.sqlserver.arrow import arrow_type
from cdc_assets.dialects.sqlserver_types import index_bytes, sqlserver_type
from cdc_assets.dialects.type_registry import TypeVerdict, Verdict, judge, needs_text
from cdc_assets.dialects.type_rules import BUILT_IN
from cdc_assets.model.table import ColumnDefinition, ColumnType


def _judge(base: str, formatted: str = "", *, captured: bool = True, is_key: bool = False, **more: str) -> TypeVerdict:
    """The answer where Kafka Connect has no converter."""
    schema = more.get("schema", "pg_catalog")
    category = more.get("category", "b")
    column_type = ColumnType(
        formatted or base,
        schema,
        base,
        base,
        schema,
        "b",
        base_category=category,
        base_formatted=formatted or base,
    )
    column = ColumnDefinition('a "c', column_type, nullable=True)
    return judge(
        column, target_schema="dbo", captured=captured, is_key=is_key, has_converter=False, product="sqlserver"
    )


@pytest.mark.parametrize(
    ("base", "formatted", "target", "select", "arrow"),
    [
        ("bool", "boolean", "bit", '"a ""c"', pa.bool_()),
        ("int2", "smallint", "smallint", '"a ""c"', pa.int16()),
        ("int4", "integer", "int", '"a ""c"', pa.int32()),
        ("int8", "bigint", "bigint", '"a ""c"', pa.int64()),
        ("oid", "oid", "bigint", '"a ""c"::bigint', pa.int64()),
        ("numeric", "numeric(10,2)", "decimal(10,2)", '"a ""c"', pa.decimal128(10, 2)),
        ("numeric", "numeric", "decimal(38,10)", '"a ""c"', pa.decimal128(38, 10)),
        ("float4", "real", "real", '"a ""c"', pa.float32()),
        ("float8", "double precision", "float(53)", '"a ""c"', pa.float64()),
        ("money", "money", "decimal(19,2)", '"a ""c"::numeric(19,2)', pa.decimal128(19, 2)),
        ("varchar", "character varying(50)", "nvarchar(100)", '"a ""c"', pa.large_string()),
        ("varchar", "character varying(2001)", "nvarchar(max)", '"a ""c"', pa.large_string()),
        ("bpchar", "character(3)", "nvarchar(6)", '"a ""c"', pa.large_string()),
        ("text", "text", "nvarchar(max)", '"a ""c"', pa.large_string()),
        ("jsonb", "jsonb", "nvarchar(max)", '"a ""c"::text', pa.large_string()),
        ("inet", "inet", "nvarchar(49)", 'abbrev("a ""c")', pa.large_string()),
        ("uuid", "uuid", "uniqueidentifier", '"a ""c"', pa.binary(16)),
        ("bytea", "bytea", "varbinary(max)", '"a ""c"', pa.large_binary()),
        ("date", "date", "date", '"a ""c"', pa.date32()),
        ("time", "time(3) without time zone", "time(3)", '"a ""c"', pa.time64("us")),
        ("timestamp", "timestamp without time zone", "datetime2(6)", '"a ""c"', pa.timestamp("us")),
        ("timestamptz", "timestamp(0) with time zone", "datetimeoffset(0)", '"a ""c"', pa.timestamp("us", "UTC")),
        ("bit", "bit(1)", "bit", '("a ""c" = B\'1\')', pa.bool_()),
    ],
)
def test_the_map(base: str, formatted: str, target: str, select: str, arrow: pa.DataType) -> None:
    verdict = _judge(base, formatted)

    assert (verdict.target_sql, verdict.select_sql, verdict.collation) == (target, select, None)
    assert verdict.verdict is not Verdict.REFUSED
    assert arrow_type(target) == arrow


@pytest.mark.parametrize(
    ("base", "formatted", "words"),
    [
        ("numeric", "numeric(10,2)", "NaN"),
        ("numeric", "numeric", "10 behind the point"),
        ("float8", "double precision", "Infinity"),
        ("float8", "double precision", "numbers nearer to 0 than 2.2250738585072014e-308"),
        ("float4", "real", "numbers nearer to 0 than 1.1754944e-38"),
        ("date", "date", "years over 9999, 5 to 14 October 1582"),
        ("timestamp", "timestamp without time zone", "before Christ"),
        ("timestamptz", "timestamp with time zone", "before 1582-10-15"),
        ("time", "time without time zone", "24:00:00"),
    ],
)
def test_values_that_would_arrive_as_others_are_looked_for(base: str, formatted: str, words: str) -> None:
    verdict = _judge(base, formatted)

    assert verdict.verdict is Verdict.EXACT_IF_VALUES
    assert words in verdict.inexact_values
    assert '"a ""c"' in (verdict.inexact_condition or "")
    assert "{0}" not in (verdict.inexact_condition or "")


@pytest.mark.parametrize("base", ["_int4", "point", "timetz", "varbit", "bit", "tsquery", "pg_lsn", "int4multirange"])
def test_what_the_stream_garbles_a_load_alone_carries_as_text(base: str) -> None:
    assert _judge(base).verdict is Verdict.REFUSED
    assert "give Kafka Connect the converter" in _judge(base).remedy
    loaded = _judge(base, captured=False)
    assert (loaded.verdict, loaded.target_sql) == (Verdict.EXACT, "nvarchar(max)")
    assert loaded.select_sql == '"a ""c"::text'


@pytest.mark.parametrize(
    ("base", "formatted"),
    [("numeric", "numeric(39,2)"), ("numeric", "numeric(5,-2)"), ("numeric", "numeric(2,5)"), ("regclass", "regclass")],
)
def test_what_fits_no_type_is_refused_in_every_mode(base: str, formatted: str) -> None:
    for captured in (True, False):
        assert _judge(base, formatted, captured=captured).verdict is Verdict.REFUSED


def test_an_unknown_or_composite_type_is_refused() -> None:
    assert _judge("geometry", schema="public").verdict is Verdict.REFUSED
    assert _judge("pair", schema="public", category="c").verdict is Verdict.REFUSED
    assert _judge("a_type_of_tomorrow").verdict is Verdict.REFUSED


def test_an_enum_becomes_its_label() -> None:
    verdict = _judge("mood", "public.mood", schema="public", category="e")

    assert (verdict.target_sql, verdict.select_sql) == ("nvarchar(126)", '"a ""c"::text')
    assert verdict.verdict is Verdict.EXACT


def test_text_in_a_key_tells_case_apart_and_has_a_length() -> None:
    verdict = _judge("text", is_key=True)

    assert (verdict.target_sql, verdict.collation) == ("nvarchar(450)", "Latin1_General_100_BIN2")
    assert "end in a blank" in verdict.inexact_values
    assert not verdict.stops_sink, "without our transformation it takes the row of the key without the blank"
    assert _judge("varchar", "character varying(20)", is_key=True).target_sql == "nvarchar(40)"
    assert _judge("int8", "bigint", is_key=True).collation is None


@pytest.mark.parametrize("base", ["bytea", "interval", "point"])
def test_what_cannot_be_a_key_is_refused_as_one(base: str) -> None:
    assert _judge(base, is_key=True, captured=False).verdict is Verdict.REFUSED


def test_every_type_of_the_registry_has_an_answer_with_an_arrow_type() -> None:
    for base in BUILT_IN:
        for captured in (True, False):
            verdict = _judge(base, captured=captured)
            assert verdict.target_sql
            assert arrow_type(verdict.target_sql)
            assert verdict.verdict is not Verdict.REFUSED or (verdict.reason and verdict.remedy)


def test_what_may_be_indexed() -> None:
    assert index_bytes("nvarchar(40)") == 80
    assert index_bytes("bigint") is not None
    assert index_bytes("nvarchar(max)") is None
    assert index_bytes("varbinary(max)") is None


@pytest.mark.parametrize(
    ("base", "formatted", "verdict", "fit"),
    [
        ("_int4", "integer[]", Verdict.EXACT, None),
        ("timetz", "timetz", Verdict.EXACT, None),
        ("varbit", "bit varying(5)", Verdict.EXACT, None),
        ("tsquery", "tsquery", Verdict.EXACT, None),
        ("tsvector", "tsvector", Verdict.EXACT, None),
        ("float8", "double precision", Verdict.EXACT_IF_VALUES, "float"),
        ("float4", "real", Verdict.EXACT_IF_VALUES, "real"),
        ("numeric", "numeric(12,4)", Verdict.EXACT_IF_VALUES, "decimal:12:4"),
        ("numeric", "numeric", Verdict.EXACT_IF_VALUES, "decimal:38:10"),
        ("date", "date", Verdict.EXACT_IF_VALUES, None),
        ("timestamptz", "timestamptz", Verdict.EXACT_IF_VALUES, None),
        ("point", "point", Verdict.REFUSED, None),
        ("_timestamptz", "timestamptz[]", Verdict.REFUSED, None),
        ("tstzmultirange", "tstzmultirange", Verdict.REFUSED, None),
        ("_money", "money[]", Verdict.REFUSED, None),
    ],
)
def test_what_the_converter_sends_as_text(base: str, formatted: str, verdict: Verdict, fit: str | None) -> None:
    kind = ColumnType(formatted, "pg_catalog", base, base, "pg_catalog", "b", base_formatted=formatted)
    column = ColumnDefinition("c", kind, nullable=True)

    assert needs_text(column, is_key=False, product="sqlserver")
    assert judge(column, target_schema="dbo", product="sqlserver").verdict is verdict
    assert sqlserver_type(kind, is_key=False).fit == fit


@pytest.mark.parametrize(
    ("base", "formatted", "fit"),
    [("text", "text", "key"), ("varchar", "character varying(20)", "key"), ("bpchar", "character(5)", None)],
)
def test_what_the_sink_looks_for_in_a_key(base: str, formatted: str, fit: str | None) -> None:
    kind = ColumnType(formatted, "pg_catalog", base, base, "pg_catalog", "b", base_formatted=formatted)

    column = ColumnDefinition("c", kind, nullable=False)
    assert sqlserver_type(kind, is_key=True).fit == fit, "the blanks of a padded key mean nothing on either side"
    assert judge(column, target_schema="dbo", product="sqlserver", is_key=True).stops_sink is (fit is not None)
    assert not needs_text(column, is_key=True, product="sqlserver")


@pytest.mark.parametrize("base", ["int4", "bool", "uuid", "text", "jsonb", "bytea", "money", "interval", "tstzrange"])
def test_what_travels_as_it_is(base: str) -> None:
    kind = ColumnType(base, "pg_catalog", base, base, "pg_catalog", "b", base_formatted=base)

    assert not needs_text(ColumnDefinition("c", kind, nullable=True), is_key=False, product="sqlserver")
    assert sqlserver_type(kind, is_key=False).fit is None


@pytest.mark.parametrize(
    ("base", "formatted"), [("timestamptz", "timestamptz"), ("date", "date"), ("float8", "float8"), ("_int4", "_int4")]
)
def test_with_the_converter_more_values_arrive(base: str, formatted: str) -> None:
    kind = ColumnType(formatted, "pg_catalog", base, base, "pg_catalog", "b", base_formatted=formatted)
    column = ColumnDefinition("c", kind, nullable=True)

    loaded = judge(column, target_schema="dbo", product="sqlserver", captured=False)
    captured = judge(column, target_schema="dbo", product="sqlserver")
    assert captured == replace(loaded, stops_sink=captured.verdict is Verdict.EXACT_IF_VALUES)
    assert "converter" in judge(column, target_schema="dbo", product="sqlserver", has_converter=False).remedy
