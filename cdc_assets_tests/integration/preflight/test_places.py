"""Tables with odd names on real servers: each passes for itself, and those that are one to Kafka are refused."""

import pytest

from cdc_assets.model.preflight import CheckStatus
from cdc_assets_tests.integration.preflight.conftest import Site

_ODD = ("select", "Gro\u00df und klein", "tab,le", "per%cent", "a.b", "a-b", "[x]", "it's", "back\\slash", "$1")


def test_odd_names_pass_together(site_18: Site) -> None:
    for name in _ODD:
        site_18.make_table(name=name)
    site_18.tables = _ODD
    assert site_18.found() == []


@pytest.mark.parametrize("names", [("a.b", "a_b"), ("a b", "a$b"), ("gr\u00f6\u00dfe", "gr__e"), ("\U0001f600", "__")])
def test_names_that_debezium_and_kafka_take_for_one_are_refused(site_18: Site, names: tuple[str, ...]) -> None:
    for name in names:
        site_18.make_table(name=name)
    site_18.tables = names
    found = [(check.name, check.table, check.status) for check in site_18.found()]
    assert found == [("topic_names", name, CheckStatus.FAIL) for name in names]
