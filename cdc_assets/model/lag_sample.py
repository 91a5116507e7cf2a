"""How far a pipeline was behind at a moment: one point of its history."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class LagSample:
    """`bytes_behind`: WAL not proved to be in Kafka; `records_behind`: records of all topics not yet applied.

    None where nothing was captured or no sink works.
    """

    at: datetime
    bytes_behind: int | None
    records_behind: int | None
