"""Can every source table be read whole, and every change of it find its row?"""

from cdc_assets.dialects.postgres import quote, quote_table
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.preflight import Script
from cdc_assets.model.table import IndexDefinition, TableDefinition, TableMapping, TableName
from cdc_assets.planning.source_connector import unusable_key_columns
from cdc_assets.planning.target_plan import KINDS, left_out
from cdc_assets.stages.preflight.facts import SourceFacts
from cdc_assets.stages.preflight.findings import Findings

_SENDS_GENERATED = 180000


def check_tables(pipeline: Pipeline, source: SourceFacts, findings: Findings) -> None:
    """Add every check of the source tables: there, of a kind to be copied, readable, with a key, wholly logged."""
    for mapping in pipeline.tables:
        table = source.tables.get(mapping.source)
        if table is None:
            findings.fail(
                "table_exists",
                f"table {mapping.source} does not exist in {pipeline.source.database}",
                "correct `tables` (the bare name, as the database has it), or make the table",
                table=mapping.partition_key,
            )
        elif _check_kind(table, findings, captures=pipeline.mode.captures):
            _check_readable(table, source.server.role, findings)
            _check_key(mapping, table, findings, captures=pipeline.mode.captures)
            if pipeline.mode.captures:
                _check_identity(pipeline, table, source, findings)
                _check_case(table, findings)
                _check_generated(table, source.server.version, findings)
            _tell_left_out(mapping, table, findings)
    if pipeline.mode.captures:
        _check_parts(pipeline, source, findings)
    findings.pass_unless_found("table_exists", f"every table is there ({len(pipeline.tables)})")
    findings.pass_unless_found("table_kind", "every table is ordinary or partitioned")
    findings.pass_unless_found("table_readable", f"{source.server.role} sees every row of every table")
    findings.pass_unless_found("table_key", "every change can find its row")
    if pipeline.mode.captures:
        findings.pass_unless_found("table_replica_identity", "old rows are logged whole, or the product may set that")
        findings.pass_unless_found("table_columns", "no two columns of a table differ only by case")
        findings.pass_unless_found("table_ownership", "the publication may be made of every table")
        findings.pass_unless_found("table_generated_columns", "no column can be taken for another beside an enum")
        findings.pass_unless_found("table_virtual_columns", "no virtual generated column would break UPDATEs")


def _tell_left_out(mapping: TableMapping, table: TableDefinition, findings: Findings) -> None:
    """Not a fault: the source goes on enforcing what the copy must not."""
    sentences = left_out(table, mapping)
    if sentences:
        what = f"the copy of {table.name} is without {', '.join(sentences)}"
        findings.passed("table_left_out", what, table=table.name.name)


def _check_generated(table: TableDefinition, version: int, findings: Findings) -> None:
    """Debezium reads a table anew at an enum's value that it does not know, and then counts generated columns too.

    Before PostgreSQL 18 these are not sent, so every column behind one would get its neighbour's value. Of a domain
    over an enum it knows no value at all.
    """
    if version >= _SENDS_GENERATED:
        return
    enum = next((column for column in table.columns if column.type.base_category == "e"), None)
    generated = next((number for number, column in enumerate(table.columns) if column.generated), None)
    if enum is None or generated is None:
        return
    behind = next((column for column in table.columns[generated:] if not column.generated), None)
    if behind is not None:
        name = quote(table.columns[generated].name)
        findings.fail(
            "table_generated_columns",
            f"when enum {enum.type.base} gets a value, Debezium would read the columns of {table.name} behind "
            f"generated column {table.columns[generated].name}, such as {behind.name}, as others: PostgreSQL sends "
            "generated columns from 18 on only",
            f"make it the last column (ALTER TABLE {quote_table(table.name)} DROP COLUMN {name}, ADD COLUMN {name} ... "
            "GENERATED ALWAYS AS (...) STORED), or leave the table out",
            table=table.name.name,
            column=table.columns[generated].name,
        )


def _check_case(table: TableDefinition, findings: Findings) -> None:
    """Debezium fails, and with it the stream of every table here, on columns that it cannot tell apart."""
    by_folded: dict[str, str] = {}
    for column in table.columns:
        other = by_folded.setdefault(column.name.lower(), column.name)
        if other != column.name:
            what = f"columns {other} and {column.name} of {table.name} differ only by case, which Debezium refuses"
            fix = "rename one of them, or leave the table out"
            findings.fail("table_columns", what, fix, table=table.name.name, column=column.name)


def _check_parts(pipeline: Pipeline, source: SourceFacts, findings: Findings) -> None:
    """Refuse a partition beside its root: changes are sent under the root's name only, the part's copy stands still."""
    owner_of: dict[TableName, TableName] = {}
    chosen = [source.tables[mapping.source] for mapping in pipeline.tables if mapping.source in source.tables]
    for table in sorted(chosen, key=lambda each: (each.kind == "p", len(each.leaves)), reverse=True):
        for leaf in table.leaves:
            root = owner_of.setdefault(leaf.name, table.name)
            if root != table.name:
                what = f"{table.name} belongs to {root}, and changes of both are sent as changes of {root} only"
                fix = f"leave {table.name.name} out, or put it into a pipeline of its own"
                findings.fail("table_partition", what, fix, table=table.name.name)
                break
    findings.pass_unless_found("table_partition", "no table is a partition of another table here")


def _check_kind(table: TableDefinition, findings: Findings, *, captures: bool) -> bool:
    name = table.name.name
    if table.kind not in {"r", "p"}:
        what = f"{table.name} is {KINDS.get(table.kind, 'no table')}"
        findings.fail("table_kind", what, "name ordinary or partitioned tables only", table=name)
        return False
    if table.has_inheritance:
        what = f"{table.name} takes part in table inheritance: a read of it would mix the rows of several tables"
        findings.fail("table_kind", what, "use declarative partitioning, or leave the table out", table=name)
    if table.persistence == "f":
        what = f"{table.name} has a foreign table as partition, whose rows and changes are not this server's"
        findings.fail("table_kind", what, "detach that partition, or leave the table out", table=name)
    elif captures and table.persistence != "p":
        statement = f"ALTER TABLE {quote_table(table.name)} SET LOGGED;"
        what = f"{table.name} is not logged, so its changes cannot be captured"
        findings.fail(
            "table_kind", what, f"run as its owner: {statement}", table=name, scripts=(Script("source", statement),)
        )
    return True


def _check_readable(table: TableDefinition, role: str, findings: Findings) -> None:
    name = table.name.name
    if not table.is_selectable:
        listed = ", ".join(quote_table(part) for part in dict.fromkeys((table.name, *_leaf_names(table))))
        statement = f"GRANT SELECT ON TABLE {listed} TO {quote(role)};"
        findings.fail(
            "table_readable",
            f"{role} may not read {table.name}",
            f"run on the source as its owner: {statement}",
            table=name,
            scripts=(Script("source", statement),),
        )
    if table.has_row_security:
        findings.fail(
            "table_readable",
            f"row security on {table.name} hides rows from {role}, while the stream would send all",
            f"as an administrator: ALTER ROLE {quote(role)} BYPASSRLS; or leave the table out",
            table=name,
            scripts=(Script("source", f"ALTER ROLE {quote(role)} BYPASSRLS;"),),
        )


def _leaf_names(table: TableDefinition) -> tuple[TableName, ...]:
    return tuple(leaf.name for leaf in table.leaves)


def _check_key(mapping: TableMapping, table: TableDefinition, findings: Findings, *, captures: bool) -> None:
    name = table.name.name
    if table.primary_key:
        if mapping.key and set(mapping.key) != set(table.primary_key):
            what = f"{table.name} has a primary key ({', '.join(table.primary_key)}), and the file names another `key`"
            findings.fail("table_key", what, "remove `key` from the file", table=name)
        if captures and table.primary_key_deferrable:
            what = f"the primary key of {table.name} is deferrable: within a transaction two rows may share a key"
            findings.fail("table_key", what, "make the primary key NOT DEFERRABLE", table=name)
        return
    if mapping.key:
        _check_named_key(mapping, table, findings, captures=captures)
    elif captures:
        candidates = [index for index in table.indexes if is_usable_key(index)]
        if candidates:
            fix = f"add `key: [{', '.join(candidates[0].columns)}]` to the table in the file"
        else:
            fix = "add a primary key, or a unique index over NOT NULL columns and name them as `key`"
        what = f"{table.name} has no primary key: a change could not find its row"
        findings.fail("table_key", what, fix, table=name)


def _check_named_key(mapping: TableMapping, table: TableDefinition, findings: Findings, *, captures: bool) -> None:
    name, key = table.name.name, ", ".join(mapping.key)
    columns = {column.name: column for column in table.columns}
    unknown = [column for column in mapping.key if column not in columns]
    nullable = [column for column in mapping.key if column in columns and columns[column].nullable]
    unusable = unusable_key_columns(mapping.key)
    if unusable and captures:
        what = (
            f"`key` of {table.name} names {unusable[0]!r}: Debezium can take no space, colon, semicolon or comma there"
        )
        findings.fail("table_key", what, "rename the column, or make the key the primary key", table=name)
    if unknown:
        what = f"`key` of {table.name} names {unknown[0]}, which is no column of it"
        findings.fail("table_key", what, "correct `key`", table=name, column=unknown[0])
    elif nullable:
        what = f"`key` of {table.name} names {nullable[0]}, which may be NULL"
        fix = f"ALTER TABLE {quote_table(table.name)} ALTER COLUMN {quote(nullable[0])} SET NOT NULL;"
        findings.fail("table_key", what, fix, table=name, column=nullable[0], scripts=(Script("source", fix),))
    elif not any(is_usable_key(index) and set(index.columns) == set(mapping.key) for index in table.indexes):
        what = f"`key` ({key}) of {table.name} has no valid unique index that is neither partial nor deferrable"
        listed = ", ".join(quote(column) for column in mapping.key)
        fix = f"CREATE UNIQUE INDEX CONCURRENTLY ON {quote_table(table.name)} ({listed});"
        findings.fail("table_key", what, fix, table=name, scripts=(Script("source", fix),))


def is_usable_key(index: IndexDefinition) -> bool:
    """Whether an index proves that its columns name at most one row, at every moment."""
    return (
        index.is_unique
        and index.is_valid
        and index.all_not_null
        and bool(index.columns)
        and not index.is_partial
        and not index.is_deferrable
    )


def _check_identity(pipeline: Pipeline, table: TableDefinition, source: SourceFacts, findings: Findings) -> None:
    name = table.name.name
    role = source.server.role
    is_owner = table.is_owned_by_us or source.server.is_superuser
    virtual = [column.name for column in table.columns if column.generated == "virtual"]
    if virtual:
        # Measured on 18: with FULL identity every UPDATE by the owner then fails.
        what = f"{table.name}.{virtual[0]} is a virtual generated column: with REPLICA IDENTITY FULL UPDATEs would fail"
        fix = "make the column STORED, or leave the table out"
        findings.fail("table_virtual_columns", what, fix, table=name, column=virtual[0])
        return
    if not is_owner:
        scripts = tuple(
            Script("source", f"ALTER TABLE {quote_table(leaf.name)} REPLICA IDENTITY FULL;")
            for leaf in table.leaves
            if leaf.replica_identity != "f"
        )
        if scripts:
            what = f"{table.name} does not log old rows whole (REPLICA IDENTITY FULL), and {role} does not own it"
            fix = f"run on the source as its owner: {' '.join(script.sql for script in scripts)}"
            findings.fail("table_replica_identity", what, fix, table=name, scripts=scripts)
        if pipeline.publication is None:
            what = f"{role} does not own {table.name}, and only an owner can put a table into a publication"
            fix = f"make {role} a member of role {table.owner}, or name a publication of the owner in the file"
            findings.fail("table_ownership", what, fix, table=name)
