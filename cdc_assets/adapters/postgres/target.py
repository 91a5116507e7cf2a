"""The target database: what `ports/target.py` asks for, a session for each request."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar
from uuid import UUID

import psycopg
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random

from cdc_assets.adapters.postgres import bookkeeping
from cdc_assets.adapters.postgres.chunk_writer import chunk_writer, read_receipts
from cdc_assets.adapters.postgres.ddl import ddl
from cdc_assets.adapters.postgres.definitions import read_definitions, waiting_briefly
from cdc_assets.adapters.postgres.held_sessions import held_session
from cdc_assets.adapters.postgres.make_database import make_database
from cdc_assets.adapters.postgres.read_back import verify_load
from cdc_assets.adapters.postgres.schema_changes import carry_out, drop_table, table_oid
from cdc_assets.adapters.postgres.server_facts import is_pooled, read_common_facts
from cdc_assets.adapters.postgres.session import Connection, Sessions, fetch_all, fetch_one, statement
from cdc_assets.adapters.postgres.stale_sessions import end_stale_sessions
from cdc_assets.dialects.postgres import application_name, application_prefix, quote_table
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
_LOCK_TIMEOUT = "10s"
_LOCK_ATTEMPTS = 3
_BUILD_MEMORY = "512MB"


class PostgresTarget:
    """One PostgreSQL target database as one role; sessions are named after the pipeline and the epoch of its lease."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        password: str,
        pipeline: str,
        epoch: int,
        is_read_only: bool = False,
        patience_seconds: float | None = None,
    ) -> None:
        """Connect nowhere yet; `patience_seconds` as in `PostgresSource`."""
        self._sessions = Sessions(
            "target", endpoint, password, application_name(pipeline, epoch), is_read_only, patience_seconds
        )

    def kept_sessions(self) -> AbstractContextManager[None]:
        """Nothing: a session of PostgreSQL costs milliseconds, and every request has a fresh one."""
        return nullcontext()

    def make_database(self) -> bool:
        """Make the database; False when it is there already."""
        return make_database(self._sessions)

    def server(self) -> TargetServer:
        """Facts of the server and of our role."""
        with self._sessions.session("the server's settings cannot be read") as connection:
            row = fetch_one(
                connection,
                """
                SELECT current_setting('server_version_num')::int AS version, current_user AS role,
                    pg_is_in_recovery() AS is_standby, current_setting('max_connections')::int AS max_connections,
                    (SELECT count(*) FROM pg_stat_activity WHERE datid IS NOT NULL AND usesysid IS NOT NULL)
                        AS used_connections,
                    has_database_privilege(current_database(), 'CREATE') AS may_create_schema,
                    (SELECT system_identifier FROM pg_control_system()) AS system_identifier,
                    (SELECT reset_val = 'on' FROM pg_settings WHERE name = 'default_transaction_read_only')
                        AS is_read_only, pg_backend_pid() AS backend
                """,
            )
            return TargetServer(
                product="postgres",
                is_pooled=is_pooled(connection, row.pop("backend")),
                **row,
                **read_common_facts(connection),
            )

    def has_schema(self, schema: str) -> bool:
        """Whether the schema exists."""
        with self._sessions.session("the catalog cannot be read") as connection:
            return bool(
                fetch_all(connection, "SELECT FROM pg_namespace WHERE nspname = %(schema)s", {"schema": schema})
            )

    def may_create_in(self, schema: str) -> bool:
        """Whether our role may make tables in the existing schema."""
        with self._sessions.session("the catalog cannot be read") as connection:
            found = fetch_all(
                connection,
                "SELECT has_schema_privilege(oid, 'CREATE') AND has_schema_privilege(oid, 'USAGE') AS may"
                " FROM pg_namespace WHERE nspname = %(schema)s",
                {"schema": schema},
            )
        return bool(found and found[0]["may"])

    def describe(self, tables: Sequence[TableName]) -> Mapping[TableName, TableDefinition]:
        """The tables as the catalog has them now."""
        with self._sessions.session("the catalog cannot be read") as connection:
            return read_definitions(self._sessions, connection, tables)

    def enums(self, schema: str) -> Mapping[str, tuple[str, ...]]:
        """The enum types of the schema with their labels."""
        with self._sessions.session("the catalog cannot be read") as connection:
            found = fetch_all(
                connection,
                """
                SELECT t.typname AS name, array_agg(e.enumlabel::text ORDER BY e.enumsortorder) AS labels
                FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid JOIN pg_namespace n ON n.oid = t.typnamespace
                WHERE n.nspname = %(schema)s GROUP BY t.typname
                """,
                {"schema": schema},
            )
        return {row["name"]: tuple(row["labels"]) for row in found}

    def has_rows(self, table: TableName) -> bool:
        """Whether the table holds at least one row."""
        with (
            self._sessions.session(f"{table} cannot be read") as connection,
            waiting_briefly(self._sessions, connection, [table]),
        ):
            return bool(connection.execute(statement(f"SELECT FROM {quote_table(table)} LIMIT 1")).fetchall())

    def statements(self, changes: Sequence[TableChange]) -> tuple[str, ...]:
        """The SQL that is run for the changes."""
        return tuple(ddl(change) for change in changes)

    def bookkeeping(self, schema: str) -> tuple[BookkeepingRow, ...]:
        """Every row of the schema's bookkeeping table."""
        with self._sessions.session("the bookkeeping cannot be read") as connection:
            return bookkeeping.rows(connection, schema)

    def watch(self, schema: str, tables: Sequence[TableName]) -> TargetWatch:
        """Which of the tables exist, whose they are, and of which columns."""
        with self._sessions.session("the target tables cannot be looked at") as connection:
            found = fetch_all(
                connection,
                """
                SELECT w.schema, w.name, c.oid::int8 AS oid, (SELECT jsonb_object_agg(a.attname,
                    format_type(a.atttypid, a.atttypmod)) FROM pg_attribute a
                    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
                FROM unnest(%(schemas)s::text[], %(names)s::text[]) AS w(schema, name)
                    JOIN pg_namespace n ON n.nspname = w.schema
                    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
                """,
                {"schemas": [table.schema for table in tables], "names": [table.name for table in tables]},
            )
            owners = {row.target_table: row.pipeline_id for row in bookkeeping.rows(connection, schema)}
        by_name = {TableName(row["schema"], row["name"]): row for row in found}
        return TargetWatch(
            oids={table: row["oid"] for table, row in by_name.items()},
            owners=owners,
            columns={table: row["columns"] or {} for table, row in by_name.items()},
        )

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
            bookkeeping.lock_schema(connection, schema)
            bookkeeping.claim(connection, schema, pipeline_id, epoch)
            connection.execute("SELECT set_config('search_path', %s, true)", (_extension_path(connection),))
            for change in changes:
                carry_out(self._sessions, connection, change)
            bookkeeping.ensure_state(connection, schema)
            oids: dict[TableName, int] = {}
            for table in (
                *(change.table for change in changes if isinstance(change, CreateTable | TakeUpTable)),
                *adopted,
            ):
                oids[table] = table_oid(connection, table)
                bookkeeping.record(
                    connection,
                    schema,
                    table.name,
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
        with self._sessions.session("the bookkeeping cannot be claimed") as connection, connection.transaction():
            bookkeeping.claim(connection, schema, pipeline_id, epoch)

    def begin_load(self, table: TableName, fence: Fence, *, chunk_table: str) -> None:
        """Empty the table, forget its chunk rows, and make `fence.load_id` the only load that may write to it."""

        def work(connection: Connection) -> None:
            bookkeeping.begin_load(connection, table, fence, chunk_table)
            name = quote_table(table)
            connection.execute(statement(f"TRUNCATE {name}"))
            # A load that was killed after its rows leaves key and indexes, which would slow this one down.
            for drop in fetch_all(
                connection,
                """
                SELECT CASE WHEN k.conname IS NULL THEN format('DROP INDEX %%s', i.indexrelid::regclass)
                    ELSE format('ALTER TABLE %%s DROP CONSTRAINT %%I', i.indrelid::regclass, k.conname) END AS sql
                FROM pg_index i LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')
                WHERE i.indrelid = %(table)s::regclass
                """,
                {"table": name},
            ):
                connection.execute(statement(drop["sql"]))

        self._locked(f"{table} cannot be emptied for its load", work)

    @property
    def row_form(self) -> RowForm:
        """Rows as PostgreSQL sends them: nothing is decoded on the way."""
        return RowForm.BINARY

    def writer(self, *, chunk_table: str) -> AbstractContextManager[ChunkWriter[bytes]]:
        """Open one writing session."""
        return chunk_writer(self._sessions, chunk_table)

    def verify_load(
        self,
        table: TableName,
        columns: Sequence[TargetColumn],
        sent: Sequence[SentChunk],
        reread: Callable[[Chunk], Iterator[bytes]],
        *,
        key: Sequence[str],
    ) -> tuple[str, ...]:
        """Read the table once and compare what each transaction left in it with what its chunk sent."""
        del reread, key  # a transaction is a chunk: which one differs is known without another look
        with self._sessions.session(f"{table} cannot be read back") as connection:
            return verify_load(connection, table, [column.name for column in columns], sent)

    def receipts(self, table: TableName, fence: Fence, *, chunk_table: str) -> tuple[ChunkReceipt, ...]:
        """The progress rows of a table's load."""
        return read_receipts(self._sessions, table, fence, chunk_table)

    def finish_load(self, changes: Sequence[TableChange], table: TableName, fence: Fence) -> None:
        """Make key and indexes, gather statistics; idempotent. The commit is synchronous, as every session's is."""
        with self._sessions.session(f"key and indexes of {table} cannot be made") as connection:
            connection.execute("SELECT set_config('maintenance_work_mem', %s, false)", (_BUILD_MEMORY,))
            with connection.transaction():
                bookkeeping.hold_fence(connection, table, fence)
                for change in changes:
                    carry_out(self._sessions, connection, change)
                connection.execute(statement(f"ANALYZE {quote_table(table)}"))

    def end_load(self, schema: str, pipeline_id: UUID, *, chunk_table: str) -> None:
        """Remove the pipeline's progress rows."""

        def work(connection: Connection) -> None:
            bookkeeping.forget_chunks(connection, schema, pipeline_id, chunk_table)

        self._locked("the progress rows cannot be removed", work)

    def sessions_of(self, application_name: str) -> int:
        """How many sessions carry that application name."""
        with self._sessions.session("the sessions cannot be counted") as connection:
            row = fetch_one(
                connection,
                "SELECT count(*) AS sessions FROM pg_stat_activity"
                " WHERE application_name = %(name)s AND pid <> pg_backend_pid()",
                {"name": application_name},
            )
        return int(row["sessions"])

    def waits(self) -> WaitingError | None:
        """What this run's sessions wait for: a standby before a lock."""
        with self._sessions.session("what its sessions wait for cannot be read") as connection:
            return held_session(connection, self._sessions.application, where=self._sessions.where)

    def end_stale_sessions(self, pipeline: str, *, before_epoch: int) -> int:
        """End our own sessions of older epochs of that pipeline."""
        with self._sessions.session("sessions of an older run cannot be ended") as connection:
            return end_stale_sessions(connection, application_prefix(pipeline), before_epoch=before_epoch)

    def forget(self, schema: str, pipeline_id: UUID, *, drop_tables: Sequence[TableName]) -> tuple[TableName, ...]:
        """Remove the pipeline's bookkeeping rows, and the tables named."""

        def work(connection: Connection) -> tuple[TableName, ...]:
            bookkeeping.lock_schema(connection, schema)
            recorded = {
                row.target_table: row for row in bookkeeping.rows(connection, schema) if row.pipeline_id == pipeline_id
            }
            ours = {table: recorded[table.name].table_oid for table in drop_tables if table.name in recorded}
            dropped = tuple(table for table, oid in ours.items() if drop_table(connection, table, oid))
            bookkeeping.forget(connection, schema, pipeline_id)
            return dropped

        return self._locked("the bookkeeping cannot be removed", work)

    def _locked(self, purpose: str, work: Callable[[Connection], _Result]) -> _Result:
        """Run the work in one transaction that gives way to the table's users and is tried again a few times."""
        with self._sessions.session(purpose) as connection:
            for attempt in Retrying(
                stop=stop_after_attempt(_LOCK_ATTEMPTS),
                wait=wait_random(0.5, 2),
                retry=retry_if_exception_type(psycopg.errors.LockNotAvailable),
                reraise=True,
            ):
                with attempt, connection.transaction():
                    connection.execute("SELECT set_config('lock_timeout', %s, true)", (_LOCK_TIMEOUT,))
                    return work(connection)
        raise AssertionError  # the last attempt has returned or raised


def _extension_path(connection: Connection) -> str:
    """Return the schemas that hold extensions, for types that are named without one."""
    row = fetch_one(
        connection,
        "SELECT string_agg(DISTINCT quote_ident(n.nspname), ', ') AS path"
        " FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace",
    )
    return str(row["path"] or "")
