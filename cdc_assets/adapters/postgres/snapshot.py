"""The view of the source that a load reads under: exported once, held by two keeper sessions, shared by the readers.

The slot's own exported view dies at the next command on its connection, so the keepers import it at once; each exports
it again, and either is enough for the readers. A reader takes the view anew for every chunk and lets its locks go in
between: the owner's ALTER TABLE waits for one chunk at most. What makes rows vanish from an older view (a table
rewritten or truncated since) is found by the file number of the leaf, which is compared in every chunk. Threads:
`describe` and `sizes` belong to the opener's thread, each reader to its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

import psycopg
from psycopg import sql

from cdc_assets.adapters.postgres.copy_rows import copy_rows
from cdc_assets.adapters.postgres.definitions import read_definitions_in_view
from cdc_assets.adapters.postgres.session import Connection, Sessions, fetch_all, fetch_one, statement
from cdc_assets.dialects.postgres import quote_columns, quote_table
from cdc_assets.model.errors import SnapshotLostError, SourceAwayError
from cdc_assets.model.position import Lsn
from cdc_assets.model.table import TableDefinition, TableName
from cdc_assets.planning.chunks import Chunk, LeafSize
from cdc_assets.planning.table_changes import TargetColumn
from cdc_assets.ports.rows import RowForm
from cdc_assets.ports.source import ChunkReader

if TYPE_CHECKING:
    from cdc_assets.adapters.postgres.arrow_reader import ArrowSnapshotReader

_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_LOST = "the snapshot of the load is gone (its sessions on the source ended, or the source restarted)"
_LOST_HINT = "nothing to do: the load begins again under a newer snapshot"


@dataclass(slots=True)
class HeldSnapshot:
    """A view held by keeper sessions; closed by `close`."""

    sessions: Sessions
    lsn: Lsn
    opened_at: datetime
    _exported: tuple[str, ...]
    _keepers: tuple[Connection, ...]
    _opened: ExitStack

    @classmethod
    def hold(cls, sessions: Sessions, exported: str, lsn: Lsn, *, opened_at: datetime) -> Self:
        """Import a view that is exported at this moment into two keepers."""
        with ExitStack() as opened:
            keepers = tuple(opened.enter_context(_closing(sessions)) for _ in range(2))
            with sessions.translated("the snapshot of the load cannot be held"):
                ids = tuple(_import_and_export(keeper, exported) for keeper in keepers)
            return cls(sessions, lsn, opened_at, ids, keepers, opened.pop_all())

    def close(self) -> None:
        """Let the view go."""
        self._opened.close()

    def describe(self, tables: Sequence[TableName]) -> Mapping[TableName, TableDefinition]:
        """The tables as they are under this view."""
        with self._kept() as keeper:
            return read_definitions_in_view(keeper, tables)

    def sizes(self, table: TableDefinition) -> tuple[LeafSize, ...]:
        """Blocks and bytes of every leaf, read now; and the leaf's file at the time of the view."""
        with self._kept() as keeper:
            rows = fetch_all(
                keeper,
                """
                SELECT n.nspname AS schema, c.relname AS name, c.relfilenode::int8 AS file,
                    pg_relation_size(c.oid) AS heap_bytes, pg_table_size(c.oid) AS total_bytes,
                    current_setting('block_size')::int8 AS block_bytes
                FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE c.oid = ANY(%(oids)s::oid[]) ORDER BY n.nspname, c.relname
                """,
                {"oids": [leaf.oid for leaf in table.leaves]},
            )
        if len(rows) != len(table.leaves) or any(row["heap_bytes"] is None for row in rows):
            raise SnapshotLostError(
                f"a part of {table.name} was dropped since the snapshot", hint=_LOST_HINT, table=table.name.name
            )
        return tuple(
            LeafSize(
                leaf=TableName(row["schema"], row["name"]),
                heap_blocks=-(-row["heap_bytes"] // row["block_bytes"]),
                total_bytes=row["total_bytes"],
                file=row["file"],
            )
            for row in rows
        )

    @contextmanager
    def reader(self, form: RowForm = RowForm.BINARY) -> Iterator[ChunkReader[Any]]:
        """Open one more session under this view, which reads rows in that form."""
        reader = self._reader(form)
        try:
            yield reader
        finally:
            reader.close()

    def _reader(self, form: RowForm) -> "SnapshotReader | ArrowSnapshotReader":
        match form:
            case RowForm.BINARY:
                return SnapshotReader(self.sessions, self._exported)
            case RowForm.ARROW:
                # Most installations never need its packages.
                from cdc_assets.adapters.postgres.arrow_reader import ArrowSnapshotReader  # noqa: PLC0415

                return ArrowSnapshotReader(self.sessions, self._exported, _LOST)

    @contextmanager
    def _kept(self) -> Iterator[Connection]:
        for keeper in self._keepers:
            if not keeper.broken and not keeper.closed:
                try:
                    keeper.execute("SELECT")
                except psycopg.OperationalError:
                    keeper.close()
                    continue
                with self.sessions.translated("the catalog cannot be read under the snapshot"):
                    yield keeper
                return
        raise SnapshotLostError(f"{self.sessions.where}: {_LOST}", hint=_LOST_HINT)


class SnapshotReader:
    """Reads chunks under a view; one thread."""

    def __init__(self, sessions: Sessions, exported: Sequence[str]) -> None:
        """Open nothing yet."""
        self._sessions = sessions
        self._exported = exported
        self._connection: Connection | None = None

    def close(self) -> None:
        """End the session."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    size_of = staticmethod(len)

    def rows(self, chunk: Chunk, columns: Sequence[TargetColumn]) -> Iterator[bytes]:
        """Yield the chunk's rows as binary COPY rows."""
        leaf = quote_table(chunk.leaf)
        bounds = f"ctid >= '({chunk.first_block},0)'" + (
            f" AND ctid < '({chunk.end_block},0)'" if chunk.end_block is not None else ""
        )
        with self._sessions.translated(f"{chunk} cannot be read", table=chunk.leaf.name):
            connection = self._begin(chunk)
            # The bounds are numbers of ours, every name is quoted.
            names = quote_columns([column.name for column in columns])
            yield from copy_rows(connection, f"SELECT {names} FROM ONLY {leaf} WHERE {bounds}")  # noqa: S608
            connection.execute("COMMIT")

    def _begin(self, chunk: Chunk) -> Connection:
        """Take the view and the leaf's lock; the leaf must still be the file that the view saw."""
        if self._connection is None or self._connection.closed:
            self._connection = self._sessions.open()
        connection = self._connection
        if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            connection.execute("ROLLBACK")
        if not any(_import(connection, exported) for exported in self._exported):
            raise SnapshotLostError(f"{self._sessions.where}: {_LOST}", hint=_LOST_HINT)
        connection.execute(statement(f"LOCK TABLE ONLY {quote_table(chunk.leaf)} IN ACCESS SHARE MODE"))
        file = fetch_one(
            connection,
            "SELECT pg_relation_filenode(%(leaf)s::regclass)::int8 AS file",
            {"leaf": quote_table(chunk.leaf)},
        )["file"]
        if chunk.leaf_file is not None and file != chunk.leaf_file:
            raise SnapshotLostError(
                f"{chunk.leaf} was rewritten or truncated since the snapshot of the load",
                hint=_LOST_HINT,
                table=chunk.leaf.name,
            )
        return connection


@contextmanager
def _closing(sessions: Sessions) -> Iterator[Connection]:
    connection = sessions.open()
    try:
        yield connection
    finally:
        connection.close()


def _import(connection: Connection, exported: str) -> bool:
    """Begin a transaction under an exported view; False when that export is gone."""
    connection.execute(_BEGIN)
    try:
        connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(exported)))
    except (
        psycopg.errors.InvalidParameterValue,
        psycopg.errors.UndefinedObject,
        psycopg.errors.ObjectNotInPrerequisiteState,
    ):
        connection.execute("ROLLBACK")
        return False
    return True


def _import_and_export(keeper: Connection, exported: str) -> str:
    if not _import(keeper, exported):
        raise SourceAwayError("the snapshot of the load ended before it could be held", hint="start the pipeline again")
    return str(fetch_one(keeper, "SELECT pg_export_snapshot() AS id")["id"])
