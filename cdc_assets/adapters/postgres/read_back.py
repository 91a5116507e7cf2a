"""Reads a loaded table once and sums up what each transaction left in it.

Every chunk is one transaction, so the row's `xmin` names its chunk; VACUUM FREEZE keeps it (docs/performance.md).
Before any index is built and before anyone else writes: a transaction that is not ours is itself a finding.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from xxhash import xxh3_64_intdigest

from cdc_assets.adapters.postgres.chunk_writer import CHECKSUM_MASK
from cdc_assets.adapters.postgres.copy_rows import copy_rows
from cdc_assets.adapters.postgres.session import Connection, bindable, statement
from cdc_assets.dialects.postgres import quote_columns, quote_table
from cdc_assets.model.table import TableName
from cdc_assets.planning.chunks import Chunk
from cdc_assets.planning.load_verdict import Difference, Found, differences
from cdc_assets.ports.target import ChunkReceipt, SentChunk

_XMIN_BYTES = 8  # length and value of the last field
_LOOKED_AT = 5


def verify_load(
    connection: Connection, table: TableName, columns: Sequence[str], sent: Sequence[SentChunk]
) -> tuple[str, ...]:
    """Say how the table differs from what was sent, chunk by chunk."""
    found = read_back(connection, table, columns)
    expected = {
        each.receipt.xid: (each.chunk, Found(each.receipt.rows, each.receipt.checksum))
        for each in sent
        if each.receipt.rows
    }
    present = {xid: Found(receipt.rows, receipt.checksum) for xid, receipt in found.items()}
    unequal = differences(expected, present)
    chunks = {each.receipt.xid: each.chunk for each in sent}
    return (
        *(_sentence(connection, table, difference, chunks) for difference in unequal[:_LOOKED_AT]),
        *map(str, unequal[_LOOKED_AT:]),
    )


def _sentence(connection: Connection, table: TableName, difference: Difference, chunks: Mapping[int, Chunk]) -> str:
    if difference.foreign_xid is None:
        return str(difference)
    twins = where_doubled(connection, table, difference.foreign_xid)
    places = [f"{count} rows of {chunks[xid]}" for xid, count in twins.items() if xid in chunks]
    return f"{difference}, equal to {', '.join(places)}" if places else str(difference)


def read_back(connection: Connection, table: TableName, columns: Sequence[str]) -> Mapping[int, ChunkReceipt]:
    """Return rows and checksum of every transaction, by its 32-bit id."""
    counts: dict[bytes, int] = defaultdict(int)
    checksums: dict[bytes, int] = defaultdict(int)
    query = f"SELECT {quote_columns(columns)}, xmin FROM ONLY {quote_table(table)}"  # noqa: S608
    for row in copy_rows(connection, query):
        xid = bytes(row[-4:])
        counts[xid] += 1
        checksums[xid] += xxh3_64_intdigest(row[2:-_XMIN_BYTES])
    return {
        int.from_bytes(xid): ChunkReceipt(-1, count, checksums[xid] & CHECKSUM_MASK, int.from_bytes(xid))
        for xid, count in counts.items()
    }


def where_doubled(connection: Connection, table: TableName, xid: int) -> Mapping[int, int]:
    """Count, by transaction, the rows of others that equal rows of this transaction."""
    name = bindable(quote_table(table))
    query = (
        f"SELECT o.xmin::text::int8 AS xid, count(*) AS rows FROM {name} AS o"  # noqa: S608
        f" WHERE o.xmin <> %(xid)s::text::xid"
        f" AND o::text IN (SELECT f::text FROM {name} AS f WHERE f.xmin = %(xid)s::text::xid) GROUP BY o.xmin"
    )
    return {row["xid"]: row["rows"] for row in connection.execute(statement(query), {"xid": str(xid)}).fetchall()}
