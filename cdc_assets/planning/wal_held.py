"""How much log the slot makes the source keep, and how long that can go on. Pure.

Told early: when a limit (`max_slot_wal_keep_size`) is reached the slot is lost, without one the source's disk fills.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cdc_assets.model.errors import WalHeldError
from cdc_assets.model.position import Lsn
from cdc_assets.model.watch import SourceWatch

_SAMPLE = timedelta(seconds=60)
_TOO_SOON = timedelta(hours=1)
_MUCH_BYTES = 10 * 1024**3
# Of what the limit allows, this part must be left.
_LEFT = 0.25


@dataclass(frozen=True, slots=True)
class WalPace:
    """How fast the source writes its log: measured between looks a minute apart."""

    lsn: Lsn
    at: datetime
    bytes_per_second: float | None = None

    def next(self, lsn: Lsn, at: datetime) -> "WalPace":
        """The pace after another look."""
        seconds = (at - self.at).total_seconds()
        if lsn < self.lsn:
            return WalPace(lsn, at)
        if at - self.at < _SAMPLE:
            return self
        return WalPace(lsn, at, (lsn - self.lsn) / seconds)


def judge_wal(watch: SourceWatch, pace: WalPace | None) -> WalHeldError | None:
    """Return what the operator must know of the log that is kept, None while there is room and time."""
    slot, safe = watch.slot, watch.safe_wal_bytes
    if slot is None or slot.restart_lsn is None or slot.wal_status == "lost":
        return None
    held = max(0, watch.current_lsn - slot.restart_lsn)
    kept = f"the source keeps {_size(held)} of log for replication slot {slot.name}"
    if safe is None:
        if held < _MUCH_BYTES:
            return None
        return WalHeldError(
            f"{kept}, and nothing limits it: its disk may fill",
            hint="see what the stream waits for (a stopped or paused pipeline keeps log too); watch the source's disk",
        )
    rate = pace.bytes_per_second if pace is not None else None
    left = timedelta(seconds=safe / rate) if rate and safe > 0 else None
    is_short = slot.wal_status == "unreserved" or safe <= _LEFT * (held + safe)
    if not is_short and (left is None or left > _TOO_SOON):
        return None
    room = f"{_size(max(0, safe))} more and it is lost (max_slot_wal_keep_size)"
    if left is not None:
        room += f", in about {max(1, round(left.total_seconds() / 60))} minutes at the present pace"
    return WalHeldError(
        f"{kept}; {room}",
        hint="raise max_slot_wal_keep_size on the source now, then see what the stream waits for",
    )


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1024**3:.1f} GB" if size_bytes >= 1024**3 else f"{size_bytes / 1024**2:.0f} MB"
