"""What the source's catalog says: the server, tables, replica identities, publications, slots."""

from collections.abc import Mapping, Sequence

from cdc_assets.adapters.postgres_source.session import Connection, fetch_all, fetch_one
from cdc_assets.dialects import postgres_catalog
from cdc_assets.model.position import Lsn, SlotPosition
from cdc_assets.model.table import TableDefinition, TableName
from cdc_assets.ports.source import Publication, SourceServer

_VIEW = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_GENERATED_COLUMNS_VERSION = 180000


def read_server(connection: Connection) -> SourceServer:
    """Read the facts of the server and of our role."""
    row = fetch_one(
        connection,
        """
        SELECT current_setting('server_version_num')::int AS version, current_setting('wal_level') AS wal_level, pg_is_in_recovery() AS is_standby,
            (SELECT system_identifier FROM pg_control_system()) AS system_identifier, (SELECT timeline_id FROM pg_control_checkpoint()) AS timeline,
            current_setting('max_replication_slots')::int AS max_replication_slots, (SELECT count(*) FROM pg_replication_slots) AS used_replication_slots,
            current_setting('max_wal_senders')::int AS max_wal_senders, (SELECT count(*) FROM pg_stat_replication) AS used_wal_senders,
            current_user AS role, r.rolsuper AS is_superuser, r.rolsuper OR r.rolreplication AS may_replicate,
            has_database_privilege(current_database(), 'CREATE') AS may_create_in_database, pg_backend_pid() AS backend,
            CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text AS current_lsn
        FROM pg_roles r WHERE r.rolname = current_user
        """,
    )
    # A pooler hands out a process number of its own.
    is_pooled = row.pop("backend") != connection.info.backend_pid
    lsn = Lsn.parse(row.pop("current_lsn"))
    return SourceServer(is_pooled=is_pooled, current_lsn=lsn, **row)


def read_definitions(connection: Connection, tables: Sequence[TableName]) -> dict[TableName, TableDefinition]:
    """Read the tables in one view of the catalog."""
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


def read_replica_identities(connection: Connection, table: TableDefinition) -> Mapping[TableName, str]:
    """Read the replica identity of the table and, below a partitioned one, of every leaf; `i:NAME` names the index of `i`."""
    rows = fetch_all(
        connection,
        """
        SELECT n.nspname AS schema, c.relname AS name, c.relreplident::text AS identity,
            (SELECT x.relname FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = c.oid AND i.indisreplident) AS index
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY(%(oids)s::oid[])
        """,
        {"oids": [table.oid, *(leaf.oid for leaf in table.leaves)]},
    )
    return {
        TableName(row["schema"], row["name"]): f"i:{row['index']}" if row["identity"] == "i" else row["identity"]
        for row in rows
    }


def read_publication(connection: Connection, name: str) -> Publication | None:
    """Read a publication, or None."""
    has_generated = connection.info.server_version >= _GENERATED_COLUMNS_VERSION
    rows = fetch_all(
        connection,
        """
        SELECT p.pubviaroot AS via_root, pg_has_role(p.pubowner, 'USAGE') AS is_owned_by_us, to_jsonb(p) ->> 'pubgencols' AS generated,
            array_remove(ARRAY[CASE WHEN pubinsert THEN 'insert' END, CASE WHEN pubupdate THEN 'update' END, CASE WHEN pubdelete THEN 'delete' END,
                CASE WHEN pubtruncate THEN 'truncate' END], NULL) AS operations
        FROM pg_publication p WHERE p.pubname = %(name)s
        """,
        {"name": name},
    )
    if not rows:
        return None
    tables = fetch_all(
        connection,
        "SELECT schemaname AS schema, tablename AS name FROM pg_publication_tables WHERE pubname = %(name)s",
        {"name": name},
    )
    return Publication(
        name=name,
        tables=frozenset(TableName(row["schema"], row["name"]) for row in tables),
        via_root=rows[0]["via_root"],
        operations=frozenset(rows[0]["operations"]),
        is_owned_by_us=rows[0]["is_owned_by_us"],
        publishes_generated=has_generated and rows[0]["generated"] == "s",
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
