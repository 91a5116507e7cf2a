"""Tables as a PostgreSQL catalog has them."""

from collections.abc import Sequence

from cdc_assets.adapters.postgres.session import Connection, fetch_all
from cdc_assets.dialects import postgres_catalog
from cdc_assets.model.table import TableDefinition, TableName

_VIEW = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


def read_definitions(connection: Connection, tables: Sequence[TableName]) -> dict[TableName, TableDefinition]:
    """Read the tables in one view of the catalog; missing ones are left out."""
    connection.execute(_VIEW)
    try:
        return read_definitions_in_view(connection, tables)
    finally:
        if not connection.broken:
            connection.execute("ROLLBACK")


def read_definitions_in_view(connection: Connection, tables: Sequence[TableName]) -> dict[TableName, TableDefinition]:
    """Read the tables in the transaction that is open."""
    rows = fetch_all(connection, postgres_catalog.TABLES, {"tables": postgres_catalog.wanted(tables)})
    oids = {"oids": [row["oid"] for row in rows]}
    columns = fetch_all(connection, postgres_catalog.COLUMNS, oids)
    return postgres_catalog.definitions(rows, columns, fetch_all(connection, postgres_catalog.INDEXES, oids))
