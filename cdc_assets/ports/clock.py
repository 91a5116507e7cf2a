"""Time as an argument."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Reads the time and waits; a test advances its own."""

    def now(self) -> datetime:
        """The time, in UTC."""

    def monotonic(self) -> float:
        """Seconds that never go back, for durations."""

    def sleep(self, seconds: float) -> None:
        """Wait that long."""
