"""What one look at a stream hands to the next: a small value that travels as JSON in the sensor's cursor.

A look never waits: it emits a marker, and later looks see how far it came. An unreadable memory is an empty one.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cdc_assets.model.marker import Marker
from cdc_assets.model.position import Lsn
from cdc_assets.planning.drift import Baseline
from cdc_assets.planning.healing import RestartHistory
from cdc_assets.planning.wal_held import WalPace


@dataclass(frozen=True, slots=True)
class HealthMemory:
    """`root`: the generation it is about; `observed_at`: when the look began.

    `marker` on its way, `moved_at` its last progress (`footprint`); `findings` of the look, and `since` when those that
    may pass have been there; `baseline`: source, slot and tables as they were; `measured_at`: the last
    sample of the lag.
    """

    root: str = ""
    observed_at: datetime | None = None
    marker: Marker | None = None
    moved_at: datetime | None = None
    footprint: str = ""
    passed_at: datetime | None = None
    passed_lsn: Lsn | None = None
    restarts: Mapping[str, RestartHistory] = field(default_factory=dict)
    findings: tuple[str, ...] | None = None
    since: Mapping[str, datetime] = field(default_factory=dict)
    baseline: Baseline = field(default_factory=Baseline)
    pace: WalPace | None = None
    measured_at: datetime | None = None

    def to_json(self) -> str:
        """As text for the cursor."""
        return json.dumps(
            {
                "root": self.root,
                "observed_at": _text(self.observed_at),
                "marker": None if self.marker is None else {"lsn": str(self.marker.lsn), "ends": self.marker.ends},
                "moved_at": _text(self.moved_at),
                "footprint": self.footprint,
                "passed_at": _text(self.passed_at),
                "passed_lsn": None if self.passed_lsn is None else str(self.passed_lsn),
                "restarts": {name: [past.count, past.last_at.isoformat()] for name, past in self.restarts.items()},
                "findings": self.findings,
                "since": {place: at.isoformat() for place, at in self.since.items()},
                "baseline": self.baseline.as_json(),
                "pace": None
                if self.pace is None
                else [str(self.pace.lsn), self.pace.at.isoformat(), self.pace.bytes_per_second],
                "measured_at": _text(self.measured_at),
            }
        )

    @classmethod
    def from_json(cls, text: str | None) -> "HealthMemory":
        """Read what `to_json` wrote; anything else (no cursor yet, an older version's) is an empty memory."""
        try:
            stored = json.loads(text or "{}")
            marker = stored.get("marker")
            return cls(
                root=str(stored.get("root", "")),
                observed_at=_time(stored.get("observed_at")),
                marker=None if marker is None else Marker(Lsn.parse(marker["lsn"]), marker["ends"]),
                moved_at=_time(stored.get("moved_at")),
                footprint=str(stored.get("footprint", "")),
                passed_at=_time(stored.get("passed_at")),
                passed_lsn=None if stored.get("passed_lsn") is None else Lsn.parse(stored["passed_lsn"]),
                restarts={
                    name: RestartHistory(int(count), datetime.fromisoformat(last_at))
                    for name, (count, last_at) in stored.get("restarts", {}).items()
                },
                findings=None if stored.get("findings") is None else tuple(stored["findings"]),
                since={place: datetime.fromisoformat(at) for place, at in stored.get("since", {}).items()},
                baseline=Baseline() if stored.get("baseline") is None else Baseline.from_json(stored["baseline"]),
                pace=_pace(stored.get("pace")),
                measured_at=_time(stored.get("measured_at")),
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            return cls()


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _pace(stored: Sequence[Any] | None) -> WalPace | None:
    if stored is None:
        return None
    lsn, at, rate = stored
    return WalPace(Lsn.parse(lsn), datetime.fromisoformat(at), None if rate is None else float(rate))
