"""Replica identities are put back on `drop`: whatever a leaf is called, its old value must come out as it went in."""

from hypothesis import given
from hypothesis import strategies as st

from cdc_assets.model.record import format_identities, parse_identities


def test_ordinary_names_are_readable() -> None:
    assert format_identities({"public.b": "d", "public.a": "f"}) == "public.a=f,public.b=d"


@given(st.dictionaries(st.text(min_size=1), st.sampled_from(["d", "n", "f", "i"])))
def test_any_name_comes_back(identities: dict[str, str]) -> None:
    assert parse_identities(format_identities(identities)) == identities


def test_nothing_recorded_is_nothing_to_put_back() -> None:
    assert parse_identities(None) == {}
