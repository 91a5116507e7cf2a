"""What is known of each fault when its test has ended, and the table that shows it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

HEADINGS = ("fault", "shown as", "cause", "seconds", "mended by", "every row equal")


@dataclass
class Row:
    """One fault; `seconds`: from the fault to the first event that shows it. What a test did not reach stays a dash."""

    fault: str
    state: str = "-"
    cause: str = "-"
    seconds: float | None = None
    mended_by: str = "-"
    is_equal: bool = False

    def cells(self) -> tuple[str, ...]:
        seconds = "-" if self.seconds is None else f"{self.seconds:.1f}"
        return (self.fault, self.state, self.cause, seconds, self.mended_by, "yes" if self.is_equal else "NO")


NewRow = Callable[[str], Row]
"""Opens a line of the table for the fault of that name."""


def as_markdown(rows: Sequence[Row]) -> list[str]:
    """The lines of a table, ready for docs/reliability.md."""
    lines = [_line(HEADINGS), _line(["---"] * len(HEADINGS))]
    return lines + [_line([cell.replace("|", "/") for cell in row.cells()]) for row in rows]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
