"""Random values of many types, as text that PostgreSQL reads; what it does not take is left out by the tests."""

import json
from collections.abc import Mapping

from hypothesis import strategies as st

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


def _finite(width: int) -> st.SearchStrategy[str]:
    numbers = st.floats(allow_nan=False, allow_infinity=False, width=width)  # type: ignore[arg-type]  # 32 or 64
    # -0 arrives as 0.
    return numbers.filter(lambda number: repr(number) != "-0.0").map(repr)


def _array(texts: list[str]) -> str:
    quoted = ('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in texts)
    return "{" + ",".join(quoted) + "}"


STREAMED: Mapping[str, st.SearchStrategy[str]] = {
    **VALUES,
    "numeric": st.one_of(_NUMBERS, st.sampled_from(["NaN", "1.10", "1.1", "0.000"])),
    "real": _finite(32),
    "double precision": _finite(64),
    "timetz": st.times().map(lambda time: f"{time}+00"),
    "varbit": st.text("01", max_size=30).map(lambda bits: f"1{bits}"),
    "jsonb": st.recursive(
        st.none() | st.booleans() | st.integers() | _TEXTS, lambda inner: st.lists(inner, max_size=3), max_leaves=5
    ).map(json.dumps),
    "text[]": st.lists(_TEXTS, max_size=4).map(_array),
    "price_or_none": st.decimals(places=2, min_value=0, max_value=10**7).map(str),
}
"""Every value that a stream carries as well: what docs/types.md excepts is not among them."""
