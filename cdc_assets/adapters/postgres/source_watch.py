"""One look at what the captured changes depend on: the server's identity, the slot, and each table's way out."""

from collections.abc import Mapping, Sequence

from cdc_assets.adapters.postgres.session import Connection, fetch_all, fetch_one
from cdc_assets.adapters.postgres.source_catalog import read_slots
from cdc_assets.model.position import Lsn
from cdc_assets.model.table import TableName
from cdc_assets.model.watch import SlotCounters, SourceWatch, WatchedLeaf, WatchedTable

_SERVER = """
SELECT (SELECT system_identifier FROM pg_control_system()) AS system_identifier,
    (SELECT timeline_id FROM pg_control_checkpoint()) AS timeline,
    CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text AS current_lsn
"""
# A crash makes all statistics begin anew, and stamps those of the whole server with the time of it.
_COUNTERS = """
SELECT concat_ws(' ', (SELECT stats_reset FROM pg_stat_archiver), s.stats_reset) AS since,
    s.total_txns AS transactions, s.total_bytes AS size_bytes, r.safe_wal_size
FROM pg_stat_replication_slots s JOIN pg_replication_slots r USING (slot_name) WHERE s.slot_name = %(slot)s
"""
# A walsender waits for more log, or until its reader takes what it has sent; else it decodes.
_DECODING = """
SELECT w.sent_lsn::text AS sent_lsn
FROM pg_replication_slots r JOIN pg_stat_replication w ON w.pid = r.active_pid JOIN pg_stat_activity a USING (pid)
WHERE r.slot_name = %(slot)s AND w.sent_lsn IS NOT NULL
    AND COALESCE(a.wait_event_type, '') NOT IN ('Activity', 'Client')
"""
_TABLES = """
SELECT w.schema, w.name, c.oid::int8 AS oid,
    EXISTS (SELECT FROM pg_publication_tables t
        WHERE t.pubname = %(publication)s AND t.schemaname = w.schema AND t.tablename = w.name) AS is_published,
    COALESCE((SELECT md5(concat_ws(' ', p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate, p.pubviaroot,
            (SELECT concat_ws(' ', to_jsonb(r) ->> 'prqual', to_jsonb(r) ->> 'prattrs')
                FROM pg_publication_rel r WHERE r.prpubid = p.oid AND r.prrelid = c.oid)))
        FROM pg_publication p WHERE p.pubname = %(publication)s), '') AS sent_as
FROM unnest(%(schemas)s::text[], %(names)s::text[]) AS w(schema, name)
    JOIN pg_namespace n ON n.nspname = w.schema
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name AND c.relkind IN ('r', 'p')
"""
_LEAVES = """
SELECT t.oid::int8 AS table_oid, l.oid::int8 AS oid, n.nspname AS schema, l.relname AS name,
    l.relreplident::text AS identity
FROM pg_class t
    CROSS JOIN LATERAL (SELECT t.oid AS relid WHERE t.relkind = 'r'
        UNION SELECT p.relid FROM pg_partition_tree(t.oid) p WHERE p.isleaf AND t.relkind = 'p') AS leaf
    JOIN pg_class l ON l.oid = leaf.relid JOIN pg_namespace n ON n.oid = l.relnamespace
WHERE t.oid = ANY(%(oids)s::oid[])
"""


def read_watch(connection: Connection, *, slot: str, publication: str, tables: Sequence[TableName]) -> SourceWatch:
    """Read it all in one session."""
    found = next((each for each in read_slots(connection, slot) if each.name == slot), None)
    counted = fetch_all(connection, _COUNTERS, {"slot": slot})
    server = fetch_one(connection, _SERVER)
    decoding = fetch_all(connection, _DECODING, {"slot": slot})
    counters = None
    if counted:
        row = counted[0]
        counters = SlotCounters(str(row["since"]), int(row["transactions"]), int(row["size_bytes"]))
    return SourceWatch(
        system_identifier=server["system_identifier"],
        timeline=server["timeline"],
        current_lsn=Lsn.parse(server["current_lsn"]),
        slot=found,
        counters=counters,
        safe_wal_bytes=counted[0]["safe_wal_size"] if counted else None,
        tables=_read_tables(connection, publication, tables),
        decoding_at=Lsn.parse(decoding[0]["sent_lsn"]) if decoding else None,
    )


def _read_tables(
    connection: Connection, publication: str, tables: Sequence[TableName]
) -> Mapping[TableName, WatchedTable]:
    values = {
        "publication": publication,
        "schemas": [table.schema for table in tables],
        "names": [table.name for table in tables],
    }
    rows = fetch_all(connection, _TABLES, values)
    leaves: dict[int, list[WatchedLeaf]] = {}
    for leaf in fetch_all(connection, _LEAVES, {"oids": [row["oid"] for row in rows]}):
        found = WatchedLeaf(TableName(leaf["schema"], leaf["name"]), leaf["oid"], leaf["identity"])
        leaves.setdefault(leaf["table_oid"], []).append(found)
    return {
        TableName(row["schema"], row["name"]): WatchedTable(
            oid=row["oid"],
            is_published=row["is_published"],
            sent_as=row["sent_as"],
            leaves=tuple(leaves.get(row["oid"], ())),
        )
        for row in rows
    }
