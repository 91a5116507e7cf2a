"""What becomes of every PostgreSQL type in a SQL Server target: its type there, how a load reads it, and the limits.

The load reads a column by `select` as Arrow and copies it in bulk; in the stream Debezium's JDBC sink writes it. Most
of this was measured against another server that speaks its protocol and language, not against SQL Server itself. A type
that has no rule is refused, never guessed. `type_registry` asks here for pipelines whose target is SQL Server.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cdc_assets.dialects.postgres import SYSTEM_SCHEMA
from cdc_assets.dialects.sqlserver import KEY_CHARACTERS, KEY_COLLATION
from cdc_assets.dialects.type_rules import BUILT_IN, Exact, ExactUnless, Refused, Rule
from cdc_assets.model.table import ColumnType

_MAX_DIGITS = 38
_FREE_NUMERIC_SCALE = 10
_MAX_SIZED_CHARACTERS = 2000
_WIDEST_FIXED_BYTES = 17
_ANY_TEXT = "nvarchar(max)"
_AS_TEXT = "{0}::text"
_PRECISION = re.compile(r"\((\d+)(?:,\s*(-?\d+))?\)")

_EXACT = Exact()
_NOT_IN_STREAM = Refused("the stream writes something else, or stops")
_IN_ANOTHER_ZONE = Refused("its text depends on the time zone of Kafka Connect's machine")
_OTHER_DIGITS = Refused("the stream would write its numbers in other digits")
_OTHER_CURRENCY = Refused("its text depends on the source's lc_monetary")
_NOT_IN_KEY = Refused("no row is found by a key of it")
_COMPOSITE = Refused("composite types are not carried")
_UNKNOWN = Refused("nothing is known of this type")
_TOO_WIDE = Refused(f"SQL Server's decimal has at most {_MAX_DIGITS} digits, and no negative scale")

_YEARS = "NOT isfinite({0}) OR {0} < '0001-01-01' OR {0} >= '10000-01-01'"
_YEARS_WORDS = "infinity, -infinity, times before Christ and years over 9999"
_DAYS = ExactUnless(f"{_YEARS} OR {{0}} BETWEEN '1582-10-05' AND '1582-10-14'", f"{_YEARS_WORDS}, 5 to 14 October 1582")
_LOADED_DAYS = ExactUnless(_YEARS, _YEARS_WORDS)
_ZONED = "NOT isfinite({0}) OR {0} < '0001-01-01 00:00+00' OR {0} >= '10000-01-01 00:00+00'"
_LOADED_ZONED = ExactUnless(_ZONED, _YEARS_WORDS)
# The JDBC driver takes these for days of the Julian calendar.
_STREAMED_ZONED = ExactUnless(
    "NOT isfinite({0}) OR {0} < '1582-10-15 00:00+00' OR {0} >= '10000-01-01 00:00+00'",
    "infinity, -infinity, times before 1582-10-15 and years over 9999",
)
_TIME = ExactUnless("{0} = '24:00'", "24:00:00")
# Its documentation ends the range of both types where a number would lose digits; one nearer to zero may become 0.
_LEAST_NUMBERS = {"real": "1.1754944e-38", "float(53)": "2.2250738585072014e-308"}
_NO_NAN = ExactUnless("{0} = 'NaN'", "NaN")
_FREE_NUMERIC = ExactUnless(
    f"{{0}} IN ('NaN', 'Infinity', '-Infinity') OR abs({{0}}) >= 1e{_MAX_DIGITS - _FREE_NUMERIC_SCALE} "
    f"OR {{0}} <> round({{0}}, {_FREE_NUMERIC_SCALE})",
    f"NaN, Infinity, -Infinity and numbers of more than {_MAX_DIGITS - _FREE_NUMERIC_SCALE} digits before or "
    f"{_FREE_NUMERIC_SCALE} behind the point",
)
_INTERVAL = ExactUnless("NOT isfinite({0})", "infinity and -infinity")
# Of more hours the whole source connector would end.
_STREAMED_INTERVAL = ExactUnless(
    "NOT isfinite({0}) OR abs(extract(hour FROM {0})) > 2147483647",
    "infinity, -infinity and more than 2147483647 hours",
)
# The server leaves the encoding out when it sends the value, and a cast does not.
_DECLARED_XML = ExactUnless("{0}::text LIKE '<?xml%'", "documents with an XML declaration")
# As Debezium writes an interval with `interval.handling.mode=string`.
_ISO_INTERVAL = (
    "CASE WHEN {0} IS NOT NULL THEN format('P%sY%sM%sDT%sH%sM%sS', "
    "extract(year FROM {0})::int, extract(month FROM {0})::int, extract(day FROM {0})::int, "
    "extract(hour FROM {0})::bigint, extract(minute FROM {0})::int, trim_scale(extract(second FROM {0}))) END"
)
# UTF-16 has two units for a character beyond U+FFFF.
_UNITS = r"length(regexp_replace({0}::text, '[\U00010000-\U0010FFFF]', 'xx', 'g'))"
_TEXT_KEY = ExactUnless(
    f"right({{0}}::text, 1) = ' ' OR {_UNITS} > {KEY_CHARACTERS}",
    f"keys that end in a blank or have more than {KEY_CHARACTERS} UTF-16 units",
)


@dataclass(frozen=True, slots=True)
class SqlServerType:
    """A type in SQL Server, and how it gets there.

    `select`: the expression by which a load reads the column, which is `{0}`. `load` is the rule of a pipeline that
    only loads, `stream` that of one that captures changes, `text` the same where our converter sends the column as
    text, None for one that is sent as it is. `fit`: what `FittingValues` in the sink makes of text or finds in it, None
    for what the server reads itself; either stops the sink at what the column cannot hold. `is_text`: its keys need a
    collation and a length.
    """

    target: str
    select: str = "{0}"
    load: Rule = _EXACT
    stream: Rule = _EXACT
    text: Rule | None = None
    fit: str | None = None
    is_text: bool = False
    may_be_key: bool = True


_ZONED_TYPES = frozenset({"timestamptz", "tstzrange", "tstzmultirange"})
_GEOMETRIC = frozenset({"point", "box", "path", "polygon", "circle", "line", "lseg"})
# What Debezium and the sink make of a lexeme is not what the server prints.
_LEXEMES = BUILT_IN["tsvector"].stream

_Maker = Callable[[ColumnType], SqlServerType]


def _plain(target: str, select: str = "{0}") -> _Maker:
    made = SqlServerType(target, select)
    return lambda _: made


def _float(target: str, fit: str) -> _Maker:
    least = _LEAST_NUMBERS[target]
    # Compared as what it is: a real would be read as the double precision number next to it.
    tiny = f"({{0}} <> 0 AND abs({{0}}) < '{least}')"
    near = f"numbers nearer to 0 than {least}"
    rule = ExactUnless(
        f"{tiny} OR {{0}}::text IN ('NaN', 'Infinity', '-Infinity')", f"NaN, Infinity, -Infinity and {near}"
    )
    streamed = ExactUnless(
        f"{tiny} OR {{0}}::text IN ('NaN', 'Infinity', '-Infinity', '-0')", f"NaN, Infinity, -Infinity, -0 and {near}"
    )
    made = SqlServerType(target, load=rule, stream=streamed, text=rule, fit=fit)
    return lambda _: made


def _text(target: str = _ANY_TEXT, select: str = "{0}", stream: Rule = _EXACT) -> _Maker:
    made = SqlServerType(target, select, stream=stream, is_text=True)
    return lambda _: made


def _loaded_text(column_type: ColumnType) -> SqlServerType:
    """What a load carries as its text, and a stream with our converter where that is the same text."""
    element = column_type.base.removeprefix("_")
    text: Rule = _EXACT
    if element in _ZONED_TYPES:
        text = _IN_ANOTHER_ZONE
    elif element == "money":
        text = _OTHER_CURRENCY
    elif column_type.base in _GEOMETRIC:
        text = _OTHER_DIGITS
    return SqlServerType(_ANY_TEXT, _AS_TEXT, stream=_NOT_IN_STREAM, text=text, may_be_key=False)


def _sized(column_type: ColumnType) -> SqlServerType:
    """Text of a declared length: that counts characters in PostgreSQL and UTF-16 units in SQL Server."""
    length = _PRECISION.search(column_type.base_formatted)
    characters = int(length[1]) if length else 0
    fits = 0 < characters <= _MAX_SIZED_CHARACTERS
    return SqlServerType(f"nvarchar({2 * characters})" if fits else _ANY_TEXT, is_text=True)


def _numeric(column_type: ColumnType) -> SqlServerType:
    declared = _PRECISION.search(column_type.base_formatted)
    if declared is None:
        return _decimal(_MAX_DIGITS, _FREE_NUMERIC_SCALE, _FREE_NUMERIC)
    precision, scale = int(declared[1]), int(declared[2] or 0)
    if precision > _MAX_DIGITS or not 0 <= scale <= precision:
        return SqlServerType("decimal(38,0)", load=_TOO_WIDE, stream=_TOO_WIDE)
    return _decimal(precision, scale, _NO_NAN)


def _decimal(precision: int, scale: int, rule: Rule) -> SqlServerType:
    return SqlServerType(
        f"decimal({precision},{scale})", load=rule, stream=rule, text=rule, fit=f"decimal:{precision}:{scale}"
    )


def _timed(target: str, load: Rule, stream: Rule) -> _Maker:
    def make(column_type: ColumnType) -> SqlServerType:
        declared = _PRECISION.search(column_type.base_formatted)
        return SqlServerType(f"{target}({declared[1] if declared else 6})", load=load, stream=stream, text=load)

    return make


def _bit(column_type: ColumnType) -> SqlServerType:
    if column_type.base_formatted == "bit(1)":
        return SqlServerType("bit", "({0} = B'1')", may_be_key=False)
    return _loaded_text(column_type)


_TYPES: Mapping[str, _Maker] = {
    "bool": _plain("bit"),
    "int2": _plain("smallint"),
    "int4": _plain("int"),
    "int8": _plain("bigint"),
    "oid": _plain("bigint", "{0}::bigint"),
    "numeric": _numeric,
    "float4": _float("real", "real"),
    "float8": _float("float(53)", "float"),
    "money": _plain("decimal(19,2)", "{0}::numeric(19,2)"),
    "bpchar": _sized,
    "varchar": _sized,
    "text": _text(),
    "name": _text("nvarchar(126)", _AS_TEXT),
    **dict.fromkeys(["json", "jsonb"], _text(select=_AS_TEXT)),
    "xml": _text(select=_AS_TEXT, stream=_DECLARED_XML),
    "tsvector": lambda _: SqlServerType(_ANY_TEXT, _AS_TEXT, stream=_LEXEMES, text=_EXACT, is_text=True),
    **dict.fromkeys(["int4range", "int8range", "numrange", "tsrange", "daterange"], _text(select=_AS_TEXT)),
    "tstzrange": _text(select=_AS_TEXT, stream=_IN_ANOTHER_ZONE),
    # `::text` would add the length of a host's own address.
    "inet": _text("nvarchar(49)", "abbrev({0})"),
    "cidr": _text("nvarchar(49)", _AS_TEXT),
    "macaddr": _text("nvarchar(17)", _AS_TEXT),
    "macaddr8": _text("nvarchar(23)", _AS_TEXT),
    "uuid": _plain("uniqueidentifier"),
    "bytea": _plain("varbinary(max)"),
    "date": lambda _: SqlServerType("date", load=_LOADED_DAYS, stream=_DAYS, text=_LOADED_DAYS),
    "time": _timed("time", _TIME, _TIME),
    "timestamp": _timed("datetime2", _LOADED_DAYS, _DAYS),
    "timestamptz": _timed("datetimeoffset", _LOADED_ZONED, _STREAMED_ZONED),
    "interval": lambda _: SqlServerType("nvarchar(64)", _ISO_INTERVAL, _INTERVAL, _STREAMED_INTERVAL, may_be_key=False),
    "bit": _bit,
}
"""Types of `pg_catalog`; what is not here and loads into PostgreSQL is loaded as text."""
_EXTENSIONS: Mapping[str, _Maker] = {"citext": _text(select=_AS_TEXT), "ltree": _loaded_text, "hstore": _loaded_text}
_ENUM = SqlServerType("nvarchar(126)", _AS_TEXT, is_text=True)


def sqlserver_type(column_type: ColumnType, *, is_key: bool) -> SqlServerType:
    """Return what a column becomes; a refused one has the reason in both rules."""
    found = _found(column_type)
    if not is_key:
        return found
    if not found.may_be_key or found.target == "varbinary(max)":
        return SqlServerType(found.target, found.select, _NOT_IN_KEY, _NOT_IN_KEY, may_be_key=False)
    if not found.is_text:
        return found
    size = _PRECISION.search(found.target)
    characters = min(int(size[1]), KEY_CHARACTERS) if size else KEY_CHARACTERS
    target = f"nvarchar({characters})"
    if column_type.base == "bpchar":
        # The blanks at the end mean nothing on either side.
        rule: Rule = _EXACT if size and int(size[1]) <= KEY_CHARACTERS else _TEXT_KEY
        return SqlServerType(target, found.select, rule, rule, is_text=True)
    return SqlServerType(target, found.select, _TEXT_KEY, _TEXT_KEY, fit="key", is_text=True)


def key_collation(found: SqlServerType, *, is_key: bool) -> str | None:
    """The collation that a column needs, None for the database's own."""
    return KEY_COLLATION if is_key and found.is_text else None


def index_bytes(target: str) -> int | None:
    """The bytes that a column of this type may take in an index; None where it cannot be in one."""
    if "max" in target:
        return None
    size = _PRECISION.search(target)
    return 2 * int(size[1]) if size is not None and target.startswith("nvarchar") else _WIDEST_FIXED_BYTES


def _found(column_type: ColumnType) -> SqlServerType:
    if column_type.base_category == "e":
        return _ENUM
    if column_type.base_category == "c":
        return _refused(_COMPOSITE)
    if column_type.base_schema != SYSTEM_SCHEMA:
        maker = _EXTENSIONS.get(column_type.base)
        return _refused(_UNKNOWN) if maker is None else maker(column_type)
    maker = _TYPES.get(column_type.base)
    if maker is not None:
        return maker(column_type)
    rules = BUILT_IN.get(column_type.base)
    if rules is None:
        return _refused(_UNKNOWN)
    return _refused(rules.load) if isinstance(rules.load, Refused) else _loaded_text(column_type)


def _refused(rule: Refused) -> SqlServerType:
    return SqlServerType(_ANY_TEXT, load=rule, stream=rule)
