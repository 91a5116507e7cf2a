"""What the source's catalog says: the server, replica identities, publications, slots."""

from collections.abc import Mapping
from urllib.parse import quote

import psycopg

from cdc_assets.adapters.postgres.server_facts import is_pooled, read_common_facts
from cdc_assets.adapters.postgres.session import Connection, fetch_all, fetch_one, statement
from cdc_assets.dialects.postgres import quote_table
from cdc_assets.model.position import Lsn, SlotPosition
from cdc_assets.model.table import TableDefinition, TableName
from cdc_assets.ports.source import Publication, SourceServer

# lz4 shrinks a value at most about 255 times: below this no row has ten megabytes.
_TOAST_OF_A_LARGE_ROW = 32 * 1024
_LONGEST_READ = "60s"


def read_server(connection: Connection) -> SourceServer:
    """Read the facts of the server and of our role."""
    row = fetch_one(
        connection,
        """
        SELECT current_setting('server_version_num')::int AS version, current_setting('wal_level') AS wal_level,
            pg_is_in_recovery() AS is_standby, (SELECT system_identifier FROM pg_control_system()) AS system_identifier,
            (SELECT timeline_id FROM pg_control_checkpoint()) AS timeline,
            current_setting('max_replication_slots')::int AS max_replication_slots,
            (SELECT count(*) FROM pg_replication_slots) AS used_replication_slots,
            current_setting('max_wal_senders')::int AS max_wal_senders,
            (SELECT count(*) FROM pg_stat_replication) AS used_wal_senders,
            current_user AS role, rolsuper AS is_superuser, rolsuper OR rolreplication AS may_replicate,
            has_database_privilege(current_database(), 'CREATE') AS may_create_in_database, pg_backend_pid() AS backend,
            CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text
                AS current_lsn,
            (SELECT setting::int8 FROM pg_settings WHERE name = 'wal_sender_timeout') / 1000.0
                AS wal_sender_timeout_seconds,
            (SELECT NULLIF(setting::int8, -1) FROM pg_settings WHERE name = 'max_slot_wal_keep_size')
                AS slot_wal_limit_mb,
            COALESCE((SELECT setting::int8 FROM pg_settings WHERE name = 'idle_replication_slot_timeout'), 0)
                AS idle_slot_timeout_seconds
        FROM pg_roles WHERE rolname = current_user
        """,
    )
    return SourceServer(
        is_pooled=is_pooled(connection, row.pop("backend")),
        current_lsn=Lsn.parse(row.pop("current_lsn")),
        wal_sender_timeout_seconds=float(row.pop("wal_sender_timeout_seconds")),
        wal_mb=_wal_mb(connection),
        **row,
        **read_common_facts(connection),
    )


def _wal_mb(connection: Connection) -> int | None:
    may = fetch_one(connection, "SELECT has_function_privilege('pg_ls_waldir()', 'EXECUTE') AS may")["may"]
    if not may:
        return None
    return int(fetch_one(connection, "SELECT COALESCE(sum(size), 0)::int8 >> 20 AS mb FROM pg_ls_waldir()")["mb"])


def read_largest_row(connection: Connection, table: TableDefinition, size: str) -> int | None:
    """Read the size of the largest row, where TOAST shows that there may be a large one."""
    toast = fetch_one(
        connection,
        "SELECT COALESCE(sum(pg_relation_size(NULLIF(reltoastrelid, 0))), 0)::int8 AS bytes FROM pg_class"
        " WHERE oid = ANY(%(oids)s::oid[])",
        {"oids": [leaf.oid for leaf in table.leaves]},
    )["bytes"]
    if toast < _TOAST_OF_A_LARGE_ROW:
        return 0
    connection.execute("SELECT set_config('statement_timeout', %s, false)", (_LONGEST_READ,))
    try:
        row = connection.execute(
            statement(f"SELECT COALESCE(max({size}), 0)::int8 AS bytes FROM {quote_table(table.name)}")  # noqa: S608
        ).fetchone()
    except psycopg.errors.QueryCanceled:
        return None
    return int((row or {})["bytes"])


def read_replica_identities(connection: Connection, table: TableDefinition) -> Mapping[TableName, str]:
    """Read the replica identity of the table and of every leaf; after `i:` comes the index, percent-encoded."""
    rows = fetch_all(
        connection,
        """
        SELECT n.nspname AS schema, c.relname AS name, c.relreplident::text AS identity,
            (SELECT x.relname FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
                WHERE i.indrelid = c.oid AND i.indisreplident) AS index
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY(%(oids)s::oid[])
        """,
        {"oids": [table.oid, *(leaf.oid for leaf in table.leaves)]},
    )
    return {
        TableName(row["schema"], row["name"]): f"i:{quote(row['index'] or '', safe='')}"
        if row["identity"] == "i"
        else row["identity"]
        for row in rows
    }


def read_publication(connection: Connection, name: str) -> Publication | None:
    """Read a publication, or None."""
    rows = fetch_all(
        connection,
        """
        SELECT pubviaroot AS via_root, pg_has_role(pubowner, 'USAGE') AS is_owned_by_us,
            to_jsonb(p) ->> 'pubgencols' = 's' AS publishes_generated, pubinsert, pubupdate, pubdelete, pubtruncate
        FROM pg_publication p WHERE pubname = %(name)s
        """,
        {"name": name},
    )
    if not rows:
        return None
    row = rows[0]
    tables = fetch_all(
        connection,
        # Columns and conditions of a publication exist since 15.
        "SELECT schemaname AS schema, tablename AS name, to_jsonb(t) -> 'attnames' AS columns,"
        " to_jsonb(t) ->> 'rowfilter' IS NOT NULL AS is_filtered"
        " FROM pg_publication_tables t WHERE pubname = %(name)s",
        {"name": name},
    )
    found = {TableName(table["schema"], table["name"]): table for table in tables}
    return Publication(
        name=name,
        tables=frozenset(found),
        via_root=row["via_root"],
        operations=frozenset(kind for kind in ("insert", "update", "delete", "truncate") if row[f"pub{kind}"]),
        is_owned_by_us=row["is_owned_by_us"],
        publishes_generated=bool(row["publishes_generated"]),
        filtered=frozenset(table for table, each in found.items() if each["is_filtered"]),
        columns={table: frozenset(each["columns"]) for table, each in found.items() if each["columns"] is not None},
    )


def read_slots(connection: Connection, prefix: str) -> tuple[SlotPosition, ...]:
    """Read the logical slots whose name begins with the prefix."""
    rows = fetch_all(
        connection,
        """
        SELECT slot_name, database, plugin, active_pid, confirmed_flush_lsn::text, restart_lsn::text, wal_status
        FROM pg_replication_slots WHERE slot_type = 'logical' AND starts_with(slot_name, %(prefix)s) ORDER BY slot_name
        """,
        {"prefix": prefix},
    )
    return tuple(
        SlotPosition(
            name=row["slot_name"],
            database=row["database"],
            plugin=row["plugin"],
            active_pid=row["active_pid"],
            # A slot still being made has no position.
            confirmed_flush_lsn=Lsn.parse(row["confirmed_flush_lsn"] or "0/0"),
            restart_lsn=Lsn.parse(row["restart_lsn"]) if row["restart_lsn"] else None,
            wal_status=row["wal_status"],
        )
        for row in rows
    )
