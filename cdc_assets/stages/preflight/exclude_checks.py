"""Can the columns that a file excludes be left out, and does the copy still hold together without them?

The publication always sends whole rows: a column list there would make the owner's UPDATEs fail when it left out a
column of the replica identity. The source connector leaves the columns out.
"""

from collections.abc import Mapping

from cdc_assets.dialects.postgres import names_column
from cdc_assets.model.table import TableDefinition, TableMapping
from cdc_assets.planning.source_connector import leaves_out
from cdc_assets.stages.preflight.facts import (
    ConnectFacts,
    PreflightFacts,
    SourceFacts,
    TargetFacts,
    loaded_tables,
)
from cdc_assets.stages.preflight.findings import Findings

_CHECK = "columns_excluded"


def check_excluded(facts: PreflightFacts, source: SourceFacts, findings: Findings) -> None:
    """Add a finding for every excluded column that is unknown, part of the key, or needed by a column that stays.

    And for one that was excluded, or was not, when its table was loaded: half of its values would be of then.
    """
    pipeline, loaded = facts.pipeline, loaded_tables(facts.record)
    config = facts.connect.source_config if isinstance(facts.connect, ConnectFacts) else None
    for mapping in pipeline.tables:
        table = source.tables.get(mapping.source)
        if table is None:
            continue
        _check_table(mapping, table, findings)
        if config is not None and mapping.partition_key in loaded:
            _check_changed(facts, mapping, table, config, findings)
    excluded = sum(len(mapping.excluded) for mapping in pipeline.tables)
    findings.pass_unless_found(_CHECK, f"{excluded} columns are left out, and nothing that stays needs them")


def _check_changed(
    facts: PreflightFacts, mapping: TableMapping, table: TableDefinition, config: Mapping[str, str], findings: Findings
) -> None:
    copy = facts.target.tables.get(mapping.target) if isinstance(facts.target, TargetFacts) else None
    loaded = {column.name for column in copy.columns} if copy is not None else set()
    for column in table.columns:
        is_excluded = column.name in mapping.excluded
        if column.generated or is_excluded is leaves_out(config, table.name, column.name):
            continue
        if not is_excluded:
            what = f"no longer names {column.name}, but the rows of {table.name} were loaded without it"
            undo = "put it back into the list"
        elif column.name in loaded:
            what = f"names {column.name}, which was loaded: its values in the target would stand still"
            undo = "take it out of the list again"
        else:
            # Added to the source since.
            continue
        findings.fail(
            _CHECK,
            f"`columns.exclude` of {table.name} {what}",
            f"{undo}, or have everything loaded anew: ./cdc drop {facts.pipeline.name} --drop-target and start it",
            table=mapping.partition_key,
            column=column.name,
        )


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
