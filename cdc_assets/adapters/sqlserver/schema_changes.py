"""Carries out what `planning/table_changes` has decided, one change at a time, in the caller's transaction."""

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from cdc_assets.adapters.sqlserver import bookkeeping
from cdc_assets.adapters.sqlserver.catalog import read_definitions
from cdc_assets.adapters.sqlserver.ddl import changed_table, ddl
from cdc_assets.adapters.sqlserver.session import SqlServerSessions, is_locked, rows
from cdc_assets.dialects.sqlserver import quote, quote_table
from cdc_assets.model.errors import TargetNotOursError
from cdc_assets.model.table import TableName
from cdc_assets.planning.table_changes import AddIndex, AddKey, DropTable, TableChange, TakeUpTable


def carry_out(sessions: SqlServerSessions, connection: Connection, change: TableChange) -> None:
    """Carry out one change; what is there already is left alone."""
    table = changed_table(change)
    try:
        match change:
            case DropTable():
                drop_table(connection, change.table, change.oid)
                return
            case TakeUpTable():
                _require_empty(connection, change)
                return
            case AddKey() if _has_key(connection, change.table):
                return
            case AddIndex() if _has_index(connection, change):
                return
        connection.exec_driver_sql(ddl(change))
    except DBAPIError as error:
        if is_locked(error):
            raise
        what = f"{type(change).__name__} of {table or 'the schema'} was refused"
        raise sessions.error(error.orig or error, what, table=table.name if table else None) from error


def drop_table(connection: Connection, table: TableName, oid: int) -> bool:
    """Drop the table, unless it is another one by now; whether it was there."""
    present = bookkeeping.table_id(connection, table)
    if present is None:
        return False
    if present != oid:
        raise TargetNotOursError(
            f"target table {table} was made anew by someone meanwhile",
            hint="look at it, then start again",
            table=table.name,
        )
    found = read_definitions(connection, [table]).get(table)
    if found is not None and found.dependents:
        raise TargetNotOursError(
            f"target table {table} cannot be dropped: {', '.join(found.dependents)} depend on it",
            hint="drop what depends on it, or choose another target name",
            table=table.name,
        )
    connection.exec_driver_sql(f"DROP TABLE {quote_table(table)}")
    return True


def required_id(connection: Connection, table: TableName) -> int:
    """Return the id of a table that has to be there; TargetNotOursError when it is not."""
    found = bookkeeping.table_id(connection, table)
    if found is None:
        raise TargetNotOursError(
            f"target table {table} was dropped by someone meanwhile",
            hint="start the pipeline again",
            table=table.name,
        )
    return found


def _require_empty(connection: Connection, change: TakeUpTable) -> None:
    is_filled = bool(connection.exec_driver_sql(ddl(change)).fetchall())
    if is_filled or bookkeeping.table_id(connection, change.table) != change.oid:
        raise TargetNotOursError(
            f"target table {change.table} was made anew or filled by someone meanwhile",
            hint="look at it, then start again",
            table=change.table.name,
        )


def _has_key(connection: Connection, table: TableName) -> bool:
    found = read_definitions(connection, [table]).get(table)
    return found is not None and bool(found.primary_key)


def _has_index(connection: Connection, change: AddIndex) -> bool:
    found = read_definitions(connection, [change.table]).get(change.table)
    # A source may have two indexes over the same columns: one serves.
    return found is not None and any(
        index.name == change.name or index.columns == change.columns for index in found.indexes
    )


def drop_indexes(connection: Connection, table: TableName) -> list[str]:
    """The statements that drop the key and the indexes; an index before the key it may hang on."""
    found = rows(
        connection,
        "SELECT name, is_primary_key, is_unique_constraint FROM sys.indexes"
        " WHERE object_id = :id AND index_id > 0 AND name IS NOT NULL ORDER BY index_id DESC",
        {"id": bookkeeping.table_id(connection, table)},
    )
    return [
        f"ALTER TABLE {quote_table(table)} DROP CONSTRAINT {quote(row['name'])}"
        if row["is_primary_key"] or row["is_unique_constraint"]
        else f"DROP INDEX {quote(row['name'])} ON {quote_table(table)}"
        for row in found
    ]
