"""Values of every type that the registry knows, at their edges: they arrive as they are, with PostgreSQL as the oracle.

Here through the load alone; what the stream makes of them is proven with the connectors.
"""

import pytest

from cdc_assets.dialects import type_registry
from cdc_assets.model.pipeline import Mode
from cdc_assets_tests.integration.load.bench import LoadBench

_VALUES: dict[str, tuple[str, ...]] = {
    "smallint": ("-32768", "32767"),
    "integer": ("-2147483648", "2147483647"),
    "bigint": ("-9223372036854775808", "9223372036854775807"),
    "boolean": ("t", "f"),
    "char(5)": ("", "a  b", "ü"),
    "varchar(10)": ("", "   ", "é"),
    "text": ("", "\\N", "tab\tnew\nline", "\U0001f600"),
    "name": ("a name",),
    '"char"': ("x",),
    "bytea": ("", "\\x00ff5c0a"),
    "uuid": ("00000000-0000-0000-0000-000000000000", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    "json": ('{"b": 1,  "a": 1.10}', "null"),
    "jsonb": ('{"b": 1.10, "a": [1, null]}', '"x"'),
    "xml": ("<a>ü</a>", "<?xml version='1.0' encoding='UTF-8'?><a/>"),
    "money": ("-92233720368547758.08", "1.10"),
    "oid": ("0", "4294967295"),
    "tsvector": ("'a':1A 'b c':2",),
    "inet": ("192.168.0.1/24", "::1"),
    "cidr": ("10.0.0.0/8",),
    "macaddr": ("08:00:2b:01:02:03",),
    "macaddr8": ("08:00:2b:01:02:03:04:05",),
    "interval": ("1 mon", "30 days", "-1 year 2 mons -3 days 04:05:06.789012"),
    "timestamptz": ("infinity", "-infinity", "4714-11-24 00:00:00+00 BC", "294276-12-31 23:59:59.999999+00"),
    "timestamptz(0)": ("2026-01-01 00:00:00+13",),
    "int4range": ("empty", "[1,5)", "(,)"),
    "int8range": ("[1,5)",),
    "numrange": ("[1.10,1.1]", "(,2.0)"),
    "tsrange": ("[2020-01-01,infinity]",),
    "tstzrange": ("[2020-01-01 00:00+00,)",),
    "daterange": ("[2020-01-01,2020-02-01)",),
    "real": ("NaN", "Infinity", "-0", "1e-45", "3.4028235e38"),
    "double precision": ("NaN", "-Infinity", "-0", "5e-324", "1.7976931348623157e308"),
    "numeric": ("NaN", "Infinity", "-Infinity", "1.10", "1.1", "0.00", "1" + "0" * 300 + ".5"),
    "numeric(10,2)": ("NaN", "99999999.99", "1.1"),
    "date": ("infinity", "-infinity", "4713-01-01 BC", "5874897-12-31"),
    "timestamp": ("infinity", "-infinity", "0001-01-01 BC", "2020-02-29 23:59:59.999999"),
    "time": ("00:00", "24:00", "23:59:59.999999"),
    "timetz": ("12:00+13", "24:00-15:59"),
    "bit(3)": ("101",),
    "varbit": ("", "10110"),
    "point": ("(1.5,-0)",),
    "box": ("(1,1),(0,0)",),
    "path": ("[(0,0),(1,1)]", "((0,0),(1,1))"),
    "polygon": ("((0,0),(1,1),(1,0))",),
    "circle": ("<(1,2),3>",),
    "line": ("{1,2,3}",),
    "lseg": ("[(0,0),(1,1)]",),
    "tsquery": ("'a' & !'b':A*",),
    "pg_lsn": ("FFFFFFFF/FFFFFFFF",),
    "jsonpath": ('$."a"[*]?(@ > 1)',),
    "int4multirange": ("{[1,3),[5,7)}",),
    "int8multirange": ("{}",),
    "nummultirange": ("{[1.10,2]}",),
    "tsmultirange": ("{[2020-01-01,2020-01-02)}",),
    "tstzmultirange": ("{}",),
    "datemultirange": ("{[2020-01-01,2020-01-03)}",),
    "int[]": ("{}", "{1,NULL,3}", "{{1,2},{3,4}}", "[0:1]={5,6}"),
    "text[]": ('{a,NULL,"NULL",""}',),
    "uuid[]": ("{00000000-0000-0000-0000-000000000000}",),
    "boolean[]": ("{t,f,NULL}",),
    "numeric(6,3)[]": ("{1.100,NaN}",),
    "timestamptz[]": ("{infinity,2020-01-01 00:00+00}",),
}


@pytest.fixture
def filled(bench_each: LoadBench) -> LoadBench:
    """A table `zoo` with a column a type: a row for every value, the others NULL."""
    columns = ", ".join(f"c{number} {name}" for number, name in enumerate(_VALUES))
    bench_each.source(f"CREATE TABLE zoo (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, {columns})")
    for number, values in enumerate(_VALUES.values()):
        for value in values:
            escaped = value.replace("'", "''")
            bench_each.source(f"INSERT INTO zoo (c{number}) VALUES ('{escaped}')")
    return bench_each


def test_every_value_of_every_known_type_arrives(filled: LoadBench) -> None:
    outcome = filled.start(filled.pipeline("zoo", mode=Mode.FULL_LOAD_ONLY))["zoo"]

    assert outcome.error is None
    assert outcome.rows == sum(len(values) for values in _VALUES.values())
    assert filled.differences([("zoo", "zoo")]) == {}


def test_no_known_type_is_left_out_here(bench: LoadBench) -> None:
    columns = ", ".join(f"c{number} {name}" for number, name in enumerate(_VALUES))
    bench.source(f"CREATE TABLE zoo ({columns})")
    bases = {
        str(base).removeprefix("_")
        for (base,) in bench.source(
            "SELECT typname FROM pg_attribute JOIN pg_type t ON t.oid = atttypid"
            " WHERE attrelid = 'zoo'::regclass AND attnum > 0"
        )
    }

    assert bases >= type_registry.KNOWN_TYPES
