"""Mode `cdc_only`: can target tables that somebody made and filled take every change as it comes?

What the product makes itself has no trigger, no row security and no foreign key; what others made may have.
"""

from cdc_assets.dialects.postgres import quote
from cdc_assets.dialects.target_statements import disable_triggers, drop_constraints, grant_write
from cdc_assets.model.pipeline import Pipeline, Product
from cdc_assets.model.preflight import Script
from cdc_assets.model.table import TableDefinition
from cdc_assets.stages.preflight.facts import TargetFacts
from cdc_assets.stages.preflight.findings import Findings


def check_taken_over(pipeline: Pipeline, target: TargetFacts, findings: Findings) -> None:
    """Add what would hide changes, refuse them or alter them on their way into the tables."""
    product = pipeline.target.connection.kind
    for mapping in pipeline.tables:
        table = target.tables.get(mapping.target)
        if table is not None:
            _check_access(product, table, target.server.role, mapping.partition_key, findings)
            _check_company(product, table, mapping.partition_key, findings)
    findings.pass_unless_found("target_row_security", f"{target.server.role} sees every row of the target tables")
    findings.pass_unless_found("target_write", f"{target.server.role} may write the target tables")
    findings.pass_unless_found("target_triggers", "no trigger and no foreign key meets the changes in the target")


def _check_access(product: Product, table: TableDefinition, role: str, source_table: str, findings: Findings) -> None:
    if table.has_row_security:
        # A DELETE or UPDATE of a hidden row finds nothing, and says nothing.
        what = f"row security on target table {table.name} hides rows from {role}: changes of them would be lost"
        statement = f"ALTER ROLE {quote(role)} BYPASSRLS;"
        fix = f"run on the target as an administrator: {statement}"
        findings.fail("target_row_security", what, fix, table=source_table, scripts=(Script("target", statement),))
    if not (table.is_selectable and table.is_writable):
        what = f"{role} may not write target table {table.name}"
        statement = grant_write(product, table.name, role)
        fix = f"run on the target as its owner: {statement}"
        findings.fail("target_write", what, fix, table=source_table, scripts=(Script("target", statement),))


def _check_company(product: Product, table: TableDefinition, source_table: str, findings: Findings) -> None:
    if table.triggers:
        listed = ", ".join(table.triggers)
        what = f"trigger {listed} of target table {table.name} fires for every change, and may alter or refuse it"
        fix = f"{disable_triggers(product, table.name)} unless this is what you want"
        findings.warn("target_triggers", what, fix, table=source_table)
    if table.foreign_keys:
        listed = ", ".join(table.foreign_keys)
        what = (
            f"foreign key {listed} of target table {table.name}: tables arrive each for itself, and a row that comes "
            "before the one it names is refused"
        )
        statements = drop_constraints(product, table.name, table.foreign_keys)
        findings.warn("target_triggers", what, statements, table=source_table)
