"""What the last look at a stream saw: health as it was observed then, never a state."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class LookFinding:
    """One thing that was not as it should be.

    `since`: when it was seen first, of what may pass by itself (None for the rest); `fails_at`: when it is FAILED if it
    is still there then.
    """

    level: str
    code: str
    sentence: str
    table: str | None = None
    since: datetime | None = None
    fails_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LastLook:
    """`level`: HEALTHY, DEGRADED or FAILED, the worst of the findings."""

    observed_at: datetime
    level: str
    findings: tuple[LookFinding, ...] = ()
