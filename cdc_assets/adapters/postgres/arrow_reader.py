"""Reads chunks under a load's view as Arrow record batches, for targets that do not take PostgreSQL's own rows.

The driver is ADBC's: it has its own connection to the server and decodes in C. It reads what `TargetColumn.select_sql`
says, because some types it decodes into something else or not at all. Loaded only where such a target is.
"""

from collections.abc import Iterator, Sequence

import psycopg
import pyarrow as pa
from adbc_driver_manager import Error as AdbcError
from adbc_driver_postgresql import dbapi

from cdc_assets.adapters.postgres.session import Sessions
from cdc_assets.dialects.postgres import (
    connection_parameters,
    literal,
    quote,
    quote_table,
    refusal,
    session_settings,
)
from cdc_assets.model.errors import SnapshotLostError, SourceAwayError, SourceError
from cdc_assets.planning.chunks import Chunk
from cdc_assets.planning.table_changes import TargetColumn

# Larger ones were no faster (`bench load --target sqlserver`), and a run held more memory.
_BATCH_BYTES = 1 << 20
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {snapshot}"
_GONE = frozenset({"22023", "42704", "55000"})
_AWAY = ("08", "57P")
_LOST_HINT = "nothing to do: the load begins again under a newer snapshot"


class ArrowSnapshotReader:
    """Reads chunks under a view; one thread."""

    def __init__(self, sessions: Sessions, exported: Sequence[str], lost: str) -> None:
        """Open nothing yet; `lost` says that the view is gone."""
        self._sessions = sessions
        self._exported = exported
        self._lost = lost
        self._connection: dbapi.Connection | None = None

    def close(self) -> None:
        """End the session."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def size_of(self, row: pa.RecordBatch, /) -> int:
        """The bytes of a batch."""
        return int(row.nbytes)

    def rows(self, chunk: Chunk, columns: Sequence[TargetColumn]) -> Iterator[pa.RecordBatch]:
        """Yield the chunk's rows as batches; their order is that of the blocks."""
        is_over = False
        try:
            connection = self._begin(chunk)
            with connection.cursor() as cursor:
                cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(_BATCH_BYTES)})
                cursor.execute(select_chunk(chunk, columns))
                with cursor.fetch_record_batch() as batches:
                    yield from batches
            self._run("COMMIT")
            is_over = True
        except AdbcError as error:
            raise self._error(error, f"{chunk} cannot be read", chunk) from error
        except (OSError, pa.ArrowException) as error:
            # What goes wrong while batches are on their way comes without the server's words.
            kind = SourceError if self._answers() else SourceAwayError
            raise kind(
                f"{self._sessions.where}: {chunk} cannot be read: the server ended the query",
                hint="see the log of the source server",
                table=chunk.leaf.name,
            ) from error
        finally:
            if not is_over:
                # Rows still on their way cannot be taken back.
                self.close()

    def _begin(self, chunk: Chunk) -> dbapi.Connection:
        """Take the view and the leaf's lock; the leaf must still be the file that the view saw."""
        if self._connection is None:
            self._connection = self._open()
        connection = self._connection
        if not any(self._import(exported) for exported in self._exported):
            raise SnapshotLostError(f"{self._sessions.where}: {self._lost}", hint=_LOST_HINT)
        leaf = quote_table(chunk.leaf)
        self._run(f"LOCK TABLE ONLY {leaf} IN ACCESS SHARE MODE")
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT pg_relation_filenode({literal(leaf)}::regclass)::int8 AS file")
            row = cursor.fetchone()
        if chunk.leaf_file is not None and (row is None or row[0] != chunk.leaf_file):
            raise SnapshotLostError(
                f"{chunk.leaf} was rewritten or truncated since the snapshot of the load",
                hint=_LOST_HINT,
                table=chunk.leaf.name,
            )
        return connection

    def _open(self) -> dbapi.Connection:
        endpoint = self._sessions.endpoint
        parameters = connection_parameters(endpoint, application=self._sessions.application)
        uri = psycopg.conninfo.make_conninfo(
            **{name: str(value) for name, value in parameters.items()}, password=self._sessions.password
        )
        try:
            connection = dbapi.connect(uri, autocommit=True)
        except AdbcError as error:
            # Its sentence may repeat the address with the password.
            raise SourceAwayError(
                f"{self._sessions.where} does not answer or refuses the login of the load's reader",
                hint="see the log of the source server",
            ) from error
        self._connection = connection
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('server_version_num')::int4 AS version")
            row = cursor.fetchone()
        settings = session_settings(int(row[0]) if row is not None else 0)
        self._run("; ".join(f"SET {quote(name)} TO {literal(value)}" for name, value in settings.items()))
        return connection

    def _import(self, exported: str) -> bool:
        try:
            self._run(_BEGIN.format(snapshot=literal(exported)))
        except AdbcError as error:
            if error.sqlstate not in _GONE:
                raise
            self._run("ROLLBACK")
            return False
        return True

    def _answers(self) -> bool:
        """Whether the session still takes commands."""
        try:
            self._run("ROLLBACK")
        except (AdbcError, OSError, ValueError):
            return False
        return True

    def _run(self, script: str) -> None:
        if self._connection is None:
            msg = "a command for a session that is closed"
            raise ValueError(msg)
        with self._connection.cursor() as cursor:
            cursor.executescript(script)

    def _error(self, error: AdbcError, purpose: str, chunk: Chunk) -> SourceError:
        state = error.sqlstate or ""
        said = str(error).splitlines()
        reason = refusal(type(error).__name__, error.sqlstate, said[0] if said else "", hides_values=True)
        kind = SourceAwayError if not state or state.startswith(_AWAY) else SourceError
        return kind(
            f"{self._sessions.where}: {purpose}: {reason}",
            hint="see the log of the source server",
            table=chunk.leaf.name,
        )


def select_chunk(chunk: Chunk, columns: Sequence[TargetColumn]) -> str:
    """Write the query of a chunk; every name in it is quoted, the bounds are numbers."""
    wanted = ", ".join(f"{column.select_sql or quote(column.name)} AS {quote(column.name)}" for column in columns)
    end = "" if chunk.end_block is None else f" AND ctid < '({chunk.end_block},0)'"
    return (
        f"SELECT {wanted} FROM ONLY {quote_table(chunk.leaf)} "  # noqa: S608
        f"WHERE ctid >= '({chunk.first_block},0)'{end}"
    )
