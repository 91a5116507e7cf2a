"""What was checked before anything is changed: named checks with the way out."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Literal


class CheckStatus(StrEnum):
    """FAIL stops a start before anything is changed; WARN is told and goes on."""

    PASS = "pass"  # noqa: S105  a verdict, no password
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Script:
    """SQL that an owner or administrator has to run on one side, because our role may not."""

    side: Literal["source", "target"]
    sql: str


@dataclass(frozen=True, slots=True)
class PreflightCheck:
    """One check of one pipeline: what was found and, unless it passed, what to do.

    `table` and `column` are set where one of them is meant; `scripts` holds
    the statements of the fix, to be printed as one script.
    """

    name: str
    status: CheckStatus
    pipeline: str
    what: str
    fix: str = ""
    table: str | None = None
    column: str | None = None
    scripts: tuple[Script, ...] = ()

    def as_json(self) -> dict[str, str | None]:
        """The keys of `check --json`."""
        keys = ("name", "status", "pipeline", "table", "column", "what", "fix")
        values = asdict(self)
        return {key: None if values[key] is None else str(values[key]) for key in keys}
