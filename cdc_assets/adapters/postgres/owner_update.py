"""Proof that the owner of a table can still write to it.

REPLICA IDENTITY FULL on a table with a generated column that a publication does not send makes PostgreSQL 18 refuse
every UPDATE. The proof runs inside the transaction that would bring that about, so that it is never seen by anyone.
"""

import psycopg

from cdc_assets.adapters.postgres.session import Connection, fetch_all, statement
from cdc_assets.dialects.postgres import quote, quote_table
from cdc_assets.model.errors import SourceError
from cdc_assets.model.table import TableName

_LEAVES = """
SELECT n.nspname AS schema, c.relname AS name,
    (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        AND a.attgenerated = '' AND a.attidentity <> 'a' ORDER BY a.attnum LIMIT 1) AS column
FROM (SELECT %(table)s::regclass::oid AS oid UNION SELECT relid FROM pg_partition_tree(%(table)s::regclass)) AS p
JOIN pg_class c USING (oid) JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND has_table_privilege(c.oid, 'UPDATE') ORDER BY n.nspname, c.relname
"""


def check_owner_can_update(connection: Connection, table: TableName) -> None:
    """Raise SourceError when an UPDATE of the table or of a leaf is refused for its replica identity.

    A leaf that our role may not UPDATE is left out: nothing can be proven there.
    """
    for leaf in fetch_all(connection, _LEAVES, {"table": quote_table(table)}):
        if leaf["column"] is None:
            continue
        name, column = quote_table(TableName(leaf["schema"], leaf["name"])), quote(leaf["column"])
        # The plan of an UPDATE is refused as the UPDATE itself would be; nothing is run and no trigger fires.
        try:
            connection.execute(statement(f"EXPLAIN UPDATE ONLY {name} SET {column} = {column}"))  # noqa: S608
        except psycopg.errors.InvalidColumnReference as error:
            reason = (error.diag.message_detail or "").rstrip(".")
            raise SourceError(
                f"the owner of {table} could no longer UPDATE it: {reason}",
                hint="let every publication that has this table publish its stored generated columns "
                "(publish_generated_columns = stored), or leave the table out",
                table=table.name,
            ) from error
