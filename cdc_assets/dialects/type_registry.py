"""Which PostgreSQL types arrive in a PostgreSQL target exactly, which for some values only, and which are refused.

What was measured, a table for each kind of pipeline (docs/types.md): in a stream values travel as JSON through Kafka,
in a load alone they are binary COPY, which carries every built-in type. A type that is in neither table is refused,
never guessed. DDL, load, preflight and connectors ask here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from cdc_assets.dialects.postgres import SYSTEM_SCHEMA, quote, type_sql
from cdc_assets.model.table import ColumnDefinition, ColumnType


class Verdict(StrEnum):
    """What can be promised for a column."""

    EXACT = "exact"
    EXACT_IF_VALUES = "exact if values"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class TypeVerdict:
    """The answer for one column.

    `target_sql`: the type to make in the target (an enum stands in the target's schema). `inexact_condition`: SQL,
    true for a row whose value would arrive as something else; only with EXACT_IF_VALUES. `remedy`: what to do about
    what is refused.
    """

    target_sql: str
    verdict: Verdict
    inexact_condition: str | None = None
    inexact_values: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class _IfValues:
    """A condition with `{}` for the column, and the values it finds in words."""

    condition: str
    values: str


_EXACT_IN_STREAM = frozenset(
    [
        "int2",
        "int4",
        "int8",
        "bool",
        "bpchar",
        "varchar",
        "text",
        "name",
        "char",
        "bytea",
        "uuid",
        "json",
        "jsonb",
        "xml",
        "money",
        "oid",
        "tsvector",
        "inet",
        "cidr",
        "macaddr",
        "macaddr8",
        "interval",
        "timestamptz",
        "int4range",
        "int8range",
        "numrange",
        "tsrange",
        "tstzrange",
        "daterange",
    ]
)
_EXACT_EXTENSION_TYPES = frozenset({"citext"})
_ONE_DIMENSION = _IfValues(
    "array_ndims({0}) > 1 OR array_lower({0}, 1) <> 1", "arrays of more than one dimension or not counted from 1"
)
_IF_VALUES_IN_STREAM: Mapping[str, _IfValues] = {
    "float4": _IfValues("{0} IN ('NaN', 'Infinity', '-Infinity')", "NaN, Infinity and -Infinity"),
    "float8": _IfValues("{0} IN ('NaN', 'Infinity', '-Infinity')", "NaN, Infinity and -Infinity"),
    "numeric": _IfValues("{0} IN ('Infinity', '-Infinity')", "Infinity and -Infinity"),
    "date": _IfValues("{0} IN ('infinity', '-infinity')", "infinity and -infinity"),
    "timestamp": _IfValues("{0} IN ('infinity', '-infinity')", "infinity and -infinity"),
    "time": _IfValues("{0} = '24:00'", "24:00:00"),
    "_int4": _ONE_DIMENSION,
    "_text": _ONE_DIMENSION,
    "_uuid": _ONE_DIMENSION,
    "_bool": _ONE_DIMENSION,
}
ARRAY_TYPES = frozenset(base.removeprefix("_") for base in _IF_VALUES_IN_STREAM if base.startswith("_"))
"""Element types whose arrays a stream carries."""
_EXACT_IN_LOAD_ONLY = frozenset(
    [
        "float4",
        "float8",
        "numeric",
        "date",
        "timestamp",
        "time",
        "timetz",
        "bit",
        "varbit",
        "point",
        "box",
        "path",
        "polygon",
        "circle",
        "line",
        "lseg",
        "tsquery",
        "pg_lsn",
        "jsonpath",
        "int4multirange",
        "int8multirange",
        "nummultirange",
        "tsmultirange",
        "tstzmultirange",
        "datemultirange",
    ]
)
KNOWN_TYPES = _EXACT_IN_STREAM | _EXACT_IN_LOAD_ONLY
"""Built-in types (`pg_type.typname`) that a load alone carries at least, by themselves and as elements of arrays."""
_REFUSED_WORDS: Mapping[str, str] = {
    "timetz": "the stream keeps the instant but not the zone",
    "bit": "the stream carries single bits only",
    "varbit": "the stream pads with zeros",
    "hstore": "the stream turns NULL values into text",
}
_LEAVE_OUT = "leave the table out, or change the type on the source"
_LOAD_ALONE = f"{_LEAVE_OUT}; mode full_load_only carries it"


def judge(column: ColumnDefinition, *, target_schema: str, captured: bool = True) -> TypeVerdict:
    """Say how a column reaches the target; `captured`: through the stream as well, not by the load alone."""
    column_type = column.type
    target = type_sql(column_type, user_schema=target_schema)
    if _is_exact(column_type, captured=captured):
        return TypeVerdict(target, Verdict.EXACT)
    found = _IF_VALUES_IN_STREAM.get(column_type.base)
    if found is None or not captured or column_type.base_schema != SYSTEM_SCHEMA or column_type.dimensions > 1:
        return _refused(column_type, target, captured=captured)
    return TypeVerdict(
        target,
        Verdict.EXACT_IF_VALUES,
        inexact_condition=found.condition.format(quote(column.name)),
        inexact_values=found.values,
        remedy="change these values on the source, leave the table out, or accept the column in accept_inexact",
    )


def _is_exact(column_type: ColumnType, *, captured: bool) -> bool:
    base = column_type.base
    if column_type.base_category == "e":
        return True
    if column_type.base_schema != SYSTEM_SCHEMA:
        return base in _EXACT_EXTENSION_TYPES
    if not captured:
        return base.removeprefix("_") in KNOWN_TYPES
    # A declared precision has no room for Infinity.
    is_bounded_numeric = base == "numeric" and "(" in column_type.base_formatted
    return base in _EXACT_IN_STREAM or is_bounded_numeric or _is_single_bit(column_type)


def _is_single_bit(column_type: ColumnType) -> bool:
    return column_type.base == "bit" and column_type.base_formatted in {"bit(1)", "bit"}


def _refused(column_type: ColumnType, target: str, *, captured: bool) -> TypeVerdict:
    reason = _REFUSED_WORDS.get(column_type.base, "")
    if column_type.base_category == "c":
        reason = "composite types are not carried"
    loads = column_type.base_schema == SYSTEM_SCHEMA and column_type.base.removeprefix("_") in KNOWN_TYPES
    remedy = _LOAD_ALONE if captured and loads else _LEAVE_OUT
    return TypeVerdict(target, Verdict.REFUSED, remedy=f"{reason}: {remedy}" if reason else remedy)
