"""Is the source a server, and our role one, from which changes can be captured without loss?"""

import re

from cdc_assets.dialects.postgres import quote, quote_table
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.preflight import Script
from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.table import TableDefinition
from cdc_assets.ports.source import Publication, SourceServer
from cdc_assets.stages.preflight.facts import PreflightFacts, SourceFacts, loaded_tables
from cdc_assets.stages.preflight.findings import Findings
from cdc_assets.stages.preflight.server_checks import (
    check_minor_version,
    check_pooler,
    check_session_limits,
    check_version,
)

_GENERATED_IN_PUBLICATION = 180000
_SHORTEST_SENDER_TIMEOUT_SECONDS = 20
# The keepers of the load's snapshot.
_SNAPSHOT_SESSIONS = 2
_CONNECTOR_SESSIONS = 3
_OPERATIONS = frozenset({"insert", "update", "delete", "truncate"})


def check_source(facts: PreflightFacts, source: SourceFacts, findings: Findings) -> None:
    """Add every check of the source server, our role there, the slots and the publication."""
    pipeline, server = facts.pipeline, source.server
    findings.passed("source_login", f"logged in to {pipeline.source} as {server.role}")
    check_version("source", server.version, findings)
    check_pooler("source", pipeline.source.connection.name, findings, is_pooled=server.is_pooled)
    check_session_limits(pipeline, "source", server, findings)
    _check_connections(facts, source, findings)
    _check_schema(pipeline, source, findings)
    if pipeline.mode.captures:
        check_minor_version(server.version, findings)
        _check_capture(server, findings)
        _check_slots(facts.record, source, findings)
        _check_slot_keeping(server, findings)
        _check_role(pipeline, server, findings)
        _check_publication(pipeline, source, findings)
    _check_orphans(pipeline, facts.record, source, findings)


def _check_schema(pipeline: Pipeline, source: SourceFacts, findings: Findings) -> None:
    schema, role = pipeline.source.schema, source.server.role
    if not source.has_schema_usage:
        findings.fail(
            "source_schema",
            f"schema {schema} does not exist in {pipeline.source.database}, or {role} may not use it",
            f"correct source.schema, or: GRANT USAGE ON SCHEMA {quote(schema)} TO {quote(role)};",
            scripts=(Script("source", f"GRANT USAGE ON SCHEMA {quote(schema)} TO {quote(role)};"),),
        )
    findings.pass_unless_found("source_schema", f"{role} may use schema {schema}")


def _check_capture(server: SourceServer, findings: Findings) -> None:
    if server.is_standby:
        what = "the source is a standby, on which neither a publication nor a marker can be written"
        findings.fail("source_primary", what, "name the primary server in the connection")
    findings.pass_unless_found("source_primary", "the source is a primary")
    if server.wal_level != "logical":
        what = f"wal_level is {server.wal_level}: the server's log holds too little to capture changes from"
        statement = "ALTER SYSTEM SET wal_level = logical;"
        fix = f"{statement} and restart the source server"
        findings.fail("source_wal_level", what, fix, scripts=(Script("source", f"{statement} -- then restart it"),))
    findings.pass_unless_found("source_wal_level", "wal_level is logical")


def _check_slots(record: PipelineRecord | None, source: SourceFacts, findings: Findings) -> None:
    server = source.server
    ours = next((slot for slot in source.slots if record is not None and slot.name == record.slot_name), None)
    free_slots = server.max_replication_slots - server.used_replication_slots
    if ours is None and free_slots < 1:
        findings.fail(
            "source_slots",
            f"all {server.max_replication_slots} replication slots of the source are in use",
            "drop a slot nobody needs, or raise max_replication_slots and restart the source server",
        )
    findings.pass_unless_found(
        "source_slots", f"{free_slots} of {server.max_replication_slots} replication slots are free"
    )
    free_senders = server.max_wal_senders - server.used_wal_senders
    if (ours is None or not ours.is_active) and free_senders < 1:
        findings.fail(
            "source_walsenders",
            f"all {server.max_wal_senders} walsenders of the source are in use",
            "raise max_wal_senders and restart the source server",
        )
    findings.pass_unless_found("source_walsenders", f"{free_senders} of {server.max_wal_senders} walsenders are free")


def _check_slot_keeping(server: SourceServer, findings: Findings) -> None:
    """Tell what becomes of the slot, and of the source's disk, while nobody reads it: in a pause, in a long load."""
    if server.slot_wal_limit_mb is not None:
        what = (
            f"max_slot_wal_keep_size is {server.slot_wal_limit_mb} MB: a slot that falls further behind, in a long "
            "load, a pause or while the target is away, is lost, and every table has to be loaded again"
        )
        fix = "ALTER SYSTEM SET max_slot_wal_keep_size = -1; and watch the disk, or as much as the longest pause needs"
        findings.warn("source_slot_keeping", what, fix)
    if server.idle_slot_timeout_seconds:
        what = (
            f"idle_replication_slot_timeout is {server.idle_slot_timeout_seconds} s: the slot of a pipeline that is "
            "stopped longer than that is lost, and every table has to be loaded again"
        )
        findings.warn("source_slot_keeping", what, "ALTER SYSTEM SET idle_replication_slot_timeout = 0;")
    if 0 < server.wal_sender_timeout_seconds < _SHORTEST_SENDER_TIMEOUT_SECONDS:
        what = (
            f"wal_sender_timeout is {server.wal_sender_timeout_seconds:g} s: the connector answers every 10 s and is "
            "cut off between"
        )
        findings.warn("source_slot_keeping", what, "ALTER SYSTEM SET wal_sender_timeout = '60s';")
    now = "" if server.wal_mb is None else f" ({server.wal_mb} MB of WAL are on its disk now)"
    findings.pass_unless_found(
        "source_slot_keeping",
        f"the slot is kept however far behind it is: the source's disk must hold the WAL of the longest pause{now}",
    )


def _check_connections(facts: PreflightFacts, source: SourceFacts, findings: Findings) -> None:
    pipeline, server, loaded = facts.pipeline, source.server, loaded_tables(facts.record)
    if server.free_connections is None:
        return
    needed = 1
    if any(mapping.partition_key not in loaded for mapping in pipeline.tables) and pipeline.mode.loads:
        needed += _SNAPSHOT_SESSIONS + pipeline.options.load_streams
    is_connected = any(
        slot.is_active for slot in source.slots if facts.record is not None and slot.name == facts.record.slot_name
    )
    if pipeline.mode.captures and not is_connected:
        needed += _CONNECTOR_SESSIONS
    if server.free_connections < needed:
        findings.fail(
            "source_connections",
            f"the load and the connector need {needed} connections of the source, and {server.role} may open "
            f"{server.free_connections} more",
            "raise max_connections, or the CONNECTION LIMIT of the role or the database, or lower load_streams",
        )
    findings.pass_unless_found("source_connections", f"{needed} connections are needed, more are free")


def _check_role(pipeline: Pipeline, server: SourceServer, findings: Findings) -> None:
    role = server.role
    if not (server.may_replicate or server.is_superuser):
        statement = f"ALTER ROLE {quote(role)} REPLICATION;"
        findings.fail(
            "source_replication",
            f"{role} may not replicate",
            f"run on the source as an administrator: {statement}",
            scripts=(Script("source", statement),),
        )
    findings.pass_unless_found("source_replication", f"{role} may replicate")
    if pipeline.publication is None and not (server.may_create_in_database or server.is_superuser):
        statement = f"GRANT CREATE ON DATABASE {quote(pipeline.source.database)} TO {quote(role)};"
        findings.fail(
            "source_create",
            f"{role} may not make a publication in database {pipeline.source.database}",
            f"run on the source as the database's owner: {statement} or name an owner's publication in the file",
            scripts=(Script("source", statement),),
        )
    findings.pass_unless_found("source_create", f"{role} may make the publication, or is given one")


def _check_publication(pipeline: Pipeline, source: SourceFacts, findings: Findings) -> None:
    if pipeline.publication is None:
        return
    found = source.publication
    tables = [source.tables[mapping.source] for mapping in pipeline.tables if mapping.source in source.tables]
    if found is None:
        statement = publication_statement(pipeline.publication, tables, source.server.version)
        findings.fail(
            "source_publication",
            f"there is no publication {pipeline.publication}",
            f"run on the source as the tables' owner: {statement}",
            scripts=(Script("source", statement),),
        )
    else:
        _check_owners_publication(found, tables, source.server.version, findings)
    findings.pass_unless_found("source_publication", f"publication {pipeline.publication} sends every table")


def _check_owners_publication(
    found: Publication, tables: list[TableDefinition], version: int, findings: Findings
) -> None:
    name = quote(found.name)
    for table in tables:
        if table.name not in found.tables:
            _publication_fault(
                findings,
                f"publication {found.name} does not send {table.name}",
                f"ALTER PUBLICATION {name} ADD TABLE {quote_table(table.name)};",
                table=table.name.name,
            )
        _check_published_whole(found, table, findings)
    missing = _OPERATIONS - found.operations
    if missing:
        _publication_fault(
            findings,
            f"publication {found.name} does not send {', '.join(sorted(missing))}",
            f"ALTER PUBLICATION {name} SET (publish = 'insert, update, delete, truncate');",
        )
    if not found.via_root and any(table.kind == "p" for table in tables):
        _publication_fault(
            findings,
            f"publication {found.name} sends partitions under their own names",
            f"ALTER PUBLICATION {name} SET (publish_via_partition_root = true);",
        )
    if needs_generated(tables, version) and not found.publishes_generated:
        # Measured on 18: with FULL identity the owner's own UPDATE fails otherwise.
        _publication_fault(
            findings,
            f"publication {found.name} leaves out stored generated columns, which makes UPDATEs on the source fail",
            f"ALTER PUBLICATION {name} SET (publish_generated_columns = stored);",
        )


def _check_published_whole(found: Publication, table: TableDefinition, findings: Findings) -> None:
    """A condition on rows or a list of columns would leave changes out without a word."""
    name, table_name = quote(found.name), quote_table(table.name)
    if table.name in found.filtered:
        _publication_fault(
            findings,
            f"publication {found.name} sends only the rows of {table.name} that meet its WHERE condition",
            f"ALTER PUBLICATION {name} DROP TABLE {table_name}; ALTER PUBLICATION {name} ADD TABLE {table_name};",
            table=table.name.name,
        )
    sent = found.columns.get(table.name)
    # Those that the file excludes as well: the old row is logged whole, and UPDATEs of an unsent part of it fail.
    own = [column.name for column in table.columns if not column.generated]
    missing = [] if sent is None else [name for name in own if name not in sent]
    if missing:
        # Left out here, a column of the replica identity makes the owner's UPDATE fail as well.
        _publication_fault(
            findings,
            f"publication {found.name} does not send column {', '.join(missing)} of {table.name}",
            f"ALTER PUBLICATION {name} DROP TABLE {table_name}; ALTER PUBLICATION {name} ADD TABLE {table_name};",
            table=table.name.name,
        )


def _publication_fault(findings: Findings, what: str, statement: str, *, table: str | None = None) -> None:
    fix = f"run on the source as the publication's owner: {statement}"
    findings.fail("source_publication", what, fix, table=table, scripts=(Script("source", statement),))


def needs_generated(tables: list[TableDefinition], version: int) -> bool:
    """Whether a publication of these tables has to send stored generated columns."""
    return version >= _GENERATED_IN_PUBLICATION and any(
        column.generated == "stored" for table in tables for column in table.columns
    )


def publication_statement(name: str, tables: list[TableDefinition], version: int) -> str:
    """Write the statement an owner runs to make the publication of these tables."""
    options = "publish_via_partition_root = true"
    if needs_generated(tables, version):
        options += ", publish_generated_columns = stored"
    listed = ", ".join(quote_table(table.name) for table in tables)
    what = f" FOR TABLE {listed}" if listed else ""
    return f"CREATE PUBLICATION {quote(name)}{what} WITH ({options});"


def _check_orphans(pipeline: Pipeline, record: PipelineRecord | None, source: SourceFacts, findings: Findings) -> None:
    ours = re.compile(rf"cdc_{re.escape(pipeline.name)}_\d+_[0-9a-f]{{6}}")
    current = record.slot_name if record is not None else None
    for slot in source.slots:
        if ours.fullmatch(slot.name) and slot.name != current:
            findings.warn(
                "source_orphan_slot",
                f"slot {slot.name} has this pipeline's name but is not its slot: it keeps WAL on the source for ever",
                "when no other installation uses it, run on the source: "
                f"SELECT pg_drop_replication_slot('{slot.name}');",
            )
    findings.pass_unless_found("source_orphan_slot", "no slot of an earlier life of this pipeline is left")
