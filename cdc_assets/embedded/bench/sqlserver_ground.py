"""The SQL Server of `bench load --target sqlserver`: the user's own, named in the environment, and a schema in it.

The benchmark's tables are in a schema of its own, which is dropped at the end. Its statements go through pyodbc, as the
peer's do.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib import import_module
from secrets import token_hex
from typing import Any

from cdc_assets.dialects.sqlserver import missing_library, quote, quote_table
from cdc_assets.embedded.bench.ground import Side
from cdc_assets.model.errors import BenchError
from cdc_assets.model.pipeline import Endpoint
from cdc_assets.model.sqlserver_connection import SqlServerAddress
from cdc_assets.model.sqlserver_url import EXAMPLE, VARIABLE, SqlServerUrl
from cdc_assets.model.table import TableName
from cdc_assets.settings import Settings, inherited_environment

_TABLES = """
SELECT o.name FROM sys.objects o JOIN sys.schemas s ON s.schema_id = o.schema_id WHERE s.name = ? AND o.type = 'U'
"""


@dataclass(frozen=True)
class SqlServerGround:
    """A database of that server, a schema in it, and the ODBC driver that statements go through."""

    url: SqlServerUrl
    schema: str
    driver: str

    @property
    def odbc(self) -> str:
        """The connection string of the peer and of our own statements; it holds the password."""
        address = SqlServerAddress.of(Endpoint(self.url.connection, self.url.database, self.schema))
        return address.odbc(self.url.password, driver=self.driver, application="cdc_assets bench")

    def side(self, settings: Settings) -> Side:
        """The target of a pipeline; its password is in a file that goes with the benchmark's directory."""
        connection = self.url.connection
        password = settings.home / "sqlserver_password"
        password.touch(mode=0o600)
        password.write_text(self.url.password, encoding="utf-8")
        entry = {
            "kind": "sqlserver",
            "host": connection.host,
            "port": connection.port,
            "user": connection.user,
            "password": {"file": str(password)},
            "tls": {"mode": connection.tls.mode},
            "trust_server_certificate": connection.trust_server_certificate,
        }
        return Side(json.dumps(entry), self.url.database, self.schema)

    def table(self, name: str) -> str:
        """The quoted name of a table of the schema."""
        return quote_table(TableName(self.schema, name))

    def run(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run T-SQL; returns its rows, if it has any."""
        pyodbc = _pyodbc()
        try:
            with closing(pyodbc.connect(self.odbc, autocommit=True)) as connection:
                cursor = connection.execute(statement, *values)
                return [tuple(row) for row in cursor.fetchall()] if cursor.description else []
        except pyodbc.Error as error:
            raise BenchError(
                f"{self.url.connection.host}:{self.url.connection.port} refused a statement of the benchmark: "
                f"{type(error).__name__} {error.args[0] if error.args else ''}",
                hint=f"see whether {VARIABLE} names a database whose login may make schemas and tables",
            ) from error

    def empty(self) -> None:
        """Make the schema exist, with nothing in it."""
        self._drop_tables()
        if not self.run("SELECT 1 FROM sys.schemas WHERE name = ?", [self.schema]):
            self.run(f"CREATE SCHEMA {quote(self.schema)}")

    def drop(self) -> None:
        """Drop the schema with what is in it."""
        self._drop_tables()
        if self.run("SELECT 1 FROM sys.schemas WHERE name = ?", [self.schema]):
            self.run(f"DROP SCHEMA {quote(self.schema)}")

    def row_count(self, table: str) -> int:
        """How many rows a table holds."""
        return int(self.run(f"SELECT COUNT_BIG(*) FROM {self.table(table)}")[0][0])  # noqa: S608

    def version(self) -> str:
        """The version the server says it has."""
        return str(self.run("SELECT CONVERT(nvarchar(128), SERVERPROPERTY('ProductVersion'))")[0][0])

    def _drop_tables(self) -> None:
        for (name,) in self.run(_TABLES, [self.schema]):
            self.run(f"DROP TABLE {self.table(str(name))}")


@contextmanager
def sqlserver_ground() -> Iterator[SqlServerGround]:
    """Give a schema of the benchmark's own on the server that the environment names; it is dropped at the end.

    BenchError when none is named, or the machine has no ODBC driver for it.
    """
    named = inherited_environment().get(VARIABLE)
    if not named:
        raise BenchError(
            f"a SQL Server to load into is not named: {VARIABLE} is not set",
            hint=f"set it to {EXAMPLE}; compose.yaml starts one",
        )
    try:
        url = SqlServerUrl.parse(named)
    except ValueError as error:
        raise BenchError(str(error), hint="correct it in the environment") from error
    ground = SqlServerGround(url, f"cdc_bench_{token_hex(4)}", url.connection.driver or _installed_driver())
    try:
        yield ground
    finally:
        ground.drop()


def _installed_driver() -> str:
    names = map(str, _pyodbc().drivers())
    found = [name for name in names if name.startswith("ODBC Driver") and name.endswith("for SQL Server")]
    if not found:
        raise BenchError(
            "the peer, pyodbc, finds no ODBC driver for SQL Server on this machine",
            hint=f"install one (msodbcsql18), or name it behind the URL: {EXAMPLE}?driver=NAME",
        )
    return max(found)


def _pyodbc() -> Any:  # noqa: ANN401  wants a library that other machines need not have
    try:
        return import_module("pyodbc")
    except (ImportError, OSError) as error:
        library, fix = missing_library(str(error)) or ("pyodbc", "install the packages of requirements.lock")
        raise BenchError(f"the peer, pyodbc, cannot be loaded: {library} is missing", hint=fix) from error
