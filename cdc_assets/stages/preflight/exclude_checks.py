"""Can the columns that a file excludes be left out, and does the copy still hold together without them?

The publication always sends whole rows: a column list there would make the owner's UPDATEs fail when it left out a
column of the replica identity. The source connector leaves the columns out.
"""

from cdc_assets.dialects.postgres import names_column
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.table import TableDefinition, TableMapping
from cdc_assets.stages.preflight.facts import SourceFacts
from cdc_assets.stages.preflight.findings import Findings

_CHECK = "columns_excluded"


def check_excluded(pipeline: Pipeline, source: SourceFacts, findings: Findings) -> None:
    """Add a finding for every excluded column that is unknown, part of the key, or needed by a column that stays."""
    for mapping in pipeline.tables:
        table = source.tables.get(mapping.source)
        if table is not None:
            _check_table(mapping, table, findings)
    excluded = sum(len(mapping.excluded) for mapping in pipeline.tables)
    findings.pass_unless_found(_CHECK, f"{excluded} columns are left out, and nothing that stays needs them")


def _check_table(mapping: TableMapping, table: TableDefinition, findings: Findings) -> None:
    known = {column.name for column in table.columns}
    key = table.key(mapping)
    for name in mapping.excluded:
        if name not in known:
            findings.fail(
                _CHECK,
                f"`columns.exclude` of {table.name} names {name}, which is no column of it",
                "correct or remove the entry",
                table=mapping.partition_key,
                column=name,
            )
        elif name in key:
            findings.fail(
                _CHECK,
                f"`columns.exclude` of {table.name} names {name}, which is part of its key",
                "take it out of the list: without the key a change cannot find its row",
                table=mapping.partition_key,
                column=name,
            )
    for column in table.kept_columns(mapping):
        needed = [name for name in mapping.excluded if column.generated and names_column(column.default or "", name)]
        if needed:
            findings.fail(
                _CHECK,
                f"generated column {column.name} of {table.name} is computed from {needed[0]}, which is excluded",
                f"exclude {column.name} as well, or keep {needed[0]}",
                table=mapping.partition_key,
                column=column.name,
            )
