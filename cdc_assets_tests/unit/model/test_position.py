"""LSNs are compared as numbers: compared as text, `9/0` would come after `10/0` and a caught-up proof would lie."""

import pytest

from cdc_assets.model.position import Lsn


def test_an_lsn_is_ordered_by_position_not_by_text() -> None:
    assert Lsn.parse("9/0") < Lsn.parse("10/0")
    assert Lsn.parse("0/FFFFFFFF") < Lsn.parse("1/0")


@pytest.mark.parametrize("text", ["0/0", "16/B374D848", "FFFFFFFF/FFFFFFFF"])
def test_an_lsn_is_printed_as_postgresql_prints_it(text: str) -> None:
    assert str(Lsn.parse(text)) == text


@pytest.mark.parametrize("text", ["", "0", "0/", "/0", "0/G", "0/1 ", "0/123456789", "-1/0"])
def test_what_is_no_lsn_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an LSN"):
        Lsn.parse(text)


def test_the_difference_is_in_bytes() -> None:
    assert Lsn.parse("1/10") - Lsn.parse("0/FFFFFFF0") == 32
