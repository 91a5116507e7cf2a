"""Every service that the pages name takes an address of its form; nothing leaves this machine."""

import re

import pytest

from cdc_assets.adapters.notifier import AppriseNotifier
from cdc_assets.model.alert import Severity
from cdc_assets.model.errors import AlertError
from cdc_assets.settings import checkout
from cdc_assets_tests.services.receivers import PASSWORD

# As apprise documents them, with tokens of the form that each service gives out.
_HEX = "0123456789abcdef" * 2
_ADDRESSES = {
    "mailtos": f"mailtos://ops:{PASSWORD}@127.0.0.1:9?from=cdc@example.org&to=ops@example.org&cto=5",
    "slack": f"slack://T1JJ3T3L2/A1BRTD4JD/{PASSWORD.replace('-', '')}TIiajkdnl9/#alerts",
    "workflows": f"workflows://prod-1.westus.logic.azure.com:443/{_HEX}/{_HEX}",
    "pagerduty": f"pagerduty://{_HEX}@{_HEX}/cdc_assets/sales",
    "jsons": f"jsons://hook:{PASSWORD}@hooks.example.org/{_HEX}",
}


@pytest.fixture(autouse=True)
def _no_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request goes to a port where nobody listens."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("service", _ADDRESSES)
def test_an_address_of_the_service_is_understood_and_no_part_of_it_is_told(service: str) -> None:
    with pytest.raises(AlertError) as refused:
        AppriseNotifier().send(
            _ADDRESSES[service], title="sales: degraded", body="Fix: look", severity=Severity.WARNING
        )
    assert "the receiver did not take the message" in refused.value.message, "not: the address cannot be used"
    assert "the connection" in refused.value.message
    for secret in (PASSWORD, _HEX, _HEX[:12]):
        assert secret not in str(refused.value)


def test_every_service_that_the_page_names_is_among_them() -> None:
    page = (checkout() / "docs" / "configuration.md").read_text(encoding="utf-8").partition("## alerts.yaml")[2]
    assert set(re.findall(r"`([a-z]+)://", page)) == set(_ADDRESSES)
