"""Compares a loaded table with what was sent: first the sums of both sides, then, where they differ, row by row by key.

A row in SQL Server does not tell who wrote it, so a difference belongs to the table; which chunk it is of is found by
reading the source once more under the same view, in portions that fit into memory.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyarrow as pa

from cdc_assets.adapters.sqlserver.arrow import CHECKSUM_MASK, arrow_schema, conform, row_checksums
from cdc_assets.adapters.sqlserver.session import SqlServerSessions
from cdc_assets.dialects.sqlserver import quote_columns, quote_table
from cdc_assets.model.table import TableName
from cdc_assets.planning.chunks import Chunk
from cdc_assets.planning.load_verdict import Found
from cdc_assets.planning.table_changes import TargetColumn
from cdc_assets.ports.target import SentChunk

_BATCH_ROWS = 4096
_PORTION_ROWS = 100_000


@dataclass
class _Findings:
    """What is missing, changed and too many; counts by chunk and column, never a row."""

    missing: Counter[Chunk] = field(default_factory=Counter)
    changed: dict[Chunk, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    changed_rows: Counter[Chunk] = field(default_factory=Counter)
    foreign: int = 0

    def sentences(self) -> tuple[str, ...]:
        found = [f"{chunk}: {rows} rows are missing" for chunk, rows in self.missing.items()]
        found += [
            f"{chunk}: {rows} rows differ, in {', '.join(self.changed[chunk])}"
            for chunk, rows in self.changed_rows.items()
        ]
        if self.foreign:
            found.append(f"{self.foreign} rows are there that were not sent")
        return tuple(found)


def verify_load(
    sessions: SqlServerSessions,
    table: TableName,
    columns: Sequence[TargetColumn],
    sent: Sequence[SentChunk],
    reread: Callable[[Chunk], Iterator[pa.RecordBatch]],
    *,
    key: Sequence[str],
) -> tuple[str, ...]:
    """Say how the table differs from what was sent; nothing when every row is there as it was read."""
    expected = Found(
        sum(each.receipt.rows for each in sent), sum(each.receipt.checksum for each in sent) & CHECKSUM_MASK
    )
    with read_table(sessions, table, columns) as batches:
        present = sums(batches)
    if present == expected:
        return ()
    schema = arrow_schema(columns)

    def of_source(chunk: Chunk) -> Iterator[pa.RecordBatch]:
        return (conform(batch, schema) for batch in reread(chunk))

    def of_target() -> Iterator[pa.RecordBatch]:
        with read_table(sessions, table, columns) as batches:
            yield from batches

    portions = 1 + max(expected.rows, present.rows) // _PORTION_ROWS
    found = compare([each.chunk for each in sent], of_source, of_target, key=key or schema.names, portions=portions)
    if found:
        return found
    sentence = f"{expected.rows} rows were sent and {present.rows} found, not the same ones; a second look found them"
    return (f"{sentence} equal: somebody else writes to the table",)


@contextmanager
def read_table(
    sessions: SqlServerSessions, table: TableName, columns: Sequence[TargetColumn]
) -> Iterator[Iterator[pa.RecordBatch]]:
    """The rows of a target table as batches in the schema of its columns; they are read inside the block."""
    schema = arrow_schema(columns)
    names = quote_columns([column.name for column in columns])
    with (
        sessions.bulk(f"{table} cannot be read back", table=table.name) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(f"SELECT {names} FROM {quote_table(table)}")  # noqa: S608
        # Held by a name: one that nobody holds is closed, and then has no rows.
        reader = cursor.arrow_reader(batch_size=_BATCH_ROWS)
        yield (conform(batch, schema) for batch in reader)


def sums(batches: Iterable[pa.RecordBatch]) -> Found:
    """Count the rows and add up their checksums."""
    count = checksum = 0
    for batch in batches:
        count += batch.num_rows
        checksum += sum(row_checksums(batch))
    return Found(count, checksum & CHECKSUM_MASK)


def compare(
    chunks: Sequence[Chunk],
    of_source: Callable[[Chunk], Iterator[pa.RecordBatch]],
    of_target: Callable[[], Iterator[pa.RecordBatch]],
    *,
    key: Sequence[str],
    portions: int,
) -> tuple[str, ...]:
    """Compare row by row, by the key's values; each portion reads both sides once and holds its part of the source."""
    findings = _Findings()
    for portion in range(portions):
        expected: dict[int, list[tuple[Chunk, tuple[int, ...]]]] = defaultdict(list)
        for chunk in chunks:
            for batch in of_source(chunk):
                for name, cells in _rows(batch, key, portion, portions):
                    expected[name].append((chunk, cells))
        for batch in of_target():
            for name, cells in _rows(batch, key, portion, portions):
                _meet(expected[name], cells, batch.schema.names, findings)
        findings.missing.update(chunk for waiting in expected.values() for chunk, _ in waiting)
    return findings.sentences()


def _rows(
    batch: pa.RecordBatch, key: Sequence[str], portion: int, portions: int
) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield the hash of a row's key and those of its cells, for the rows of one portion."""
    names = list(row_checksums(batch.select(list(key))))
    cells = zip(*(row_checksums(batch.select([name])) for name in batch.schema.names), strict=True)
    for name, row in zip(names, cells, strict=True):
        if name % portions == portion:
            yield name, row


def _meet(
    waiting: list[tuple[Chunk, tuple[int, ...]]], cells: tuple[int, ...], names: Sequence[str], findings: _Findings
) -> None:
    """Take the row that was sent for one that is there: an equal one, else one that differs, else there is none."""
    if not waiting:
        findings.foreign += 1
        return
    place = next((place for place, (_, sent) in enumerate(waiting) if sent == cells), 0)
    chunk, sent = waiting.pop(place)
    if sent != cells:
        findings.changed_rows[chunk] += 1
        findings.changed[chunk].update(
            name for name, one, other in zip(names, sent, cells, strict=True) if one != other
        )
