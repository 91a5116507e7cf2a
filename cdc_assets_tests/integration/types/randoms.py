"""Random values of many types, as text that PostgreSQL reads; what it does not take is left out by the tests."""

import json
from collections.abc import Mapping
from datetime import date

import psycopg
from hypothesis import strategies as st
from psycopg import sql

from cdc_assets_tests.integration.load.bench import LoadBench

_CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
_TEXTS = st.text(_CHARACTERS, max_size=40)
_NUMBERS = st.decimals(places=6, min_value=-(10**20), max_value=10**20).map(str)

VALUES: Mapping[str, st.SearchStrategy[str]] = {
    "text": _TEXTS,
    "varchar(12)": _TEXTS.map(lambda text: text[:12]),
    "bytea": st.binary(max_size=60).map(lambda octets: "\\x" + octets.hex()),
    "smallint": st.integers(-(2**15), 2**15 - 1).map(str),
    "bigint": st.integers(-(2**63), 2**63 - 1).map(str),
    "numeric": st.one_of(_NUMBERS, st.sampled_from(["NaN", "Infinity", "1.10", "1.1"])),
    "numeric(12,3)": st.decimals(places=3, min_value=-(10**8), max_value=10**8).map(str),
    "real": st.floats(width=32).map(repr),
    "double precision": st.floats().map(repr),
    "boolean": st.booleans().map(str),
    "date": st.dates().map(str),
    "timestamp": st.datetimes().map(str),
    "timestamptz": st.datetimes().map(lambda time: f"{time}+05:30"),
    "timetz": st.times().map(lambda time: f"{time}-03"),
    "interval": st.timedeltas().map(lambda time: f"{time.days} days {time.seconds}.{time.microseconds:06} sec"),
    "uuid": st.uuids().map(str),
    "inet": st.ip_addresses().map(str),
    "varbit": st.text("01", max_size=30),
    "integer[]": st.lists(st.one_of(st.integers(-(2**31), 2**31 - 1).map(str), st.just("NULL"))).map(
        lambda some: "{" + ",".join(some) + "}"
    ),
    "numrange": st.tuples(_NUMBERS, _NUMBERS).map(lambda pair: f"[{pair[0]},{pair[1]})"),
    "mood": st.sampled_from(["sad", "it's", '\u00fc"x']),
}
"""Every value that a load carries."""


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _array(texts: list[str]) -> str:
    return "{" + ",".join(map(_quoted, texts)) + "}"


def _pairs(texts: list[tuple[str, str | None]]) -> str:
    quoted = (_quoted(key) + "=>" + ("NULL" if value is None else _quoted(value)) for key, value in texts)
    return ",".join(quoted)


def _lexemes(texts: list[str]) -> str:
    return " ".join("'" + text.replace("\\", "\\\\").replace("'", "''") + "'" for text in texts if text)


_POINTS = st.tuples(st.floats(), st.floats()).map(lambda pair: f"({pair[0]!r},{pair[1]!r})")
_INFINITE = st.sampled_from(["infinity", "-infinity"])
_REALS = st.one_of(st.floats(width=32).map(repr), st.just("NULL"))

STREAMED: Mapping[str, st.SearchStrategy[str]] = {
    **VALUES,
    "numeric": st.one_of(_NUMBERS, st.sampled_from(["NaN", "Infinity", "-Infinity", "1.10", "1.1", "0.000"])),
    "date": st.one_of(
        st.dates().map(str), st.dates(max_value=date(4000, 12, 31)).map(lambda day: f"{day} BC"), _INFINITE
    ),
    "timestamp": st.one_of(
        st.datetimes().map(str), st.dates(max_value=date(4000, 12, 31)).map(lambda day: f"{day} 23:59 BC"), _INFINITE
    ),
    "timestamptz": st.one_of(st.datetimes().map(lambda time: f"{time}+05:30"), _INFINITE),
    "time": st.one_of(st.times().map(str), st.just("24:00")),
    "timetz": st.tuples(st.times(), st.integers(-15, 15)).map(lambda pair: f"{pair[0]}{pair[1]:+03}"),
    "varbit(12)": st.text("01", max_size=12),
    "bit(3)": st.text("01", min_size=3, max_size=3),
    "jsonb": st.recursive(
        st.none() | st.booleans() | st.integers() | _TEXTS, lambda inner: st.lists(inner, max_size=3), max_leaves=5
    ).map(json.dumps),
    "text[]": st.lists(_TEXTS, max_size=4).map(_array),
    "integer[]": st.one_of(VALUES["integer[]"], st.sampled_from(["{{1,2},{3,NULL}}", "[0:1]={7,8}"])),
    "real[]": st.lists(_REALS, max_size=4).map(lambda some: "{" + ",".join(some) + "}"),
    "bytea[]": st.lists(VALUES["bytea"], max_size=3).map(_array),
    "numeric[]": st.lists(_NUMBERS, max_size=3).map(_array),
    "date[]": st.lists(st.dates().map(str) | _INFINITE, max_size=3).map(_array),
    "point": _POINTS,
    "path": st.lists(_POINTS, min_size=1, max_size=4).map(lambda some: "[" + ",".join(some) + "]"),
    "tsvector": st.lists(_TEXTS, max_size=4).map(_lexemes),
    "hstore": st.lists(st.tuples(_TEXTS, st.none() | _TEXTS), max_size=3).map(_pairs),
    "pg_lsn": st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)).map(lambda p: f"{p[0]:X}/{p[1]:X}"),
    "int4multirange": st.lists(st.integers(-100, 100), max_size=4).map(
        lambda starts: "{" + ",".join(f"[{start},{start + 3})" for start in starts) + "}"
    ),
    "price_or_none": st.decimals(places=2, min_value=0, max_value=10**7).map(str),
}
"""Every value that a stream carries as well, with our converter."""


@st.composite
def tables(draw: st.DrawFn, values: Mapping[str, st.SearchStrategy[str]]) -> tuple[list[str], list[list[str | None]]]:
    """The types of some columns, and rows of them."""
    types = draw(st.lists(st.sampled_from(sorted(values)), min_size=1, max_size=8))
    row = st.tuples(*(st.none() | values[declared] for declared in types)).map(list)
    return types, draw(st.lists(row, max_size=25))


def fill(bench: LoadBench, name: str, types: list[str], rows: list[list[str | None]]) -> int:
    """Make the table; rows that PostgreSQL does not take are left out. Returns how many it took."""
    columns = ", ".join(f"c{number} {declared}" for number, declared in enumerate(types))
    bench.source(f"CREATE TABLE {name} (id int PRIMARY KEY, {columns})")
    kept = 0
    with psycopg.connect(bench.databases.source_url, autocommit=True) as session:
        for row in rows:
            cells = [
                sql.SQL("{}::text::{}").format(sql.Literal(cell), sql.SQL(declared))
                for cell, declared in zip(row, types, strict=True)
            ]
            insert = sql.SQL("INSERT INTO {} VALUES ({}, {})")
            try:
                session.execute(insert.format(sql.Identifier(name), sql.Literal(kept), sql.SQL(", ").join(cells)))
            except psycopg.DataError:
                continue
            kept += 1
    return kept
