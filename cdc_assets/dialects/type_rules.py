"""What was measured of every PostgreSQL type on its way to a PostgreSQL target: a rule for load and one for stream.

The load is binary COPY: it carries what the server can send and receive. In the stream a value is the server's text,
then what Debezium makes of it, JSON through Kafka, and what the JDBC sink makes of that; or text all the way, through
our converter (`connect-plugin/`), where the Connect cluster has it. A type that has no rule is refused, never guessed;
the proof of each rule is `cdc_assets_tests/integration/types`. `type_registry` asks here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cdc_assets.dialects.postgres import SYSTEM_SCHEMA


@dataclass(frozen=True, slots=True)
class Exact:
    """Every value arrives as it is."""


@dataclass(frozen=True, slots=True)
class ExactUnless:
    """Every value arrives but some.

    `condition`: SQL, true for a row that holds one; `{0}` is the column, `{1}` the declared length. `values`: the same
    in words.
    """

    condition: str
    values: str


@dataclass(frozen=True, slots=True)
class Refused:
    """No value is safe; `reason` in words, empty when there is no more to say."""

    reason: str = ""


Rule = Exact | ExactUnless | Refused


@dataclass(frozen=True, slots=True)
class TypeRules:
    """The rules of one type for a load alone and for a pipeline that captures changes.

    `text`: the rule of a stream that carries it as text, through our converter; None where that gains nothing.
    """

    load: Rule
    stream: Rule
    text: Rule | None = None


_EXACT = Exact()
_NOT_IN_STREAM = Refused("the stream cannot write it")
_NULL_IN_STREAM = Refused("the stream would write NULL")
_NUMBERS_OF_A_CATALOG = Refused("its numbers mean nothing in another database")
_NO_BINARY = Refused("the server neither sends nor takes it in binary form")
_NOT_CARRIED = Refused("neither load nor stream carries it")
_INTERNAL = Refused("the server makes such values itself and takes none")

_DIMENSIONS = "array_ndims({0}) > 1 OR array_lower({0}, 1) <> 1"
_DIMENSIONS_WORDS = "arrays of more than one dimension or not counted from 1"
_FLOAT = ExactUnless("{0}::text IN ('NaN', 'Infinity', '-Infinity', '-0')", "NaN, Infinity, -Infinity and -0")
# The sink's driver takes what is before 4713 BC for -infinity.
_FIRST_DAY = "4712-01-01 BC"

# Debezium reads an interval before the converter does, and the load fails where the stream of an xml does.
_NOT_BETTER_AS_TEXT = frozenset({"interval", "xml"})

_STREAM: Mapping[str, Rule] = {
    **dict.fromkeys(
        ["bool", "int2", "int4", "int8", "bpchar", "varchar", "text", "name", "char", "bytea", "uuid", "json", "jsonb"],
        _EXACT,
    ),
    **dict.fromkeys(["money", "oid", "inet", "cidr", "macaddr", "macaddr8", "bit"], _EXACT),
    **dict.fromkeys(["int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange"], _EXACT),
    "float4": _FLOAT,
    "float8": _FLOAT,
    "numeric": ExactUnless("{0} IN ('Infinity', '-Infinity')", "Infinity and -Infinity"),
    "xml": ExactUnless("{0}::text LIKE '<?xml%'", "documents with an XML declaration"),
    "tsvector": ExactUnless(
        r"EXISTS (SELECT FROM unnest(tsvector_to_array({0})) AS l WHERE l ~ '[[:space:]'':\\]')",
        "lexemes with a space, quote, colon or backslash",
    ),
    "date": ExactUnless(
        f"NOT isfinite({{0}}) OR {{0}} < '{_FIRST_DAY}'", "infinity, -infinity and days before 4712 BC"
    ),
    "timestamp": ExactUnless(
        f"NOT isfinite({{0}}) OR {{0}} < '{_FIRST_DAY}' OR {{0}} >= '294247-01-01'",
        "infinity, -infinity and times before 4712 BC or after 294246",
    ),
    "timestamptz": ExactUnless(f"isfinite({{0}}) AND {{0}} < '{_FIRST_DAY} 00:00+00'", "times before 4712 BC"),
    "time": ExactUnless("{0} = '24:00'", "24:00:00"),
    "timetz": ExactUnless(
        "extract(timezone FROM {0}) <> 0 OR extract(hour FROM {0}) = 24", "times of another zone than UTC and 24:00:00"
    ),
    # One such value would end the whole source connector.
    "interval": ExactUnless(
        "NOT isfinite({0}) OR abs(extract(hour FROM {0})) > 2147483647",
        "infinity, -infinity and more than 2147483647 hours",
    ),
    "varbit": ExactUnless("get_bit({0} || B'1', 0) = 0", "bits that begin with 0"),
    **dict.fromkeys(
        ["_bool", "_int2", "_int4", "_int8", "_text", "_varchar", "_bpchar", "_uuid", "_json", "_jsonb", "_oid"],
        ExactUnless(_DIMENSIONS, _DIMENSIONS_WORDS),
    ),
    **dict.fromkeys(
        ["_float4", "_float8"],
        ExactUnless(
            f"{_DIMENSIONS} OR {{0}}::text ~ 'NaN|Infinity|-0[,}}}}]'",
            f"NaN, Infinity, -Infinity and -0, and {_DIMENSIONS_WORDS}",
        ),
    ),
    **dict.fromkeys(["_interval", "_xml", "_money", "_name", "_varbit", "_point"], _NULL_IN_STREAM),
    **dict.fromkeys(
        ["point", "box", "path", "polygon", "circle", "line", "lseg"], Refused("the stream needs PostGIS for it")
    ),
}
"""In a stream; a type that a load carries and that is not here is refused."""

VARBIT_WITH_LENGTH = ExactUnless("length({0}) <> {1}", "bits of less than the declared length")
"""The stream pads these with zeros."""

NAMED_BY_SCHEMA = frozenset(
    [
        *("bool", "int2", "int4", "int8", "float4", "float8", "numeric", "varchar", "bpchar", "text", "bytea", "uuid"),
        *("json", "jsonb", "date", "time", "timetz", "timestamp", "timestamptz"),
    ]
)
"""The schema of an event says all that the sink has to know of these; events of others have to name the type."""

_LOADED = frozenset(
    [
        *(name for name, rule in _STREAM.items() if not name.startswith("_") and not isinstance(rule, Refused)),
        *("point", "box", "path", "polygon", "circle", "line", "lseg", "tsquery", "pg_lsn", "jsonpath"),
        *("int4multirange", "int8multirange", "nummultirange", "tsmultirange", "tstzmultirange", "datemultirange"),
        *("xid", "xid8", "cid", "tid", "pg_snapshot", "txid_snapshot", "int2vector", "oidvector", "refcursor"),
    ]
)
NOT_IN_KEY = Refused("the stream finds no row by a key of it")
"""As part of a key: the sink stops at the first row to be deleted, because it compares with a value of another type."""
REFUSED_IN_KEY = frozenset({"time", "bit(1)", "jsonb", "_varchar", "_bpchar", "_jsonb", "_oid"})
"""Types, or declarations, that a stream carries and that no key may have unless it travels as text."""
SEVERAL_FORMS = frozenset(
    [
        *("numeric", "bpchar", "citext", "interval", "numrange", "nummultirange", "float4", "float8", "jsonb"),
        *("_numeric", "_bpchar", "_interval", "_numrange", "_nummultirange", "_float4", "_float8", "_jsonb"),
    ]
)
"""Types with values that are equal and not the same; of numeric and bpchar without a declared length only."""

# The server leaves the declaration out when it sends the value.
_LOAD_UNLESS: Mapping[str, Rule] = {
    "xml": ExactUnless("{0}::text LIKE '<?xml%'", "documents with an XML declaration"),
    "_xml": ExactUnless(
        "EXISTS (SELECT FROM unnest({0}) AS x WHERE x::text LIKE '<?xml%')", "documents with an XML declaration"
    ),
}
_REFUSED_ALWAYS: Mapping[str, Refused] = {
    **dict.fromkeys(["regclass", "regcollation", "regconfig", "regdictionary", "regnamespace"], _NUMBERS_OF_A_CATALOG),
    **dict.fromkeys(["regoper", "regoperator", "regproc", "regprocedure", "regrole", "regtype"], _NUMBERS_OF_A_CATALOG),
    **dict.fromkeys(["aclitem", "gtsvector"], _NO_BINARY),
    **dict.fromkeys(["pg_node_tree", "pg_ndistinct", "pg_dependencies", "pg_mcv_list"], _INTERNAL),
    **dict.fromkeys(["pg_brin_bloom_summary", "pg_brin_minmax_multi_summary"], _INTERNAL),
}


def _rules(name: str) -> TypeRules:
    stream = _STREAM.get(name, _NOT_IN_STREAM)
    is_better = name not in _NOT_BETTER_AS_TEXT and not isinstance(stream, Exact)
    return TypeRules(_LOAD_UNLESS.get(name, _EXACT), stream, _EXACT if is_better else None)


BUILT_IN: Mapping[str, TypeRules] = {
    **{name: _rules(name) for element in sorted(_LOADED) for name in (element, f"_{element}")},
    **{name: TypeRules(rule, rule) for element, rule in _REFUSED_ALWAYS.items() for name in (element, f"_{element}")},
}
"""Types of `pg_catalog` by `pg_type.typname`; an array has an underscore before the name of its element."""

EXTENSIONS: Mapping[str, TypeRules] = {
    "citext": TypeRules(_EXACT, _EXACT),
    "ltree": TypeRules(_EXACT, _EXACT),
    "hstore": TypeRules(
        _EXACT,
        # In its text form what has to be escaped has a backslash before it, and only NULL is not quoted.
        ExactUnless(
            r"""position('\' IN {0}::text) > 0 OR regexp_replace({0}::text, '"[^"]*"', '', 'g') LIKE '%NULL%'""",
            "NULL values, and quotes or backslashes in keys or values",
        ),
        _EXACT,
    ),
    **dict.fromkeys(["lquery", "ltxtquery", "cube"], TypeRules(_NOT_CARRIED, _NOT_CARRIED)),
    **dict.fromkeys(["seg", "ean13", "isbn", "isbn13", "issn", "ismn", "upc"], TypeRules(_NO_BINARY, _NO_BINARY)),
}
"""Types of extensions, found by their bare name whatever schema the extension is in."""


def rules_of(base: str, base_schema: str) -> TypeRules | None:
    """Return the rules of a type below domains; None when nothing was measured of it."""
    return (BUILT_IN if base_schema == SYSTEM_SCHEMA else EXTENSIONS).get(base)


def may_be_key(base: str, base_formatted: str) -> bool:
    """Whether the stream finds rows by keys of a type below domains, which it carries as a value."""
    return not {base, base_formatted} & REFUSED_IN_KEY


def has_several_forms(base: str, base_formatted: str) -> bool:
    """Whether two values may be equal and yet not the same, such as 1.1 and 1.10."""
    has_one_form = base in {"numeric", "bpchar"} and "(" in base_formatted
    return base in SEVERAL_FORMS and not has_one_form
