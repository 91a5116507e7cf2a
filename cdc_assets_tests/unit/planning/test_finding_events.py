"""A finding is told when it comes and when it goes, whatever the figures in its sentence."""

from cdc_assets.model.errors import ConnectorError, WalHeldError
from cdc_assets.planning.finding_events import FindingChange, finding_changes
from cdc_assets.planning.health_memory import HealthMemory
from cdc_assets.planning.verdict import Finding, Level, Verdict

HELD = Finding(Level.DEGRADED, WalHeldError("9 GB are kept", hint="look"))
MORE = Finding(Level.DEGRADED, WalHeldError("10 GB are kept", hint="look"))
REFUSED = Finding(Level.DEGRADED, ConnectorError("too long", hint="mend", table="a:b"), "a:b")
FAILED = Finding(Level.FAILED, ConnectorError("gone", hint="start"))


def after(*findings: Finding) -> HealthMemory:
    return HealthMemory(root="cdc_p", findings=Verdict(findings).keys)


def test_what_came_and_what_went() -> None:
    assert list(finding_changes(after(), Verdict((HELD,)))) == [
        FindingChange("", None, "WAL_HELD", "9 GB are kept. Fix: look")
    ]
    assert list(finding_changes(after(HELD), Verdict((MORE, REFUSED)))) == [
        FindingChange("a:b", None, "CONNECTOR_FAILED", "too long. Fix: mend")
    ]
    assert list(finding_changes(after(HELD, REFUSED), Verdict(()))) == [
        FindingChange("a:b", "CONNECTOR_FAILED", None),
        FindingChange("", "WAL_HELD", None),
    ]


def test_what_is_the_pipelines_error_already_is_no_event() -> None:
    assert list(finding_changes(after(), Verdict((FAILED,)))) == []


def test_a_stream_that_is_not_looked_after_any_more_has_no_findings() -> None:
    assert list(finding_changes(after(HELD), None)) == [FindingChange("", "WAL_HELD", None)]


def test_a_look_without_memory_makes_void_what_was_told() -> None:
    assert list(finding_changes(HealthMemory(), Verdict((HELD,)))) == [
        FindingChange("", "*", None),
        FindingChange("", None, "WAL_HELD", "9 GB are kept. Fix: look"),
    ]
    assert list(finding_changes(HealthMemory(), None)) == []
