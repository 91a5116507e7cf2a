"""Values of every type at its edges, in a few wide tables: what the registry calls exact has to bring its values here.

A family is a table, a column a type, a row an edge. Every column has its first value as default, so that the NULLs
that are written explicitly would show what a default does to them.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from cdc_assets.dialects.postgres import SESSION_SETTINGS, literal

Values = Mapping[str, tuple[str, ...]]

EXTENSIONS: LiteralString = "CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION ltree"
TYPES: LiteralString = """
CREATE TYPE mood AS ENUM ('sad', 'ok', 'ha ppy', 'ü"x', 'it''s');
CREATE DOMAIN posint AS int CHECK (VALUE > 0);
CREATE DOMAIN price AS numeric(10,2) NOT NULL DEFAULT 7;
CREATE DOMAIN price_or_none AS numeric(10,2);
CREATE DOMAIN cents AS price_or_none CHECK (VALUE > 0);
CREATE DOMAIN moods AS mood;
CREATE DOMAIN tags AS text[];
"""
HOSTILE = (
    "extra_float_digits = -5",
    "bytea_output = 'escape'",
    "intervalstyle = 'sql_standard'",
    "datestyle = 'German, DMY'",
    "timezone = 'Asia/Kolkata'",
)
"""Settings of a database that change the text of values."""

_TEXT = (
    "",
    "   ",
    "\\N",
    "NULL",
    "tab\tnew\nline\r\x01",
    "\U0001f600",
    "a\u0301\u00a0",
    "__debezium_unavailable_value",
)

FAMILIES: Mapping[str, Values] = {
    "numbers": {
        "smallint": ("7", "-32768", "32767", "0"),
        "integer": ("7", "-2147483648", "2147483647"),
        "bigint": ("7", "-9223372036854775808", "9223372036854775807", "9007199254740993"),
        "real": ("0.1", "1e-45", "3.4028235e38", "1.1754944e-38", "16777217", "-1.5", "0"),
        "double precision": ("0.1", "5e-324", "1.7976931348623157e308", "0.30000000000000004", "1e22", "-2.5", "0"),
        "numeric": ("1.10", "NaN", "1.1", "0.00", "1" + "0" * 300 + ".5", "-1e-100", "1e131071"),
        "numeric(10,2)": ("1.10", "NaN", "99999999.99", "-99999999.99", "0"),
        "numeric(38,0)": ("1", "9" * 38),
        "numeric(5,-2)": ("12300",),
        "numeric(3,5)": ("0.00123",),
        "money": ("1.10", "-92233720368547758.08", "92233720368547758.07", "-0.01", "0"),
        "oid": ("7", "0", "4294967295"),
        "boolean": ("t", "f"),
        "bit": ("1", "0"),
        "bit(3)": ("101", "001", "000"),
        "bit(8)": ("10100000", "00000001", "00000000"),
        "bit(100)": ("1" * 100, "0" * 99 + "1", "1" + "0" * 99),
        "varbit": ("1", "", "10110", "1" * 70, "1000000000000000"),
        "varbit(5)": ("10110", "00000", "00001"),
    },
    "texts": {
        "text": ("x", *_TEXT, "long " * 30_000),
        "varchar": ("x", *_TEXT),
        "varchar(10)": ("x", "", "   ", "é" * 10),
        "char(5)": ("x", "", " a", "a  b", "ü"),
        "name": ("x", "", "a name", "\u00fc" * 31),
        '"char"': ("x", "", "\\377", "'"),
        "citext": ("x", "Ab", "aB", ""),
        "bytea": ("\\x00", "\\x", "\\x00ff5c0a27", "\\x" + "00ff" * 5_000),
        "uuid": ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "00000000-0000-0000-0000-000000000000"),
        "json": ("1", '{"b": 1,  "a": 1.10, "a": 2}', "null", " [1] ", '"\\u00e9\\ud83d\\ude00"', "1e400"),
        "jsonb": ("1", '{"b": 1.10, "a": [1, null]}', "null", "1e400", '"\\"q\\" \\\\ \\ud83d\\ude00"'),
        "xml": ("<a/>", "<a>ü &lt; b</a>", "", "text only", "<?pi x?><a/>", "<!-- c --><a b='1'/>"),
        "tsvector": ("a", "", "'a':1A b:2B,3C c:4 x-y z.w 1.5 @ a/b", "'a,b' '(x)' '*' 'q\"q' é:16383"),
        "ltree": ("a", "a.b_c.D1", ""),
        "hstore": ("a=>1", "", '"x y"=>z, b=>"", "ü"=>"é, c=>d"', 'n=>"null", "k"=>"=>NULL, x", t=>"\t\n"'),
        "inet": ("10.0.0.1", "192.168.0.1/24", "::1", "::ffff:1.2.3.4/96", "0.0.0.0/0"),
        "cidr": ("10.0.0.0/8", "::/0", "1.2.3.4"),
        "macaddr": ("08:00:2b:01:02:03", "ff:ff:ff:ff:ff:ff"),
        "macaddr8": ("08:00:2b:01:02:03:04:05",),
        "mood": ("sad", "ha ppy", 'ü"x', "it's"),
        "posint": ("1", "2147483647"),
        "cents": ("1.10", "0.01"),
        "moods": ("ok", "it's"),
        "tags": ("{a}", '{"NULL","",NULL}'),
    },
    "times": {
        "date": (
            "2024-02-29",
            "4712-01-01 BC",
            "0044-03-15 BC",
            "0001-01-01",
            "1582-10-10",
            "9999-12-31",
            "10000-01-01",
            "5874897-12-31",
        ),
        "timestamp": (
            "2024-02-29 23:59:59.999999",
            "4712-01-01 BC",
            "0044-03-15 00:00 BC",
            "0001-01-01",
            "1582-10-10 12:00",
            "9999-12-31 23:59:59.999999",
            "294246-12-31 23:59:59.999999",
        ),
        "timestamp(0)": ("2024-02-29 23:59:59", "4712-01-01 BC", "294246-12-31 23:59:59"),
        "timestamp(3)": ("2024-02-29 23:59:59.999", "4712-01-01 BC", "294246-12-31 23:59:59.999"),
        "timestamp(4)": ("2024-02-29 23:59:59.9999", "4712-01-01 BC", "294246-12-31 23:59:59.9999"),
        "timestamptz": (
            "2024-01-02 03:04:05.678901+05:30",
            "infinity",
            "-infinity",
            "4712-01-01 00:00+00 BC",
            "0001-01-01 00:00+00",
            "0001-12-31 23:59:59+00 BC",
            "1582-10-10 00:00+00",
            "294276-12-31 23:59:59.999999+00",
        ),
        "timestamptz(0)": ("2026-01-01 00:00:00+13",),
        "timestamptz(3)": ("2026-01-01 00:00:00.123-12",),
        "time": ("12:00", "00:00", "23:59:59.999999"),
        "time(0)": ("12:00", "23:59:59"),
        "time(3)": ("12:00", "23:59:59.999"),
        "timetz": ("12:00+00", "00:00+00", "23:59:59.999999+00"),
        "timetz(3)": ("12:00:00.123+00",),
        "interval": (
            "1 mon",
            "30 days",
            "-1 year 2 mons -3 days 04:05:06.789012",
            "00:00",
            "-00:00:00.000001",
            "1 mon -1 day",
            "-1 day +00:00:00.5",
            "1 year -1 sec",
            "100 days 25:00",
            "2147483647 days",
            "178956970 years 7 mons",
            "2147483647:59:59.999999",
            "-2147483647:59:59.999999",
        ),
        "interval(0)": ("1 mon 2 sec",),
        "interval day to second": ("1 day 1.5 sec",),
        "int4range": ("[1,5)", "empty", "(,)", "[-2147483648,2147483647)"),
        "int8range": ("[1,5)", "empty", "(,9223372036854775807)"),
        "numrange": ("[1.10,1.1]", "(,2.0)", "[NaN,NaN]", "empty"),
        "tsrange": ("[2020-01-01,infinity]", "empty", "(0044-03-15 BC,2020-01-01 00:00:00.000001]"),
        "tstzrange": ("[2020-01-01 00:00+05:30,)", "empty", "[-infinity,infinity)"),
        "daterange": ("[2020-01-01,2020-02-01)", "empty", "[,infinity)"),
    },
    "arrays": {
        "boolean[]": ("{t}", "{}", "{t,f,NULL}"),
        "smallint[]": ("{1}", "{}", "{-32768,NULL,32767}"),
        "integer[]": ("{1}", "{}", "{-2147483648,NULL,2147483647}", "{NULL}"),
        "bigint[]": ("{1}", "{}", "{-9223372036854775808,NULL,9223372036854775807}"),
        "real[]": ("{0.1}", "{}", "{1e-45,NULL,3.4028235e38,-0.5}"),
        "double precision[]": ("{0.1}", "{}", "{5e-324,NULL,1.7976931348623157e308,0.30000000000000004,-0.5}"),
        "text[]": ("{a}", "{}", '{a,NULL,"NULL","","q\\"q","b\\\\s","{c}","é, x","\U0001f600\n\t"}'),
        "varchar[]": ("{a}", "{}", '{NULL,"NULL",""," "}'),
        "varchar(3)[]": ("{a}", "{}", "{NULL,abc}"),
        "char(3)[]": ("{a}", "{}", '{NULL,"a b"}'),
        "uuid[]": ("{00000000-0000-0000-0000-000000000000,NULL}", "{}"),
        "json[]": ("{1}", "{}", '{"{\\"a\\":  1.10}",NULL,"null"}'),
        "jsonb[]": ("{1}", "{}", '{"{\\"k\\": \\"a\\\\\\"b\\"}",NULL,"1.10","null"}'),
        "oid[]": ("{1}", "{}", "{0,NULL,4294967295}"),
    },
}
"""Values that arrive by load and by any stream."""

INEXACT: Mapping[str, tuple[str, ...]] = {
    "real": ("NaN", "Infinity", "-Infinity", "-0"),
    "double precision": ("NaN", "Infinity", "-Infinity", "-0"),
    "numeric": ("Infinity", "-Infinity"),
    "date": ("infinity", "-infinity", "4714-11-24 BC"),
    "timestamp": ("infinity", "-infinity", "4714-11-24 BC", "294276-12-31 23:59:59.999999"),
    "timestamptz": ("4714-11-24 00:00:00+00 BC",),
    "time": ("24:00",),
    "timetz": ("12:00+13", "24:00+00", "00:00-00:30"),
    "interval": ("2147483648:00", "-2147483648:00"),
    "xml": ("<?xml version='1.0' encoding='UTF-8'?><a/>",),
    "tsvector": ("'b c'", "'it''s'", "'a:b'", "'c\\\\d'"),
    "hstore": ("a=>NULL", 'a=>NULL,b=>"1"', '"\\"k"=>1', '"a"=>"b\\\\c"'),
    "varbit": ("0", "0011", "00000000"),
    "varbit(5)": ("", "1011", "0"),
    **dict.fromkeys(["boolean[]", "text[]", "varchar[]", "char(3)[]", "json[]"], ("{{1,0},{1,0}}", "[0:1]={1,0}")),
    **dict.fromkeys(["smallint[]", "integer[]", "bigint[]", "jsonb[]", "oid[]"], ("{{1,2},{3,4}}", "[0:1]={1,2}")),
    **dict.fromkeys(["real[]", "double precision[]"], ("{1,NaN}", "{-Infinity}", "{-0,1}", "{1,-0}", "{{1}}")),
    "uuid[]": ("[0:0]={00000000-0000-0000-0000-000000000000}",),
    "numeric(10,2)": (),
}
"""Values that a stream without our converter would not bring as they are; a condition of the registry finds each."""

LOAD_ONLY: Mapping[str, Values] = {
    "load_only": {
        "real": ("NaN", "Infinity", "-0"),
        "double precision": ("NaN", "-Infinity", "-0"),
        "numeric": ("Infinity", "-Infinity"),
        "date": ("infinity", "-infinity", "4714-11-24 BC"),
        "timestamp": ("infinity", "-infinity", "294276-12-31 23:59:59.999999"),
        "time": ("24:00",),
        "timetz": ("12:00+13", "24:00-15:59"),
        "interval": ("2562047788:00:54.775807",),
        "tsvector": ("'b c':2 'it''s'",),
        "hstore": ('a=>NULL, "q\\"q"=>"b\\\\c"',),
        "varbit": ("0", "0011"),
        "varbit(20)": ("", "0011"),
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
        "xid": ("4294967295",),
        "xid8": ("18446744073709551615",),
        "cid": ("7",),
        "tid": ("(1,2)",),
        "pg_snapshot": ("10:20:10,14,15",),
        "txid_snapshot": ("10:20:10,14,15",),
        "int2vector": ("1 2",),
        "oidvector": ("1 4294967295",),
        "refcursor": ("a b",),
        "integer[]": ("{{1,2},{3,4}}", "[0:1]={5,6}"),
        "numeric(6,3)[]": ("{1.100,NaN}",),
        "timestamptz[]": ("{infinity,2020-01-01 00:00+00}",),
        "interval[]": ('{"1 mon",NULL}',),
        "xml[]": ("{<a/>,NULL}",),
        "money[]": ("{1.10}",),
        "point[]": ('{"(1,2)"}',),
        "tsvector[]": ("{\"'b c':1\"}",),
        "bit(3)[]": ("{101}",),
        "int4multirange[]": ('{"{[1,3)}"}',),
        "oidvector[]": ('{"1 2"}',),
    }
}
"""Values that only a load brings, and a stream that carries them as text."""


def _arrays() -> Values:
    """An array of every type that has them and of no more dimensions, with an array of two and one of none."""
    found: dict[str, tuple[str, ...]] = {}
    for declared, values in {**FAMILIES["numbers"], **FAMILIES["texts"], **FAMILIES["times"], **_LOADED_ONLY}.items():
        if declared.endswith("[]") or declared in _NO_ARRAYS:
            continue
        quoted = ['"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values if len(value) < _LONG]
        # The one type whose arrays have another mark between their elements.
        mark = ";" if declared == "box" else ","
        flat = "{" + mark.join([*quoted, "NULL"]) + "}"
        found[f"{declared}[]"] = (flat, "{}", f"{{{{{quoted[0]}}}{mark}{{{quoted[-1]}}}}}")
    return found


_LONG = 1000
# The elements' numbers differ from database to database, and stand in an array's binary form.
_NO_ARRAYS = {"citext", "ltree", "hstore", "mood", "posint", "cents", "moods", "tags"}
_LOADED_ONLY = LOAD_ONLY["load_only"]
# The converter comes too late for these.
_NEVER = {"interval", "xml"}

AS_TEXT: Mapping[str, Values] = {
    "once_inexact": {declared: values for declared, values in INEXACT.items() if declared not in _NEVER and values},
    "once_load_only": {declared: values for declared, values in _LOADED_ONLY.items() if declared not in _NEVER},
    "arrays_of_all": _arrays(),
    "later": {
        # Equals what stands for infinity on the way.
        "timestamp": ("294247-01-10 04:00:25.2", "294247-01-10 04:00:25.200001", "infinity"),
        "real[]": ("[2:3]={NaN,-0}",),
        "text[]": ("{" + ",".join(["long"] * 30_000) + "}",),
        "tsvector": ("'" + "' 'lexeme ".join(map(str, range(3_000))) + "'",),
        "numeric[]": ('{Infinity,NaN,1.10,NULL,"-Infinity"}',),
        "timestamp[]": ('{infinity,"0044-03-15 00:00:00 BC"}',),
        "interval[]": ('{"2147483648:00:00","1 mon"}',),
    },
}
"""Values that a stream brings with our converter."""
STREAMED = {**FAMILIES, **AS_TEXT}


def create(url: str, families: Mapping[str, Values], *, schema: str = "public") -> None:
    """Make a table a family, with the types it needs; columns are `c0`, `c1`, ... after `id`."""
    with _session(url) as session:
        session.execute(sql.SQL("SET search_path = {}, public").format(sql.Identifier(schema)))
        session.execute(EXTENSIONS)
        session.execute(TYPES)
        for table, values in families.items():
            columns = [
                f"c{number} {declared} DEFAULT {literal(edges[0])}" for number, (declared, edges) in _numbered(values)
            ]
            session.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, {', '.join(columns)})".encode())


def fill(url: str, families: Mapping[str, Values], *, first_id: int) -> None:
    """Insert a row for every edge, NULL where a type has no more, and last a row of NULLs only."""
    with _session(url) as session:
        for table, values in families.items():
            for row in range(edges(values) + 1):
                cells = [
                    "NULL" if row >= len(some) else f"{literal(some[row])}::{declared}"
                    for declared, some in values.items()
                ]
                session.execute(f"INSERT INTO {table} VALUES ({first_id + row}, {', '.join(cells)})".encode())


def edges(values: Values) -> int:
    """How many rows the longest column needs."""
    return max(len(some) for some in values.values())


def hostile(url: str) -> None:
    """Give the database settings that change the text of values in every session that does not set its own."""
    name = sql.Identifier(url.rpartition("/")[2])
    with psycopg.connect(url, autocommit=True) as session:
        for setting in HOSTILE:
            session.execute(sql.SQL("ALTER DATABASE {} SET {}").format(name, sql.SQL(setting)))


def rows(url: str, schema: str, table: str) -> dict[int, tuple[str, ...]]:
    """Every row by its id, a text for each column as the server prints it."""
    with _session(url) as session:
        session.execute(sql.SQL("SET search_path = {}, public").format(sql.Identifier(schema)))
        columns = session.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
            " AND attname <> 'id' ORDER BY attname",
            (f"{schema}.{table}",),
        ).fetchall()
        listed = [sql.SQL("ROW({})::text").format(sql.Identifier(name)) for (name,) in columns]
        query = sql.SQL("SELECT id, {} FROM {}").format(sql.SQL(", ").join(listed), sql.Identifier(schema, table))
        return {number: tuple(texts) for number, *texts in session.execute(query)}


def column_types(url: str, table: str) -> dict[str, str]:
    """The declared type of each column of a table in `public`."""
    with _session(url) as session:
        found = session.execute(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attname",
            (table,),
        )
        return dict(found.fetchall())


@contextmanager
def _session(url: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    with psycopg.connect(url, autocommit=True) as session:
        for name in ("datestyle", "intervalstyle", "timezone", "extra_float_digits", "bytea_output"):
            session.execute("SELECT set_config(%s, %s, false)", (name, SESSION_SETTINGS[name]))
        yield session


def _numbered(values: Values) -> list[tuple[int, tuple[str, tuple[str, ...]]]]:
    return list(enumerate(values.items()))
