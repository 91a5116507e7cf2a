"""Planned changes of the target as SQL."""

from collections.abc import Sequence
from typing import assert_never

from cdc_assets.dialects.postgres import literal, quote, quote_columns, quote_table
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


def ddl(change: TableChange) -> str:  # noqa: PLR0911  one statement a kind
    """Write one change as one statement."""
    match change:
        case CreateSchema():
            return f"CREATE SCHEMA IF NOT EXISTS {quote(change.schema)}"
        case CreateEnum():
            labels = ", ".join(literal(label) for label in change.labels)
            return f"CREATE TYPE {quote(change.schema)}.{quote(change.name)} AS ENUM ({labels})"
        case CreateTable():
            return f"CREATE TABLE {quote_table(change.table)} ({_columns(change.columns)})"
        case TakeUpTable():
            # Nobody writes to it between the look at its rows and the bookkeeping row that makes it ours.
            return f"LOCK TABLE {quote_table(change.table)} IN ACCESS EXCLUSIVE MODE"
        case DropTable():
            return f"DROP TABLE {quote_table(change.table)}"
        case AddKey():
            return f"ALTER TABLE {quote_table(change.table)} ADD PRIMARY KEY ({quote_columns(change.columns)})"
        case AddIndex():
            return f"CREATE INDEX {quote(change.name)} ON {quote_table(change.table)} ({quote_columns(change.columns)})"
        case _:
            assert_never(change)


def changed_table(change: TableChange) -> TableName | None:
    """Return the table a change is about; None when it is about the schema."""
    return None if isinstance(change, CreateSchema | CreateEnum) else change.table


def _columns(columns: Sequence[TargetColumn]) -> str:
    return ", ".join(_column(column) for column in columns)


def _column(column: TargetColumn) -> str:
    text = f"{quote(column.name)} {column.type_sql}"
    if column.collation_sql is not None:
        text += f" COLLATE {column.collation_sql}"
    if column.generated_sql is not None:
        text += f" GENERATED ALWAYS AS ({column.generated_sql}) STORED"
    elif column.default_sql is not None:
        text += f" DEFAULT {column.default_sql}"
    return text if column.nullable else f"{text} NOT NULL"
