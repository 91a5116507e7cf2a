"""Writes chunks: the rows, their progress row and the check of the fence are one transaction."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import psycopg
from xxhash import xxh3_64_intdigest

from cdc_assets.adapters.postgres import bookkeeping
from cdc_assets.adapters.postgres.session import Connection, Sessions, is_away, statement
from cdc_assets.dialects.postgres import quote_columns, quote_table
from cdc_assets.model.errors import TargetAwayError
from cdc_assets.model.table import TableName
from cdc_assets.planning.chunks import Chunk
from cdc_assets.planning.table_changes import TargetColumn
from cdc_assets.ports.target import ChunkReceipt, Fence

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
CHECKSUM_MASK = (1 << 64) - 1
_PIECE_BYTES = 256 << 10
_LOCK_TIMEOUT = "60s"
_RECEIPT = """
INSERT INTO {chunks} (pipeline_id, target_table, load_id, number, leaf, first_block, end_block, rows, checksum, xid)
VALUES (%(pipeline_id)s, %(table)s, %(load_id)s, %(number)s, %(leaf)s, %(first)s, %(end)s, %(rows)s, %(checksum)s,
    pg_current_xact_id()::xid::text::int8)
RETURNING xid
"""
_FIND_RECEIPT = """
SELECT number, rows, checksum::text, xid FROM {chunks}
WHERE pipeline_id = %(pipeline_id)s AND target_table = %(table)s AND load_id = %(load_id)s
    AND (%(number)s::int IS NULL OR number = %(number)s) ORDER BY number
"""


@contextmanager
def chunk_writer(sessions: Sessions, chunk_table: str) -> Iterator["PostgresChunkWriter"]:
    """Open one writing session; it connects when it first writes."""
    writer = PostgresChunkWriter(sessions, chunk_table)
    try:
        yield writer
    finally:
        writer.close()


class PostgresChunkWriter:
    """Writes chunks into one target; one thread."""

    def __init__(self, sessions: Sessions, chunk_table: str) -> None:
        """Open nothing yet."""
        self._sessions = sessions
        self._chunk_table = chunk_table
        self._connection: Connection | None = None

    def close(self) -> None:
        """End the session."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def write(
        self, table: TableName, columns: Sequence[TargetColumn], chunk: Chunk, rows: Iterable[bytes], fence: Fence
    ) -> ChunkReceipt:
        """Copy the rows in one transaction, together with the chunk's progress row."""
        try:
            return self._write(table, [column.name for column in columns], chunk, rows, fence)
        except psycopg.Error as error:
            # The answer to a commit may be lost while the commit is not. The progress row has a key, so even when the
            # commit comes after this look, a second write of the chunk cannot succeed as well.
            if is_away(error) or isinstance(error, psycopg.errors.UniqueViolation):
                self.close()
                for receipt in read_receipts(self._sessions, table, fence, self._chunk_table, number=chunk.number):
                    return receipt
            raise self._sessions.error(
                error,
                f"{chunk} cannot be written to {table}",
                hint="see the log of the target server",
                table=chunk.leaf.name,
                hides_values=True,
            ) from error
        except BaseException:
            # Rows half sent: the server forgets them with the session.
            self.close()
            raise

    def _write(
        self, table: TableName, columns: Sequence[str], chunk: Chunk, rows: Iterable[bytes], fence: Fence
    ) -> ChunkReceipt:
        if self._connection is None or self._connection.closed:
            self._connection = self._sessions.open()
            self._connection.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT}'")
        connection = self._connection
        count = checksum = 0
        piece = bytearray(HEADER)
        # Never inside a savepoint: its rows would carry another transaction id than the one that names the chunk.
        with connection.transaction():
            bookkeeping.hold_fence(connection, table, fence)
            copy = f"COPY {quote_table(table)} ({quote_columns(columns)}) FROM STDIN (FORMAT binary)"
            with connection.cursor().copy(statement(copy)) as stream:
                for row in rows:
                    # Without the field count: the read back has one more field.
                    checksum += xxh3_64_intdigest(row[2:])
                    count += 1
                    piece += row
                    if len(piece) >= _PIECE_BYTES:
                        stream.write(bytes(piece))
                        piece.clear()
                stream.write(bytes(piece) + TRAILER)
            checksum &= CHECKSUM_MASK
            found = connection.execute(
                statement(_RECEIPT.format(chunks=bookkeeping.chunks_table(table.schema, self._chunk_table))),
                {
                    **_keys(table, fence),
                    "number": chunk.number,
                    "leaf": str(chunk.leaf),
                    "first": chunk.first_block,
                    "end": chunk.end_block,
                    "rows": count,
                    "checksum": checksum,
                },
            ).fetchone()
        if found is None:
            raise TargetAwayError(f"{chunk}: no receipt", hint="start the pipeline again")
        return ChunkReceipt(number=chunk.number, rows=count, checksum=checksum, xid=found["xid"])


def read_receipts(
    sessions: Sessions, table: TableName, fence: Fence, chunk_table: str, *, number: int | None = None
) -> tuple[ChunkReceipt, ...]:
    """Read the committed progress rows of a table's load, of one chunk when `number` is given."""
    with sessions.session(f"the progress of {table} cannot be read") as connection:
        if not bookkeeping.exists(connection, table.schema, chunk_table):
            return ()
        query = _FIND_RECEIPT.format(chunks=bookkeeping.chunks_table(table.schema, chunk_table))
        found = connection.execute(statement(query), {**_keys(table, fence), "number": number}).fetchall()
    return tuple(ChunkReceipt(row["number"], row["rows"], int(row["checksum"]), row["xid"]) for row in found)


def _keys(table: TableName, fence: Fence) -> dict[str, object]:
    return {"pipeline_id": fence.pipeline_id, "table": table.name, "load_id": fence.load_id}
