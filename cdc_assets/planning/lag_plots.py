"""How far a stream was behind at a moment, and whether Dagster is told: it keeps every event for good.

Each look measures every few seconds and keeps that for a day in a table of ours. Dagster gets a point every five
minutes while the figures change and one an hour while they do not, and of many tables only some at a tick.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

EVERY = timedelta(minutes=5)
EVERY_UNCHANGED = timedelta(hours=1)
AT_ONCE = 20
_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True)
class LagFigures:
    """`bytes_behind`: WAL not proved to be in Kafka; `records_behind`: by table, records its sink has not applied.

    `seconds`: how long the last marker took from the source through all sinks, or has been on its way when that is
    longer; no more exact than the looks are apart. None, or without the table, where it cannot be told.
    """

    at: datetime
    seconds: float | None = None
    bytes_behind: int | None = None
    records_behind: Mapping[str, int] = field(default_factory=dict)

    def footprint(self, table: str) -> str:
        """A text that changes when a plot of the table would."""
        return f"{self.bytes_behind}:{self.records_behind.get(table)}"


@dataclass(frozen=True, slots=True)
class Plotted:
    """The last point that Dagster was told of a table."""

    at: datetime
    footprint: str


def is_due(figures: LagFigures, table: str, last: Plotted | None) -> bool:
    """Whether a new point of the table is worth an event."""
    if last is None:
        return True
    age = figures.at - last.at
    return age >= EVERY_UNCHANGED or (age >= EVERY and figures.footprint(table) != last.footprint)


def next_points(samples: Mapping[_Key, tuple[LagFigures, str]], plotted: Mapping[_Key, Plotted]) -> dict[_Key, Plotted]:
    """Return the points to tell now, at most `AT_ONCE`, those first that have waited longest.

    `samples`: figures and table by the key of the asset.
    """
    due = [key for key, (figures, table) in samples.items() if is_due(figures, table, plotted.get(key))]
    due.sort(key=lambda key: 0.0 if key not in plotted else plotted[key].at.timestamp())
    return {key: Plotted(samples[key][0].at, samples[key][0].footprint(samples[key][1])) for key in due[:AT_ONCE]}
