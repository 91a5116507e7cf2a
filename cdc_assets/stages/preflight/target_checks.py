"""May we write the target, and can every target table be made or taken up? `prepare` decides, this tells before."""

from collections.abc import Iterator

from cdc_assets.dialects.postgres import quote
from cdc_assets.dialects.target_statements import grant_create, make_schema
from cdc_assets.model.pipeline import Endpoint, Pipeline
from cdc_assets.model.preflight import Script
from cdc_assets.model.status import TableState
from cdc_assets.model.table import ColumnDefinition, TableMapping, TableName
from cdc_assets.planning.sink_connector import unusable_target_names
from cdc_assets.planning.slot_check import RELOAD_TABLE_FIX
from cdc_assets.stages.preflight.facts import PreflightFacts, SourceFacts, TargetFacts, loaded_tables
from cdc_assets.stages.preflight.findings import Findings
from cdc_assets.stages.preflight.server_checks import check_pooler, check_session_limits, check_version
from cdc_assets.stages.preflight.sqlserver_checks import check_sqlserver
from cdc_assets.stages.preflight.taken_over_checks import check_taken_over

_MOST_SINKS = 100
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_CONNECTED = frozenset({TableState.CATCHING_UP, TableState.STREAMING})
Place = tuple[str, int, str, TableName]


def check_target(facts: PreflightFacts, target: TargetFacts, findings: Findings) -> None:
    """Add every check of the target server, our role there, its tables and its free connections."""
    pipeline, server = facts.pipeline, target.server
    findings.passed("target_login", f"logged in to {pipeline.target} as {server.role}")
    if pipeline.target.connection.kind == "sqlserver":
        check_sqlserver(pipeline, server, findings)
    else:
        check_version("target", server.version, findings)
    check_pooler("target", pipeline.target.connection.name, findings, is_pooled=server.is_pooled)
    check_session_limits(pipeline, "target", server, findings)
    if server.is_standby:
        findings.fail("target_primary", "the target is a standby and takes no writes", "name its primary server")
    elif server.is_read_only:
        what = f"default_transaction_read_only is on for {server.role}: the target takes no writes"
        statement = f"ALTER ROLE {quote(server.role)} SET default_transaction_read_only = off;"
        findings.fail("target_primary", what, f"run on the target as an administrator: {statement}")
    findings.pass_unless_found("target_primary", "the target takes writes")
    _check_rights(pipeline, target, findings)
    for mapping in pipeline.tables:
        _check_table(facts, target, mapping, findings)
    _check_names(facts, findings)
    findings.pass_unless_found("target_table", "every target table can be made or taken up")
    if not pipeline.mode.loads:
        check_taken_over(pipeline, target, findings)
    if pipeline.mode.captures:
        _check_connections(facts, target, findings)


def _check_rights(pipeline: Pipeline, target: TargetFacts, findings: Findings) -> None:
    schema, role, product = pipeline.target.schema, target.server.role, pipeline.target.connection.kind
    if target.has_schema and not target.may_create_in:
        what = f"{role} may not make tables in schema {schema} of {pipeline.target.database}"
        statement = grant_create(product, schema, role)
    elif not target.has_schema and not target.server.may_create_schema:
        what = f"schema {schema} does not exist in {pipeline.target.database}, and {role} may not make it"
        statement = make_schema(product, schema, role)
    else:
        findings.passed("target_create", f"{role} may make what is missing in schema {schema}")
        return
    fix = f"run on the target as an administrator: {statement}"
    findings.fail("target_create", what, fix, scripts=(Script("target", statement),))


def _check_table(facts: PreflightFacts, target: TargetFacts, mapping: TableMapping, findings: Findings) -> None:
    table = mapping.partition_key
    refusal = target.refused.get(table)
    if refusal is not None:
        # What is wrong with the source table was said already, in other words.
        if not findings.has_failed_table(table):
            findings.fail("target_table", refusal.message, refusal.hint, table=table)
    elif table in target.replaced:
        what = f"target table {mapping.target} holds rows and will be dropped and made again"
        findings.warn("target_table", what, "set if_target_not_empty: fail to keep it", table=table)
    elif table in loaded_tables(facts.record) and facts.record is not None:
        found, recorded = target.tables.get(mapping.target), facts.record.table(table)
        if found is None or found.oid != recorded.target_oid:
            # The others may flow: the run records this table as RESYNC_REQUIRED.
            what = f"target table {mapping.target} was dropped or made anew by someone: {table} has to be loaded again"
            findings.warn("target_table", what, RELOAD_TABLE_FIX, table=table)


def _check_names(facts: PreflightFacts, findings: Findings) -> None:
    """Refuse names that the sink connector would write as others."""
    if not facts.pipeline.mode.captures:
        return
    for mapping in facts.pipeline.tables:
        table = mapping.partition_key
        for name in unusable_target_names((mapping.target.schema, mapping.target.name)):
            what = f"the sink connector cannot write to a table {name!r}: no quotation mark and no ${{ may be in it"
            findings.fail("target_names", what, "name another target table or schema", table=table)
        columns = [column.name for column in _source_columns(facts, mapping)]
        for name in unusable_target_names(columns):
            what = f"the sink connector cannot write column {name!r}: no quotation mark and no ${{ may be in its name"
            findings.fail("target_names", what, "rename the column, or leave the table out", table=table, column=name)
    findings.pass_unless_found("target_names", "the sink connectors can write every table and column")


def _source_columns(facts: PreflightFacts, mapping: TableMapping) -> tuple[ColumnDefinition, ...]:
    table = facts.source.tables.get(mapping.source) if isinstance(facts.source, SourceFacts) else None
    return () if table is None else table.columns


def _check_connections(facts: PreflightFacts, target: TargetFacts, findings: Findings) -> None:
    server = target.server
    tables = facts.record.tables if facts.record is not None else ()
    # The sinks of a pipeline that runs are among the connections in use.
    ours = sum(table.state in _CONNECTED for table in tables)
    unused = server.max_connections - server.used_connections
    free = (unused if server.free_connections is None else server.free_connections) + ours
    allowed = min(_MOST_SINKS, free // 2)
    needed = len(facts.pipeline.tables)
    if needed > allowed:
        findings.fail(
            "target_connections",
            f"{needed} tables need {needed} connections of the target, but only {allowed} may be taken: half of the "
            f"{free} that {server.role} may still open of {server.max_connections}, at most {_MOST_SINKS}",
            "raise max_connections on the target, or the CONNECTION LIMIT of the role or the database, or split the "
            f"file into pipelines of at most {allowed} tables",
        )
    findings.pass_unless_found("target_connections", f"one connection a table ({needed}), {free} are free")


def check_places(facts: PreflightFacts, findings: Findings) -> None:
    """Add the checks of where the tables are: none is its own target, no target has two pipelines."""
    pipeline = facts.pipeline
    taken = {place: other.name for other in facts.others for place in _target_places(other)}
    for mapping in pipeline.tables:
        place = _place(pipeline.target, mapping.target)
        if place == _place(pipeline.source, mapping.source) or _is_same_table(facts, mapping):
            what = f"table {mapping.source} would be its own target"
            fix = "name another schema or table as target"
            findings.fail("target_is_source", what, fix, table=mapping.partition_key)
        if place in taken:
            what = f"target table {mapping.target} is also written by pipeline {taken[place]}"
            fix = f"name another target table here or in pipeline {taken[place]}"
            findings.fail("target_shared", what, fix, table=mapping.partition_key)
    findings.pass_unless_found("target_is_source", "no table is its own target")
    findings.pass_unless_found("target_shared", "no other pipeline writes these target tables")


def _is_same_table(facts: PreflightFacts, mapping: TableMapping) -> bool:
    """Whether both names lead to one table, though the two connections name the server in different ways."""
    source, target = facts.source, facts.target
    if not isinstance(source, SourceFacts) or not isinstance(target, TargetFacts):
        return False
    here, there = source.tables.get(mapping.source), target.tables.get(mapping.target)
    return (
        here is not None
        and there is not None
        and (here.oid, here.name) == (there.oid, there.name)
        and source.server.system_identifier == target.server.system_identifier
        and facts.pipeline.source.database == facts.pipeline.target.database
    )


def _target_places(pipeline: Pipeline) -> Iterator[Place]:
    return (_place(pipeline.target, mapping.target) for mapping in pipeline.tables)


def _place(endpoint: Endpoint, table: TableName) -> Place:
    host = endpoint.connection.host.lower()
    return ("localhost" if host in _LOOPBACK else host, endpoint.connection.port, endpoint.database, table)
