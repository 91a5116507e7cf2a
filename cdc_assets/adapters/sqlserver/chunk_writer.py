"""Writes chunks: in bulk into a staging table, then, with the progress row, in one transaction where they belong.

The bulk copy has a connection of its own and may leave rows behind when it fails, so it never touches the target table.
A staging table belongs to one chunk of one load and is gone when its chunk is there.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from cdc_assets.adapters.sqlserver import bookkeeping
from cdc_assets.adapters.sqlserver.arrow import CHECKSUM_MASK, arrow_schema, conform, row_checksums
from cdc_assets.adapters.sqlserver.ddl import create_table
from cdc_assets.adapters.sqlserver.session import SqlServerSessions, bindable, rows, run
from cdc_assets.dialects.sqlserver import quote_columns, quote_table
from cdc_assets.model.errors import CdcAssetsError, TargetAwayError, TargetError
from cdc_assets.model.table import TableName
from cdc_assets.planning.chunks import Chunk
from cdc_assets.planning.table_changes import TargetColumn
from cdc_assets.ports.target import ChunkReceipt, Fence

BULK_OPTIONS: dict[str, Any] = {
    # The whole copy, the source's time included: the default ends it after half a minute.
    "timeout": 0,
    # Else a NULL becomes the column's default.
    "keep_nulls": True,
    "keep_identity": True,
    "table_lock": True,
}
"""What `bulkcopy_arrow` needs beside the columns' names, by which alone it does not go by position."""


@contextmanager
def chunk_writer(sessions: SqlServerSessions, chunk_table: str) -> Iterator["SqlServerChunkWriter"]:
    """Open one writing session; it connects when it first writes."""
    writer = SqlServerChunkWriter(sessions, chunk_table)
    try:
        yield writer
    finally:
        writer.close()


@dataclass
class _Outgoing:
    """The batches on their way, what they sum up to, and what the source raised meanwhile."""

    rows: Iterable[pa.RecordBatch]
    schema: pa.Schema
    count: int = 0
    checksum: int = 0
    failure: BaseException | None = field(default=None)

    def batches(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self.rows:
                sent = conform(batch, self.schema)
                self.checksum += sum(row_checksums(sent))
                self.count += sent.num_rows
                yield sent
        except BaseException as error:
            # What passes through the driver comes out as another one.
            self.failure = error
            raise


class SqlServerChunkWriter:
    """Writes chunks into one target; one thread."""

    def __init__(self, sessions: SqlServerSessions, chunk_table: str) -> None:
        """Open nothing yet."""
        self._sessions = sessions
        self._chunk_table = chunk_table
        self._bulk: Any = None

    def close(self) -> None:
        """End the session."""
        bulk, self._bulk = self._bulk, None
        if bulk is not None:
            bulk.close()

    def write(
        self,
        table: TableName,
        columns: Sequence[TargetColumn],
        chunk: Chunk,
        rows: Iterable[pa.RecordBatch],
        fence: Fence,
    ) -> ChunkReceipt:
        """Copy the rows, then move them in one transaction together with the chunk's progress row."""
        stage = TableName(table.schema, f"{bookkeeping.stage_prefix(fence.pipeline_id, fence.load_id)}{chunk.number}")
        there = self._begin(table, columns, chunk, fence, stage)
        if there is not None:
            return there
        outgoing = _Outgoing(rows, arrow_schema(columns))
        self._copy(columns, chunk, outgoing, stage)
        receipt = ChunkReceipt(chunk.number, outgoing.count, outgoing.checksum & CHECKSUM_MASK, 0)
        try:
            self._move(table, columns, chunk, fence, stage=stage, receipt=receipt)
        except TargetAwayError:
            # The answer to a commit may be lost while the commit is not.
            found = self._receipt(table, chunk, fence)
            if found is None:
                raise
            return found
        return receipt

    def _begin(
        self, table: TableName, columns: Sequence[TargetColumn], chunk: Chunk, fence: Fence, stage: TableName
    ) -> ChunkReceipt | None:
        """Make a fresh staging table; or return the receipt of a chunk that was committed after all."""
        with self._sessions.transaction(f"{chunk} cannot be written to {table}", table=chunk.leaf.name) as connection:
            bookkeeping.hold_fence(connection, table, fence)
            for receipt in bookkeeping.receipts(connection, table, fence, self._chunk_table):
                if receipt.number == chunk.number:
                    return receipt
            if bookkeeping.exists(connection, stage.schema, stage.name):
                connection.exec_driver_sql(f"DROP TABLE {quote_table(stage)}")
            connection.exec_driver_sql(create_table(stage, columns))
        return None

    def _copy(self, columns: Sequence[TargetColumn], chunk: Chunk, outgoing: _Outgoing, stage: TableName) -> None:
        if self._bulk is None:
            self._bulk = self._sessions.open_bulk()
        source = pa.RecordBatchReader.from_batches(outgoing.schema, outgoing.batches())
        try:
            with (
                self._sessions.translated(f"{chunk} cannot be copied in bulk", table=chunk.leaf.name),
                self._bulk.cursor() as cursor,
            ):
                copied = cursor.bulkcopy_arrow(
                    quote_table(stage), source, column_mappings=[column.name for column in columns], **BULK_OPTIONS
                )
        except BaseException:
            self.close()
            with suppress(CdcAssetsError):
                self._drop(stage)
            match outgoing.failure:
                case None | GeneratorExit():
                    raise
                case ValueError() as unfit:
                    what = f"{chunk} cannot be copied in bulk"
                    raise self._sessions.error(unfit, what, table=chunk.leaf.name) from unfit
                case failure:
                    raise failure from None
        arrived = int(copied["rows_copied"])
        if arrived != outgoing.count:
            raise TargetError(
                f"{self._sessions.where}: {chunk}: {outgoing.count} rows were sent, {arrived} copied",
                hint="start the pipeline again",
                table=chunk.leaf.name,
            )

    def _move(
        self,
        table: TableName,
        columns: Sequence[TargetColumn],
        chunk: Chunk,
        fence: Fence,
        *,
        stage: TableName,
        receipt: ChunkReceipt,
    ) -> None:
        names = quote_columns([column.name for column in columns])
        insert = f"INSERT INTO {quote_table(table)} ({names}) SELECT {names} FROM {quote_table(stage)}"  # noqa: S608
        with self._sessions.transaction(f"{chunk} cannot be written to {table}", table=chunk.leaf.name) as connection:
            bookkeeping.hold_fence(connection, table, fence)
            # Counted by the server itself: the session tells no counts to the driver (NOCOUNT).
            counted = rows(connection, f"SET NOCOUNT ON; {bindable(insert)}; SELECT @@ROWCOUNT AS moved")
            moved = int(counted[0]["moved"])
            if moved != receipt.rows:
                raise TargetError(
                    f"{self._sessions.where}: {chunk}: {receipt.rows} rows were copied, {moved} are to be moved",
                    hint="find out who else writes to the staging table, then start again",
                    table=chunk.leaf.name,
                )
            run(
                connection,
                bookkeeping.RECEIPT.format(chunks=bookkeeping.chunks_table(table.schema, self._chunk_table)),
                {
                    "pipeline_id": str(fence.pipeline_id),
                    "target": table.name,
                    "load_id": str(fence.load_id),
                    "number": chunk.number,
                    "leaf": str(chunk.leaf),
                    "first": chunk.first_block,
                    "end": chunk.end_block,
                    "rows": receipt.rows,
                    "checksum": str(receipt.checksum),
                },
            )
            connection.exec_driver_sql(f"DROP TABLE {quote_table(stage)}")

    def _receipt(self, table: TableName, chunk: Chunk, fence: Fence) -> ChunkReceipt | None:
        with self._sessions.transaction(f"the progress of {table} cannot be read") as connection:
            found = bookkeeping.receipts(connection, table, fence, self._chunk_table)
        return next((receipt for receipt in found if receipt.number == chunk.number), None)

    def _drop(self, stage: TableName) -> None:
        with self._sessions.transaction("a staging table cannot be dropped") as connection:
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {quote_table(stage)}")
