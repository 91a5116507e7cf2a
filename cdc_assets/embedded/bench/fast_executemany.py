"""`python -m cdc_assets.embedded.bench.fast_executemany TABLE`: the peer of a load into SQL Server, in a process.

What is usually written by hand: rows from a server-side cursor of psycopg, into a fresh table by pyodbc's
`fast_executemany`, ten thousand at a time, the key last. It verifies nothing. The addresses come in the environment,
because they hold passwords.
"""

import sys
from collections.abc import Mapping
from contextlib import closing
from importlib import import_module
from typing import LiteralString

import psycopg
from psycopg import sql

from cdc_assets.dialects.sqlserver import quote, quote_table
from cdc_assets.embedded.bench import sample
from cdc_assets.model.table import TableName
from cdc_assets.settings import inherited_environment

SOURCE, TARGET, SCHEMA = "CDC_BENCH_SOURCE_URL", "CDC_BENCH_TARGET_ODBC", "CDC_BENCH_TARGET_SCHEMA"
BATCH_ROWS = 10_000
_TSQL_TYPES: Mapping[str, LiteralString] = {
    "bigint": "bigint",
    "int": "int",
    "uuid": "uniqueidentifier",
    "numeric(12,2)": "decimal(12,2)",
    "numeric": "decimal(38,10)",
    "varchar(20)": "nvarchar(40)",
    "varchar(60)": "nvarchar(120)",
    "text": "nvarchar(max)",
    "boolean": "bit",
    "timestamptz": "datetimeoffset(6)",
    "timestamp": "datetime2(6)",
}
"""The types that the product's load gives the same columns."""


def main() -> None:
    """Load one table."""
    environment = inherited_environment()
    table = next(table for table in sample.TABLES if table.name == sys.argv[1])
    target = quote_table(TableName(environment[SCHEMA], table.name))
    pyodbc = import_module("pyodbc")
    with (
        psycopg.connect(environment[SOURCE]) as source,
        closing(pyodbc.connect(environment[TARGET])) as connection,
        connection.cursor() as cursor,
    ):
        # The driver drops a zone: of a time in UTC nothing is lost.
        source.execute("SET timezone = 'UTC'")
        columns = table_columns(table)
        cursor.execute(f"CREATE TABLE {target} ({', '.join(f'{quote(name)} {kind}' for name, kind in columns)})")
        cursor.fast_executemany = True
        insert = f"INSERT INTO {target} VALUES ({', '.join('?' for _ in columns)})"  # noqa: S608
        with source.cursor(name="bench") as rows:
            rows.itersize = BATCH_ROWS
            rows.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table.name)))
            while batch := rows.fetchmany(BATCH_ROWS):
                cursor.executemany(insert, batch)
        cursor.execute(f"ALTER TABLE {target} ADD PRIMARY KEY ({quote(sample.KEY)})")
        connection.commit()


def table_columns(table: sample.BenchTable) -> list[tuple[str, str]]:
    """The columns of a table as SQL Server has them: name, type and whether it takes NULL."""
    found = []
    for declared in table.columns.replace("(12,2)", "(12.2)").split(","):
        name, kind = declared.split()[:2]
        is_filled = name == sample.KEY or declared.endswith("NOT NULL")
        tsql = _TSQL_TYPES[kind.replace(".", ",")]
        found.append((name, f"{tsql} {'NOT NULL' if is_filled else 'NULL'}"))
    return found


if __name__ == "__main__":
    main()
