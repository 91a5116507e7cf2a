"""Positions in a PostgreSQL write-ahead log."""

import re
from dataclasses import dataclass
from functools import total_ordering
from typing import Self

_LSN = re.compile(r"^([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})$")


@total_ordering
@dataclass(frozen=True, slots=True)
class Lsn:
    """A WAL position: a byte offset, ordered, written `X/Y` in hexadecimal (PostgreSQL docs, "pg_lsn Type")."""

    offset: int

    def __post_init__(self) -> None:
        """Refuse what does not fit 64 unsigned bits."""
        if not 0 <= self.offset < 1 << 64:
            msg = f"an LSN is an unsigned 64-bit number, not {self.offset}"
            raise ValueError(msg)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read PostgreSQL's text form, such as `0/16B3748`; ValueError for anything else."""
        match = _LSN.match(text)
        if match is None:
            msg = f"not an LSN: {text!r} (expected two hexadecimal numbers, as in 0/16B3748)"
            raise ValueError(msg)
        return cls((int(match[1], 16) << 32) | int(match[2], 16))

    def __str__(self) -> str:
        """Write PostgreSQL's text form."""
        return f"{self.offset >> 32:X}/{self.offset & 0xFFFFFFFF:X}"

    def __lt__(self, other: "Lsn") -> bool:
        """Order by position in the log."""
        return self.offset < other.offset

    def __sub__(self, other: "Lsn") -> int:
        """Bytes of WAL from `other` to this position."""
        return self.offset - other.offset


@dataclass(frozen=True, slots=True)
class SlotPosition:
    """What a logical replication slot says of itself (PostgreSQL docs, "pg_replication_slots").

    `confirmed_flush_lsn`: from here it replays; `restart_lsn`: from here the server keeps WAL; `wal_status`: `lost`
    when it kept too little.
    """

    name: str
    database: str
    plugin: str
    active_pid: int | None
    confirmed_flush_lsn: Lsn
    restart_lsn: Lsn | None
    wal_status: str | None

    @property
    def is_active(self) -> bool:
        """Whether a walsender streams from it now."""
        return self.active_pid is not None
