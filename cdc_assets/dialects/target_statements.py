"""The statements that an administrator of a target is shown, in the target's own language."""

from collections.abc import Sequence

from cdc_assets.dialects import postgres, sqlserver
from cdc_assets.model.pipeline import Product
from cdc_assets.model.table import TableName


def grant_create(product: Product, schema: str, role: str) -> str:
    """Let the role make tables in the schema."""
    if product == "sqlserver":
        name, user = sqlserver.quote(schema), sqlserver.quote(role)
        return (
            f"GRANT CREATE TABLE TO {user}; "
            f"GRANT ALTER, REFERENCES, SELECT, INSERT, UPDATE, DELETE ON SCHEMA::{name} TO {user};"
        )
    return f"GRANT USAGE, CREATE ON SCHEMA {postgres.quote(schema)} TO {postgres.quote(role)};"


def make_schema(product: Product, schema: str, role: str) -> str:
    """Make the schema, owned by the role."""
    if product == "sqlserver":
        # Who owns a schema may still not make tables in it.
        name, user = sqlserver.quote(schema), sqlserver.quote(role)
        return f"CREATE SCHEMA {name} AUTHORIZATION {user}; GRANT CREATE TABLE TO {user};"
    return f"CREATE SCHEMA {postgres.quote(schema)} AUTHORIZATION {postgres.quote(role)};"


def grant_write(product: Product, table: TableName, role: str) -> str:
    """Let the role write the table."""
    if product == "sqlserver":
        rights = "SELECT, INSERT, UPDATE, DELETE"
        return f"GRANT {rights} ON {sqlserver.quote_table(table)} TO {sqlserver.quote(role)};"
    rights = "SELECT, INSERT, UPDATE, DELETE, TRUNCATE"
    return f"GRANT {rights} ON TABLE {postgres.quote_table(table)} TO {postgres.quote(role)};"


def disable_triggers(product: Product, table: TableName) -> str:
    """Keep the table's triggers from firing."""
    if product == "sqlserver":
        return f"DISABLE TRIGGER ALL ON {sqlserver.quote_table(table)};"
    return f"ALTER TABLE {postgres.quote_table(table)} DISABLE TRIGGER USER;"


def drop_constraints(product: Product, table: TableName, names: Sequence[str]) -> str:
    """Drop the table's constraints of these names."""
    dialect = sqlserver if product == "sqlserver" else postgres
    return " ".join(
        f"ALTER TABLE {dialect.quote_table(table)} DROP CONSTRAINT {dialect.quote(name)};" for name in names
    )


def grant_sessions(login: str) -> str:
    """Let a login of SQL Server see the sessions of others, without which nobody knows that a sink's have ended."""
    return f"GRANT VIEW SERVER STATE TO {sqlserver.quote(login)};"
