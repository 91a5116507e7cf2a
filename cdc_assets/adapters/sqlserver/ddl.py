"""Planned changes of a SQL Server target as T-SQL."""

from collections.abc import Sequence
from typing import assert_never

from cdc_assets.dialects.sqlserver import literal, quote, quote_columns, quote_table
from cdc_assets.model.table import TableName
from cdc_assets.planning.table_changes import (
    AddIndex,
    AddKey,
    CreateEnum,
    CreateSchema,
    CreateTable,
    DropTable,
    TableChange,
    TakeUpTable,
    TargetColumn,
)


def ddl(change: TableChange) -> str:
    """Write one change as one statement."""
    match change:
        case CreateSchema():
            # It has to be the only statement of its batch.
            return f"EXEC({literal(f'CREATE SCHEMA {quote(change.schema)}')})"
        case CreateEnum():
            msg = "SQL Server has no enum types"
            raise ValueError(msg)
        case CreateTable():
            return create_table(change.table, change.columns)
        case TakeUpTable():
            # Nobody writes to it between the look at its rows and the bookkeeping row that makes it ours.
            return f"SELECT TOP (1) 1 AS held FROM {quote_table(change.table)} WITH (TABLOCKX, HOLDLOCK)"  # noqa: S608
        case DropTable():
            return f"DROP TABLE {quote_table(change.table)}"
        case AddKey():
            return f"ALTER TABLE {quote_table(change.table)} ADD PRIMARY KEY ({quote_columns(change.columns)})"
        case AddIndex():
            return f"CREATE INDEX {quote(change.name)} ON {quote_table(change.table)} ({quote_columns(change.columns)})"
        case _:
            assert_never(change)


def create_table(table: TableName, columns: Sequence[TargetColumn]) -> str:
    """Write a table without key and without identity: the keys are the source's."""
    return f"CREATE TABLE {quote_table(table)} ({', '.join(map(_column, columns))})"


def changed_table(change: TableChange) -> TableName | None:
    """Return the table a change is about; None when it is about the schema."""
    return None if isinstance(change, CreateSchema | CreateEnum) else change.table


def _column(column: TargetColumn) -> str:
    collation = "" if column.collation_sql is None else f" COLLATE {column.collation_sql}"
    # Said in any case: what a column is without it, a setting of the session decides.
    return f"{quote(column.name)} {column.type_sql}{collation} {'NULL' if column.nullable else 'NOT NULL'}"
