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
from cdc_assets.planning.lag_plots import LagFigures
from cdc_assets.planning.wal_held import WalPace


@dataclass(frozen=True, slots=True)
class HealthMemory:
    """`root`: the generation it is about; `observed_at`: when the look began.

    `marker` on its way since `emitted_at`, `moved_at` its last progress (`footprint`); `passed_seconds`: how long the
    last one took; `findings` of the look, and `since` when those that may pass have been there; `measured_at`: the last
    try to measure the lag, `lag` what it gave; `new_tables` of the source that the pipeline does not copy. `baseline`:
    source, slot and tables as they were; it alone must never be forgotten, so it is kept in the state database and does
    not travel.
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
    emitted_at: datetime | None = None
    passed_seconds: float | None = None
    lag: LagFigures | None = None
    new_tables: tuple[str, ...] = ()

    def seconds_behind(self, now: datetime) -> float | None:
        """How long changes take to arrive, as the markers show it; None before the first has passed."""
        on_its_way = None if self.marker is None or self.emitted_at is None else (now - self.emitted_at).total_seconds()
        if self.passed_seconds is None or on_its_way is None:
            return self.passed_seconds if on_its_way is None else on_its_way
        return max(self.passed_seconds, on_its_way)

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
                "pace": None
                if self.pace is None
                else [str(self.pace.lsn), self.pace.at.isoformat(), self.pace.bytes_per_second],
                "measured_at": _text(self.measured_at),
                "emitted_at": _text(self.emitted_at),
                "passed_seconds": self.passed_seconds,
                "new_tables": self.new_tables,
                "lag": None
                if self.lag is None
                else [self.lag.at.isoformat(), self.lag.seconds, self.lag.bytes_behind, dict(self.lag.records_behind)],
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
                pace=_pace(stored.get("pace")),
                measured_at=_time(stored.get("measured_at")),
                emitted_at=_time(stored.get("emitted_at")),
                passed_seconds=stored.get("passed_seconds"),
                lag=_lag(stored.get("lag")),
                new_tables=tuple(stored.get("new_tables", ())),
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            return cls()


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _lag(stored: Sequence[Any] | None) -> LagFigures | None:
    if stored is None:
        return None
    at, seconds, bytes_behind, records = stored
    return LagFigures(datetime.fromisoformat(at), seconds, bytes_behind, records)


def _pace(stored: Sequence[Any] | None) -> WalPace | None:
    if stored is None:
        return None
    lsn, at, rate = stored
    return WalPace(Lsn.parse(lsn), datetime.fromisoformat(at), None if rate is None else float(rate))
