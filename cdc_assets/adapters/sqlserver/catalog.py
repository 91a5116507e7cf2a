"""What the catalog of a SQL Server says of its tables and of our login there."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from cdc_assets.adapters.sqlserver.session import Row, rows
from cdc_assets.dialects.sqlserver import KEY_COLLATION, quote_table
from cdc_assets.model.table import (
    ColumnDefinition,
    ColumnType,
    IndexDefinition,
    LeafTable,
    TableDefinition,
    TableName,
)
from cdc_assets.ports.target import TargetServer

_SERVER = """
SELECT CONVERT(nvarchar(128), SERVERPROPERTY('ProductVersion')) AS version, SUSER_SNAME() AS role,
    @@MAX_CONNECTIONS AS max_connections, (SELECT COUNT(*) FROM sys.dm_exec_sessions) AS used_connections,
    HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'CREATE SCHEMA') AS may_create_schema,
    HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'CREATE TABLE') AS may_create_table,
    HAS_PERMS_BY_NAME(NULL, NULL, 'VIEW SERVER STATE') AS may_see_sessions,
    CONVERT(nvarchar(128), DATABASEPROPERTYEX(DB_NAME(), 'Updateability')) AS updateability
"""
_TABLES = """
SELECT o.name AS name, o.object_id AS id, RTRIM(o.type) AS type
FROM sys.objects o JOIN sys.schemas s ON s.schema_id = o.schema_id
WHERE s.name = :schema AND o.name IN :names AND o.type IN ('U', 'V', 'SN', 'SO', 'P', 'FN', 'TF', 'IF')
"""
# By itself: beside the catalog it may be asked of every object there is.
_RIGHTS = """
SELECT HAS_PERMS_BY_NAME(:table, 'OBJECT', 'SELECT') AS may_select,
    HAS_PERMS_BY_NAME(:table, 'OBJECT', 'INSERT') AS may_insert,
    HAS_PERMS_BY_NAME(:table, 'OBJECT', 'ALTER') AS may_alter
"""
_COLUMNS = """
SELECT c.object_id AS id, c.name AS name, t.name AS type, c.max_length AS max_length, c.precision AS [precision],
    c.scale AS scale, c.is_nullable AS is_nullable, c.is_identity AS is_identity, c.is_computed AS is_computed,
    c.collation_name AS [collation], c.default_object_id AS default_id
FROM sys.columns c JOIN sys.types t ON t.user_type_id = c.user_type_id
WHERE c.object_id IN :ids ORDER BY c.object_id, c.column_id
"""
_INDEXES = """
SELECT i.object_id AS id, i.name AS name, i.is_unique AS is_unique, i.is_primary_key AS is_primary_key,
    i.has_filter AS has_filter, c.name AS column_name
FROM sys.indexes i JOIN sys.index_columns k ON k.object_id = i.object_id AND k.index_id = i.index_id
    JOIN sys.columns c ON c.object_id = k.object_id AND c.column_id = k.column_id
WHERE i.object_id IN :ids AND i.index_id > 0 ORDER BY i.object_id, i.index_id, k.key_ordinal
"""
_TRIGGERS = """
SELECT t.parent_id AS id, t.name AS name FROM sys.triggers t WHERE t.parent_id IN :ids AND t.is_disabled = 0
"""
_FOREIGN_KEYS = """
SELECT f.parent_object_id AS id, f.referenced_object_id AS referenced, f.name AS name FROM sys.foreign_keys f
WHERE f.parent_object_id IN :ids OR f.referenced_object_id IN :ids
"""
_KINDS = {"U": "r", "V": "v", "SO": "S"}
_OTHER_KIND = "c"
# A statement takes 2100 values, and one of these takes them twice.
_AT_ONCE = 1000


def read_server(connection: Connection) -> TargetServer:
    """Facts of the server and of our login; the version is counted as PostgreSQL's is, 160000 for 16.0."""
    row = rows(connection, _SERVER)[0]
    major, minor, *_ = [*str(row["version"]).split("."), "0"]
    return TargetServer(
        product="sqlserver",
        version=int(major) * 10000 + int(minor),
        role=str(row["role"]),
        max_connections=int(row["max_connections"]),
        used_connections=int(row["used_connections"]),
        may_create_schema=bool(row["may_create_schema"]) and bool(row["may_create_table"]),
        is_standby=row["updateability"] == "READ_ONLY",
        may_see_sessions=bool(row["may_see_sessions"]),
    )


def read_definitions(connection: Connection, tables: Sequence[TableName]) -> Mapping[TableName, TableDefinition]:
    """The tables as the catalog has them; names are compared as PostgreSQL does, with their case."""
    found: dict[TableName, TableDefinition] = {}
    for schema in dict.fromkeys(table.schema for table in tables):
        wanted = [table.name for table in tables if table.schema == schema]
        for begin in range(0, len(wanted), _AT_ONCE):
            found |= _read_some(connection, schema, wanted[begin : begin + _AT_ONCE])
    return found


def _read_some(connection: Connection, schema: str, wanted: Sequence[str]) -> dict[TableName, TableDefinition]:
    named = rows(connection, _TABLES, {"schema": schema, "names": wanted})
    # The server may compare names without their case.
    objects = [row for row in named if row["name"] in wanted]
    if not objects:
        return {}
    for row in objects:
        row.update(rows(connection, _RIGHTS, {"table": quote_table(TableName(schema, row["name"]))})[0])
    values: dict[str, object] = {"ids": [row["id"] for row in objects]}
    columns = _by_table(rows(connection, _COLUMNS, values))
    indexes = _by_table(rows(connection, _INDEXES, values))
    triggers = _by_table(rows(connection, _TRIGGERS, values))
    keys = rows(connection, _FOREIGN_KEYS, values)
    return {
        TableName(schema, row["name"]): _definition(
            schema,
            row,
            columns=columns[row["id"]],
            indexes=indexes[row["id"]],
            triggers=triggers[row["id"]],
            keys=keys,
        )
        for row in objects
    }


def _definition(
    schema: str, row: Row, *, columns: list[Row], indexes: list[Row], triggers: list[Row], keys: list[Row]
) -> TableDefinition:
    name = TableName(schema, row["name"])
    primary = tuple(index["column_name"] for index in indexes if index["is_primary_key"])
    # All rights that a load and a sink need together.
    is_ours = bool(row["may_alter"])
    return TableDefinition(
        name=name,
        kind=_KINDS.get(row["type"], _OTHER_KIND),
        oid=int(row["id"]),
        columns=tuple(_column(column) for column in columns),
        primary_key=primary,
        indexes=_indexes(indexes),
        leaves=(LeafTable(name, "d", int(row["id"])),),
        owner="somebody else",
        is_owned_by_us=is_ours,
        is_selectable=bool(row["may_select"]),
        is_writable=bool(row["may_insert"]),
        foreign_keys=tuple(key["name"] for key in keys if key["id"] == row["id"]),
        triggers=tuple(trigger["name"] for trigger in triggers),
        dependents=tuple(
            f"foreign key {key['name']}" for key in keys if key["referenced"] == row["id"] and key["id"] != row["id"]
        ),
    )


def _column(row: Row) -> ColumnDefinition:
    formatted = type_text(row["type"], row["max_length"], row["precision"], row["scale"])
    collation = row["collation"]
    return ColumnDefinition(
        name=row["name"],
        type=ColumnType(formatted, "sys", row["type"], row["type"], "sys", "b", base_formatted=formatted),
        nullable=bool(row["is_nullable"]),
        default="a default" if row["default_id"] else None,
        generated="stored" if row["is_computed"] else "",
        identity="always" if row["is_identity"] else "",
        # Every binary collation of this kind compares code by code; the name of ours stands for all.
        collation=KEY_COLLATION if collation is not None and str(collation).upper().endswith("BIN2") else collation,
    )


def type_text(name: str, max_length: int, precision: int, scale: int) -> str:
    """Write a type as T-SQL does, from what `sys.columns` says of it."""
    match name:
        case "nvarchar" | "nchar":
            return f"{name}({'max' if max_length < 0 else max_length // 2})"
        case "varchar" | "char" | "varbinary" | "binary":
            return f"{name}({'max' if max_length < 0 else max_length})"
        case "decimal" | "numeric":
            return f"decimal({precision},{scale})"
        case "time" | "datetime2" | "datetimeoffset":
            return f"{name}({scale})"
        case "float":
            return "float(53)"
        case _:
            return name


def _indexes(found: list[Row]) -> tuple[IndexDefinition, ...]:
    columns: dict[str, list[str]] = defaultdict(list)
    facts: dict[str, Row] = {}
    for row in found:
        if not row["is_primary_key"]:
            columns[row["name"]].append(row["column_name"])
            facts[row["name"]] = row
    return tuple(
        IndexDefinition(
            name=name,
            is_unique=bool(fact["is_unique"]),
            is_valid=True,
            columns=tuple(columns[name]),
            is_partial=bool(fact["has_filter"]),
        )
        for name, fact in facts.items()
    )


def _by_table(found: list[Row]) -> Mapping[Any, list[Row]]:
    grouped: dict[Any, list[Row]] = defaultdict(list)
    for row in found:
        grouped[row["id"]].append(row)
    return grouped
