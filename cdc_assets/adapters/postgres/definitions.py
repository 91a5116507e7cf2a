"""Tables as a PostgreSQL catalog has them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg

from cdc_assets.adapters.postgres.session import Connection, Sessions, fetch_all
from cdc_assets.dialects import postgres_catalog
from cdc_assets.model.table import TableDefinition, TableName

_VIEW = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# A table's size and its texts in the catalog are read under a lock: behind an ACCESS EXCLUSIVE one it would last for
# ever.
_LOCK_TIMEOUT = "10s"
_BLOCKERS = """
SELECT w.name, array_agg(DISTINCT l.pid ORDER BY l.pid) AS pids
FROM jsonb_to_recordset(%(tables)s::jsonb) AS w(schema text, name text)
JOIN pg_namespace n ON n.nspname = w.schema JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
JOIN pg_locks l ON l.locktype = 'relation' AND l.granted AND l.mode = 'AccessExclusiveLock'
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (l.relation = c.oid OR l.relation IN (SELECT relid FROM pg_partition_tree(c.oid))
        OR l.relation IN (SELECT indexrelid FROM pg_index i WHERE i.indrelid = c.oid))
GROUP BY w.name ORDER BY w.name
"""


def read_definitions(
    sessions: Sessions, connection: Connection, tables: Sequence[TableName]
) -> dict[TableName, TableDefinition]:
    """Read the tables in one view of the catalog; missing ones are left out.

    SourceLockedError or TargetLockedError when a table stays locked.
    """
    with waiting_briefly(sessions, connection, tables):
        connection.execute(_VIEW)
        try:
            return read_definitions_in_view(connection, tables)
        finally:
            if not connection.broken:
                connection.execute("ROLLBACK")


@contextmanager
def waiting_briefly(sessions: Sessions, connection: Connection, tables: Sequence[TableName]) -> Iterator[None]:
    """Let this session wait for locks ten seconds at most, then raise who holds the tables."""
    connection.execute("SELECT set_config('lock_timeout', %s, false)", (_LOCK_TIMEOUT,))
    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        found = fetch_all(connection, _BLOCKERS, {"tables": postgres_catalog.wanted(tables)})
        held = {row["name"]: tuple(row["pids"]) for row in found}
        raise sessions.locked_error(held, waited=_LOCK_TIMEOUT) from error


def read_definitions_in_view(connection: Connection, tables: Sequence[TableName]) -> dict[TableName, TableDefinition]:
    """Read the tables in the transaction that is open."""
    rows = fetch_all(connection, postgres_catalog.TABLES, {"tables": postgres_catalog.wanted(tables)})
    oids = {"oids": [row["oid"] for row in rows]}
    columns = fetch_all(connection, postgres_catalog.COLUMNS, oids)
    return postgres_catalog.definitions(rows, columns, fetch_all(connection, postgres_catalog.INDEXES, oids))
