"""What a look at a stream has found, and finds no more, as events: degraded is not a state that a row holds."""

from collections.abc import Iterator
from dataclasses import dataclass

from cdc_assets.planning.alert_memory import EVERY_FINDING
from cdc_assets.planning.health_memory import HealthMemory
from cdc_assets.planning.verdict import Level, Verdict


@dataclass(frozen=True, slots=True)
class FindingChange:
    """One event: the codes before and after at a place ("" for the whole pipeline), and the sentence."""

    table: str
    old: str | None
    new: str | None
    cause: str | None = None


def finding_changes(before: HealthMemory, verdict: Verdict | None) -> Iterator[FindingChange]:
    """Yield what came and what went since the look that left `before`; None for a stream that is not looked after.

    Only what is DEGRADED: what FAILED is the pipeline's last error. An empty memory makes all that was told void.
    """
    found = {} if verdict is None else {each.key: each for each in verdict.findings if each.level is Level.DEGRADED}
    known = {key for key in before.findings or () if key.startswith(f"{Level.DEGRADED}:")}
    if not before.root and verdict is not None:
        yield FindingChange("", EVERY_FINDING, None)
    for key in sorted(known - set(found)):
        _, code, table = key.split(":", 2)
        yield FindingChange(table, code, None)
    for key, finding in found.items():
        if key not in known:
            yield FindingChange(finding.error.table or "", None, finding.error.code, str(finding.error))
