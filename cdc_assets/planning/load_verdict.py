"""Whether what lies in a target table is what was sent: chunk by chunk, count and content."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cdc_assets.planning.chunks import Chunk


@dataclass(frozen=True, slots=True)
class Found:
    """What a transaction sent or left behind: rows, and the sum modulo 2**64 of their hashes."""

    rows: int
    checksum: int


@dataclass(frozen=True, slots=True)
class Difference:
    """A chunk that did not arrive as it was sent; `chunk` is None for rows that no chunk of this load wrote."""

    chunk: Chunk | None
    sent: Found
    present: Found
    foreign_xid: int | None = None

    def __str__(self) -> str:
        """Name the chunk and the counts, never a row."""
        if self.chunk is None:
            return f"{self.present.rows} rows were written by another transaction ({self.foreign_xid})"
        if self.sent.rows != self.present.rows:
            return f"{self.chunk}: {self.sent.rows} rows sent, {self.present.rows} present"
        return f"{self.chunk}: {self.sent.rows} rows sent and present, but their content differs"


def differences(sent: Mapping[int, tuple[Chunk, Found]], present: Mapping[int, Found]) -> Sequence[Difference]:
    """Compare by transaction id.

    `sent` is what each chunk's transaction wrote, `present` what the table holds of each.
    """
    nothing = Found(0, 0)
    found = []
    for xid, (chunk, expected) in sent.items():
        actual = present.get(xid, nothing)
        if actual != expected:
            found.append(Difference(chunk, expected, actual))
    found.extend(
        Difference(None, nothing, actual, foreign_xid=xid) for xid, actual in present.items() if xid not in sent
    )
    return found
