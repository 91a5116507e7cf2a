"""Does every value of every copied column arrive as it is? What cannot is refused by name, or accepted by name."""

from cdc_assets.model.pipeline import Pipeline
from cdc_assets.stages.preflight.facts import Carriage, ColumnFact, SourceFacts
from cdc_assets.stages.preflight.findings import Findings

_CHECK = "column_type"


def check_types(pipeline: Pipeline, source: SourceFacts, findings: Findings) -> None:
    """Add a finding for every column whose type or values cannot be carried exactly."""
    accepted = frozenset(pipeline.options.accept_inexact)
    for fact in source.columns:
        if fact.carriage is not Carriage.EXACT:
            _judge(fact, findings, is_accepted=f"{fact.table.name}.{fact.column}" in accepted)
    _check_accepted(pipeline, source, findings)
    findings.pass_unless_found(_CHECK, f"all {len(source.columns)} columns are carried exactly")


def _judge(fact: ColumnFact, findings: Findings, *, is_accepted: bool) -> None:
    table, name = fact.table.name, f"{fact.table.name}.{fact.column}"
    what = f"{name} is {fact.type}: {fact.reason}"
    if fact.carriage is Carriage.REFUSED:
        findings.fail(_CHECK, what, fact.remedy, table=table, column=fact.column)
    elif is_accepted:
        findings.warn(_CHECK, f"{what} (accepted)", fact.remedy, table=table, column=fact.column)
    elif fact.inexact_rows:
        fix = f"{fact.remedy}, or add {name} to options.accept_inexact"
        findings.fail(
            _CHECK, f"{what}; {fact.inexact_rows} rows hold such a value", fix, table=table, column=fact.column
        )
    else:
        findings.warn(_CHECK, f"{what}; no row holds one now", fact.remedy, table=table, column=fact.column)


def _check_accepted(pipeline: Pipeline, source: SourceFacts, findings: Findings) -> None:
    for entry in pipeline.options.accept_inexact:
        mapping = next((each for each in pipeline.tables if entry.startswith(f"{each.source.name}.")), None)
        table = source.tables.get(mapping.source) if mapping is not None else None
        if mapping is None or table is None:
            continue
        column = entry.removeprefix(f"{mapping.source.name}.")
        if column not in {each.name for each in table.columns}:
            what = f"options.accept_inexact names {entry}, which is no column of {mapping.source}"
            findings.fail(_CHECK, what, "correct or remove the entry", table=mapping.partition_key, column=column)
