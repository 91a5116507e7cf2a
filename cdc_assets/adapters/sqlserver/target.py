"""The target database on a SQL Server: what `ports/target.py` asks for, a session for each request."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar
from uuid import UUID

import pyarrow as pa
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt, wait_random

from cdc_assets.adapters.sqlserver import bookkeeping
from cdc_assets.adapters.sqlserver.catalog import read_definitions, read_server
from cdc_assets.adapters.sqlserver.chunk_writer import chunk_writer
from cdc_assets.adapters.sqlserver.ddl import ddl
from cdc_assets.adapters.sqlserver.held_sessions import held_session
from cdc_assets.adapters.sqlserver.locks import lock_schema
from cdc_assets.adapters.sqlserver.make_database import make_database
from cdc_assets.adapters.sqlserver.schema_changes import carry_out, drop_indexes, drop_table, required_id
from cdc_assets.adapters.sqlserver.session import LockNotGrantedError, SqlServerSessions, is_locked, rows
from cdc_assets.adapters.sqlserver.verification import verify_load
from cdc_assets.dialects.sqlserver import quote, quote_table
from cdc_assets.model.errors import WaitingError
from cdc_assets.model.pipeline import Endpoint
from cdc_assets.model.table import TableDefinition, TableName
from cdc_assets.model.watch import TargetWatch
from cdc_assets.planning.chunks import Chunk
from cdc_assets.planning.table_changes import (
    CreateTable,
    TableChange,
    TakeUpTable,
    TargetColumn,
)
from cdc_assets.ports.rows import RowForm
from cdc_assets.ports.target import BookkeepingRow, ChunkReceipt, ChunkWriter, Fence, SentChunk, TargetServer

_Result = TypeVar("_Result")
_LOCK_MILLISECONDS = 10_000
_LOCK_ATTEMPTS = 3


class SqlServerTarget:
    """One SQL Server target database as one login."""

    def __init__(
        self, endpoint: Endpoint, *, password: str, pipeline: str, epoch: int, patience_seconds: float | None = None
    ) -> None:
        """Connect nowhere yet; `patience_seconds` as in `PostgresSource`."""
        application = f"cdc_assets:{pipeline}:{epoch}"
        self._sessions = SqlServerSessions(endpoint, password, application, patience_seconds)

    @property
    def row_form(self) -> RowForm:
        """Record batches, which the bulk copy takes as they are."""
        return RowForm.ARROW

    def kept_sessions(self) -> AbstractContextManager[None]:
        """Within the block requests use sessions again that others have ended with."""
        return self._sessions.kept()

    def make_database(self) -> bool:
        """Make the database; False when it is there already."""
        return make_database(self._sessions)

    def server(self) -> TargetServer:
        """Facts of the server and of our login."""
        with self._sessions.transaction("the server's settings cannot be read") as connection:
            return read_server(connection)

    def has_schema(self, schema: str) -> bool:
        """Whether the schema exists."""
        with self._sessions.transaction("the catalog cannot be read") as connection:
            return bool(rows(connection, "SELECT 1 AS there FROM sys.schemas WHERE name = :schema", {"schema": schema}))

    def may_create_in(self, schema: str) -> bool:
        """Whether our login may make tables in the existing schema."""
        with self._sessions.transaction("the catalog cannot be read") as connection:
            found = rows(
                connection,
                "SELECT HAS_PERMS_BY_NAME(:schema, 'SCHEMA', 'ALTER') AS may_alter,"
                " HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'CREATE TABLE') AS may_create",
                {"schema": quote(schema)},
            )[0]
        return bool(found["may_alter"]) and bool(found["may_create"])

    def describe(self, tables: Sequence[TableName]) -> Mapping[TableName, TableDefinition]:
        """The tables as the catalog has them now."""
        with self._sessions.transaction("the catalog cannot be read") as connection:
            return read_definitions(connection, tables)

    def enums(self, schema: str) -> Mapping[str, tuple[str, ...]]:
        """None: SQL Server has no enum types, their labels arrive as text."""
        del schema
        return {}

    def has_rows(self, table: TableName) -> bool:
        """Whether the table holds at least one row."""
        with self._sessions.transaction(f"{table} cannot be read", table=table.name) as connection:
            return _has_rows(connection, table)

    def statements(self, changes: Sequence[TableChange]) -> tuple[str, ...]:
        """The T-SQL that is run for the changes."""
        return tuple(ddl(change) for change in changes)

    def bookkeeping(self, schema: str) -> tuple[BookkeepingRow, ...]:
        """Every row of the schema's bookkeeping table."""
        with self._sessions.transaction("the bookkeeping cannot be read") as connection:
            return bookkeeping.read_rows(connection, schema)

    def watch(self, schema: str, tables: Sequence[TableName]) -> TargetWatch:
        """Which of the tables exist, and whose they are."""
        with self._sessions.transaction("the target tables cannot be looked at") as connection:
            found = {table: bookkeeping.table_id(connection, table) for table in tables}
            owners = {row.target_table: row.pipeline_id for row in bookkeeping.read_rows(connection, schema)}
        return TargetWatch({table: oid for table, oid in found.items() if oid is not None}, owners)

    def apply(
        self,
        changes: Sequence[TableChange],
        *,
        schema: str,
        pipeline_id: UUID,
        pipeline_name: str,
        generation: int,
        epoch: int,
        adopted: Sequence[TableName] = (),
    ) -> Mapping[TableName, int]:
        """Carry out planned changes in one transaction, with the bookkeeping rows of the tables made or adopted."""

        def work(connection: Connection) -> Mapping[TableName, int]:
            lock_schema(connection, schema)
            bookkeeping.claim(connection, schema, pipeline_id, epoch)
            for change in changes:
                carry_out(self._sessions, connection, change)
            bookkeeping.ensure_state(connection, schema)
            oids: dict[TableName, int] = {}
            for table in (
                *(change.table for change in changes if isinstance(change, CreateTable | TakeUpTable)),
                *adopted,
            ):
                oids[table] = required_id(connection, table)
                bookkeeping.record(
                    connection,
                    table,
                    oids[table],
                    pipeline_id=pipeline_id,
                    pipeline_name=pipeline_name,
                    generation=generation,
                    epoch=epoch,
                )
            return oids

        return self._locked("the target schema cannot be changed", work)

    def claim(self, schema: str, pipeline_id: UUID, *, epoch: int) -> None:
        """Raise the epoch of the pipeline's bookkeeping rows; waits for transactions of older epochs to end."""
        with self._sessions.transaction("the bookkeeping cannot be claimed") as connection:
            bookkeeping.claim(connection, schema, pipeline_id, epoch)

    def begin_load(self, table: TableName, fence: Fence, *, chunk_table: str) -> None:
        """Empty the table, forget its chunk rows, and make `fence.load_id` the only load that may write to it."""

        def work(connection: Connection) -> None:
            bookkeeping.begin_load(connection, table, fence, chunk_table)
            connection.exec_driver_sql(f"TRUNCATE TABLE {quote_table(table)}")
            # A load that was killed after its rows leaves key and indexes, which would slow this one down.
            for statement in drop_indexes(connection, table):
                connection.exec_driver_sql(statement)

        self._locked(f"{table} cannot be emptied for its load", work, table=table)

    def writer(self, *, chunk_table: str) -> AbstractContextManager[ChunkWriter[pa.RecordBatch]]:
        """Open one writing session."""
        return chunk_writer(self._sessions, chunk_table)

    def verify_load(
        self,
        table: TableName,
        columns: Sequence[TargetColumn],
        sent: Sequence[SentChunk],
        reread: Callable[[Chunk], Iterator[Any]],
        *,
        key: Sequence[str],
    ) -> tuple[str, ...]:
        """Read the whole table once and compare it with what was sent; where it differs, look row by row."""
        return verify_load(self._sessions, table, columns, sent, reread, key=key)

    def receipts(self, table: TableName, fence: Fence, *, chunk_table: str) -> tuple[ChunkReceipt, ...]:
        """The progress rows of a table's load."""
        with self._sessions.transaction(f"the progress of {table} cannot be read") as connection:
            return bookkeeping.receipts(connection, table, fence, chunk_table)

    def finish_load(self, changes: Sequence[TableChange], table: TableName, fence: Fence) -> None:
        """Make key and indexes; idempotent. Their statistics come with them, others when they are first asked for."""
        with self._sessions.transaction(f"key and indexes of {table} cannot be made", table=table.name) as connection:
            bookkeeping.hold_fence(connection, table, fence)
            for change in changes:
                carry_out(self._sessions, connection, change)

    def end_load(self, schema: str, pipeline_id: UUID, *, chunk_table: str) -> None:
        """Remove the pipeline's progress rows."""

        def work(connection: Connection) -> None:
            bookkeeping.forget_chunks(connection, schema, pipeline_id, chunk_table)

        self._locked("the progress rows cannot be removed", work)

    def sessions_of(self, application_name: str) -> int:
        """How many sessions carry that application name."""
        with self._sessions.transaction("the sessions cannot be counted") as connection:
            found = rows(
                connection,
                "SELECT COUNT(*) AS sessions FROM sys.dm_exec_sessions"
                " WHERE program_name = :name AND session_id <> @@SPID",
                {"name": application_name},
            )
        return int(found[0]["sessions"])

    def waits(self) -> WaitingError | None:
        """What this run's sessions wait for: a replica before a lock. None where the login may not see it."""
        with self._sessions.transaction("what its sessions wait for cannot be read") as connection:
            return held_session(connection, self._sessions.open_sessions, where=self._sessions.where)

    def end_stale_sessions(self, pipeline: str, *, before_epoch: int) -> int:
        """Nothing has to end: `claim` waits for what an older run is writing, and lets it write nothing more.

        To end sessions takes rights over the whole server, which a loader should not have.
        """
        del pipeline, before_epoch
        return 0

    def forget(self, schema: str, pipeline_id: UUID, *, drop_tables: Sequence[TableName]) -> tuple[TableName, ...]:
        """Remove the pipeline's bookkeeping rows, and the tables named."""

        def work(connection: Connection) -> tuple[TableName, ...]:
            lock_schema(connection, schema)
            recorded = {
                row.target_table: row
                for row in bookkeeping.read_rows(connection, schema)
                if row.pipeline_id == pipeline_id
            }
            ours = {table: recorded[table.name].table_oid for table in drop_tables if table.name in recorded}
            dropped = tuple(table for table, oid in ours.items() if drop_table(connection, table, oid))
            bookkeeping.forget(connection, schema, pipeline_id)
            return dropped

        return self._locked("the bookkeeping cannot be removed", work)

    def _locked(
        self, purpose: str, work: Callable[[Connection], _Result], *, table: TableName | None = None
    ) -> _Result:
        """Run the work in one transaction that gives way to the table's users and is tried again a few times."""
        name = None if table is None else table.name
        retrying = Retrying(
            stop=stop_after_attempt(_LOCK_ATTEMPTS),
            wait=wait_random(0.5, 2),
            retry=retry_if_exception_type(LockNotGrantedError),
        )
        try:
            result: _Result = retrying(self._work_once, purpose, work, name)
        except RetryError as error:
            raise self._sessions.locked_error(purpose, table=name) from error
        return result

    def _work_once(self, purpose: str, work: Callable[[Connection], _Result], name: str | None) -> _Result:
        with self._sessions.transaction(purpose, table=name) as connection:
            connection.exec_driver_sql(f"SET LOCK_TIMEOUT {_LOCK_MILLISECONDS}")
            try:
                return work(connection)
            except DBAPIError as error:
                if is_locked(error):
                    raise LockNotGrantedError(purpose) from error
                raise


def _has_rows(connection: Connection, table: TableName) -> bool:
    query = f"SELECT TOP (1) 1 AS there FROM {quote_table(table)}"  # noqa: S608
    return bool(connection.exec_driver_sql(query).fetchall())
