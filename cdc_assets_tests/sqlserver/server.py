"""The SQL Server of the live tests: its address from the environment, and a schema of a test's own in its database.

The login needs CREATE SCHEMA and CREATE TABLE in that database and nothing more; what a test makes is dropped at its
end.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from cdc_assets.dialects.sqlserver import quote, quote_table
from cdc_assets.model.pipeline import Connection, Endpoint
from cdc_assets.model.sqlserver_connection import SqlServerAddress
from cdc_assets.model.sqlserver_url import SqlServerUrl
from cdc_assets.model.table import TableName


@dataclass(frozen=True, slots=True)
class SqlServer:
    """A database of a SQL Server, and the schema in it that belongs to a test."""

    connection: Connection
    database: str
    password: str
    schema: str = ""

    @classmethod
    def parse(cls, url: str) -> "SqlServer":
        """Read the URL of the environment."""
        read = SqlServerUrl.parse(url)
        return cls(read.connection, read.database, read.password)

    @property
    def endpoint(self) -> Endpoint:
        """The target side of a pipeline."""
        return Endpoint(self.connection, self.database, self.schema)

    def table(self, name: str) -> str:
        """The quoted name of a table of the schema."""
        return quote_table(TableName(self.schema, name))

    @contextmanager
    def session(self, *, autocommit: bool = True) -> Iterator[Any]:
        """A cursor whose every statement commits by itself, or one whose statements are undone at the end."""
        import mssql_python  # noqa: PLC0415  wants libraries that only these tests need

        address = SqlServerAddress.of(self.endpoint)
        connection = mssql_python.connect(address.odbc(self.password), autocommit=autocommit)
        try:
            yield connection.cursor()
        finally:
            connection.close()

    def run(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run T-SQL and return its rows, if it has any."""
        with self.session() as cursor:
            # Without values the text is sent as it is.
            cursor.execute(statement, *([tuple(values)] if values else []))
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    def tables(self) -> list[str]:
        """The names of the schema's tables."""
        found = self.run(
            "SELECT o.name FROM sys.objects o JOIN sys.schemas s ON s.schema_id = o.schema_id"
            " WHERE s.name = ? AND o.type = 'U' ORDER BY o.name",
            [self.schema],
        )
        return [str(name) for (name,) in found]


@contextmanager
def schema_of_its_own(server: SqlServer) -> Iterator[SqlServer]:
    """Name a schema that does not exist yet; whoever makes it, it is dropped in the end."""
    made = SqlServer(server.connection, server.database, server.password, f"cdc_test_{token_hex(4)}")
    try:
        yield made
    finally:
        for view in made.run(
            "SELECT o.name FROM sys.objects o JOIN sys.schemas s ON s.schema_id = o.schema_id"
            " WHERE s.name = ? AND o.type = 'V'",
            [made.schema],
        ):
            made.run(f"DROP VIEW {made.table(str(view[0]))}")
        for table in made.tables():
            made.run(f"DROP TABLE {made.table(table)}")
        if made.run("SELECT 1 FROM sys.schemas WHERE name = ?", [made.schema]):
            made.run(f"DROP SCHEMA {quote(made.schema)}")
