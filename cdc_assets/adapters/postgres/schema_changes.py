"""Carries out what `planning/table_changes` has decided, one change at a time, in the caller's transaction."""

from dataclasses import replace
from typing import LiteralString

import psycopg

from cdc_assets.adapters.postgres.ddl import changed_table, ddl
from cdc_assets.adapters.postgres.session import Connection, Sessions, fetch_all, fetch_one, statement
from cdc_assets.dialects.postgres import index_name, quote_table
from cdc_assets.model.errors import TargetNotOursError
from cdc_assets.model.table import TableName
from cdc_assets.planning.table_changes import AddIndex, AddKey, DropTable, TableChange, TakeUpTable


def carry_out(sessions: Sessions, connection: Connection, change: TableChange) -> None:
    """Carry out one change; what is there already is left alone."""
    table = changed_table(change)
    try:
        match change:
            case DropTable():
                drop_table(connection, change.table, change.oid)
                return
            case TakeUpTable():
                connection.execute(statement(ddl(change)))
                _require_empty(connection, change)
                return
            case AddKey() if _has_key(connection, change.table):
                return
            case AddIndex():
                free = _free_index_name(connection, change)
                if free is None:
                    return
                change = replace(change, name=free)
        connection.execute(statement(ddl(change)))
    except psycopg.errors.LockNotAvailable:
        raise
    except psycopg.Error as error:
        raise sessions.error(
            error,
            f"{type(change).__name__} of {table or 'the schema'} was refused",
            hint="give the role the right to do it (./cdc check prints the grants), or mend what the server names",
            table=table.name if table else None,
            hides_values=True,
        ) from error


def drop_table(connection: Connection, table: TableName, oid: int) -> bool:
    """Drop the table, unless it is another one by now; whether it was there."""
    present = fetch_one(connection, "SELECT to_regclass(%(t)s)::oid::int8 AS oid", {"t": quote_table(table)})["oid"]
    if present is None:
        return False
    if present != oid:
        raise TargetNotOursError(
            f"target table {table} was made anew by someone meanwhile",
            hint="look at it, then start again",
            table=table.name,
        )
    try:
        with connection.transaction():
            connection.execute(statement(f"DROP TABLE {quote_table(table)}"))
    except psycopg.errors.DependentObjectsStillExist as error:
        raise TargetNotOursError(
            f"target table {table} cannot be dropped: other objects depend on it",
            hint="drop what depends on it, or choose another target name",
            table=table.name,
        ) from error
    return True


def table_oid(connection: Connection, table: TableName) -> int:
    """Return the oid of a table that exists."""
    return int(fetch_one(connection, "SELECT %(t)s::regclass::oid::int8 AS oid", {"t": quote_table(table)})["oid"])


def _require_empty(connection: Connection, change: TakeUpTable) -> None:
    is_another = table_oid(connection, change.table) != change.oid
    if is_another or connection.execute(statement(f"SELECT FROM {quote_table(change.table)} LIMIT 1")).fetchall():
        raise TargetNotOursError(
            f"target table {change.table} was made anew or filled by someone meanwhile",
            hint="look at it, then start again",
            table=change.table.name,
        )


def _has_key(connection: Connection, table: TableName) -> bool:
    query: LiteralString = "SELECT FROM pg_index WHERE indrelid = %(t)s::regclass AND indisprimary"
    return bool(fetch_all(connection, query, {"t": quote_table(table)}))


def _free_index_name(connection: Connection, change: AddIndex) -> str | None:
    """Return a name that no relation of the schema has; None when the table has such an index already."""
    number, name = 0, change.name
    while True:
        taken = fetch_all(
            connection,
            """
            SELECT COALESCE(i.indrelid = %(t)s::regclass, false) AS is_here
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_index i ON i.indexrelid = c.oid
            WHERE n.nspname = %(schema)s AND c.relname = %(name)s
            """,
            {"t": quote_table(change.table), "schema": change.table.schema, "name": name},
        )
        if not taken:
            return name
        if taken[0]["is_here"]:
            return None
        number += 1
        name = index_name(change.name, change.table, number)
