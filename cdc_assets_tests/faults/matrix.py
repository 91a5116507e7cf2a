"""What is known of each fault when its test has ended, and the table that shows it, ready for docs/reliability.md."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

FAULT = "fault"
"""The property of a test's report that holds a line of the table."""


@dataclass
class Row:
    """One fault; `seconds`: from the fault to the first event that shows it. What a test did not reach stays a dash."""

    fault: str
    state: str = "-"
    cause: str = "-"
    seconds: float | None = None
    mended_by: str = "-"
    is_equal: bool = False

    def as_markdown(self) -> str:
        """The line."""
        seconds = "-" if self.seconds is None else f"{self.seconds:.1f}"
        equal = "yes" if self.is_equal else "NO"
        cells = (self.fault, self.state, self.cause, seconds, self.mended_by, equal)
        return _line([cell.replace("|", "/") for cell in cells])


NewRow = Callable[[str], Row]
"""Opens a line of the table for the fault of that name."""


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


_HEADINGS = ("fault", "shown as", "cause", "seconds", "mended by", "every row equal")
HEAD = (_line(_HEADINGS), _line(["---"] * len(_HEADINGS)))
"""The lines above the others."""
