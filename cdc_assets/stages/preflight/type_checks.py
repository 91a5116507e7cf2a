"""Does every value of every copied column arrive as it is? What cannot is refused by name, or accepted by name."""

from collections.abc import Mapping
from dataclasses import replace

from cdc_assets.dialects.postgres import quote_table
from cdc_assets.dialects.type_registry import Verdict, judge
from cdc_assets.model.pipeline import Pipeline
from cdc_assets.model.record import PipelineRecord
from cdc_assets.model.table import TableDefinition, TableName
from cdc_assets.ports.source import SourceDatabase
from cdc_assets.stages.preflight.facts import ColumnFact, SourceFacts, loaded_tables
from cdc_assets.stages.preflight.findings import Findings

_CHECK = "column_type"
_SHOWN = 3


def read_columns(
    pipeline: Pipeline,
    source: SourceDatabase,
    tables: Mapping[TableName, TableDefinition],
    record: PipelineRecord | None,
    *,
    has_converter: bool = True,
) -> tuple[ColumnFact, ...]:
    """Ask the registry about every copied column, and the source how many rows hold values that would not arrive.

    `has_converter`: Kafka Connect can send columns as text.
    Reads a table that has such columns once; not one whose rows were loaded already, and only what is not accepted.
    """
    loaded = loaded_tables(record)
    facts: list[ColumnFact] = []
    for mapping in pipeline.tables:
        table = tables.get(mapping.source)
        if table is None or table.kind not in {"r", "p"}:
            continue
        judged = [
            ColumnFact(
                table.name,
                column,
                judge(
                    column,
                    target_schema=pipeline.target.schema,
                    captured=pipeline.mode.captures,
                    is_key=column.name in table.key(mapping),
                    has_converter=has_converter,
                    product=pipeline.target.connection.kind,
                ),
            )
            for column in table.copied_columns(mapping)
        ]
        is_readable = table.is_selectable and not table.has_row_security
        if is_readable and mapping.partition_key not in loaded:
            judged = _with_counts(pipeline, source, table.name, judged)
        facts.extend(judged)
    return tuple(facts)


def _with_counts(
    pipeline: Pipeline, source: SourceDatabase, table: TableName, facts: list[ColumnFact]
) -> list[ColumnFact]:
    conditions = {
        fact.column.name: fact.verdict.inexact_condition
        for fact in facts
        if fact.verdict.inexact_condition is not None and fact.name not in pipeline.options.accept_inexact
    }
    if not conditions:
        return facts
    counts = source.count_inexact(table, conditions)
    return [
        replace(fact, inexact_rows=counts.get(fact.column.name, 0), is_counted=fact.column.name in counts)
        for fact in facts
    ]


def check_types(pipeline: Pipeline, source: SourceFacts, findings: Findings) -> None:
    """Add a finding for every column whose type or values cannot be carried exactly."""
    accepted = frozenset(pipeline.options.accept_inexact)
    only_now: list[ColumnFact] = []
    for fact in source.columns:
        what = f"{fact.name} is {fact.column.type.formatted}"
        table, column = fact.table.name, fact.column.name
        match fact.verdict.verdict:
            case Verdict.EXACT:
                continue
            case Verdict.REFUSED:
                what = f"{what}, which cannot be carried exactly: {fact.verdict.reason}"
                findings.fail(_CHECK, what, fact.verdict.remedy, table=table, column=column)
            case Verdict.EXACT_IF_VALUES if fact.name in accepted:
                fate = "stop the load or the sink" if fact.verdict.stops_sink else "arrive as something else"
                what = f"{what}: {fact.verdict.inexact_values} {fate}, which the file accepts"
                findings.warn(
                    _CHECK,
                    what,
                    f"remove {fact.name} from options.accept_inexact to refuse them",
                    table=table,
                    column=column,
                )
            case Verdict.EXACT_IF_VALUES if fact.inexact_rows:
                rows = "1 row holds one" if fact.inexact_rows == 1 else f"{fact.inexact_rows} rows hold one"
                what = f"{what}: {fact.verdict.inexact_values} {_fate(fact)}, and {rows} ({_cost(fact, source)})"
                findings.fail(_CHECK, what, fact.verdict.remedy, table=table, column=column)
            case Verdict.EXACT_IF_VALUES:
                only_now.append(fact)
    _warn_of_later_values(only_now, source, findings)
    _check_accepted(pipeline, source, findings)
    findings.pass_unless_found(_CHECK, f"all {len(source.columns)} columns are carried exactly")


def _warn_of_later_values(facts: list[ColumnFact], source: SourceFacts, findings: Findings) -> None:
    """Tell once for all columns: a warning a column would hide the others."""
    by_values: dict[tuple[str, str, bool], list[ColumnFact]] = {}
    for fact in facts:
        by_values.setdefault((fact.verdict.inexact_values, _fate(fact), fact.is_counted), []).append(fact)
    for (values, fate, is_counted), found in by_values.items():
        names = ", ".join(fact.name for fact in found)
        costs = "; ".join(dict.fromkeys(_cost(fact, source) for fact in found))
        now = f"no row holds one now in {names} ({costs})" if is_counted else f"rows were not looked at in {names}"
        findings.warn(
            _CHECK,
            f"{values} {fate}; {now}",
            _keep_out(found),
        )


def _fate(fact: ColumnFact) -> str:
    return "would stop the table's sink" if fact.verdict.stops_sink else "would arrive as something else"


def _keep_out(facts: list[ColumnFact]) -> str:
    """Write the constraints with which the source itself refuses such values from now on."""
    statements = [
        f"ALTER TABLE {quote_table(fact.table)} ADD CHECK (NOT ({fact.verdict.inexact_condition}));"
        for fact in facts
        # A CHECK may not look into other rows, nor take a query.
        if fact.verdict.inexact_condition is not None and "SELECT" not in fact.verdict.inexact_condition
    ]
    if not statements:
        return "see that no such value comes"
    more = f" and {len(statements) - _SHOWN} more like these" if len(statements) > _SHOWN else ""
    return f"keep such values out, on the source: {' '.join(statements[:_SHOWN])}{more}"


def _cost(fact: ColumnFact, source: SourceFacts) -> str:
    """Say what it took to know; all columns of a table are looked at together."""
    table = source.tables.get(fact.table)
    size = f", {table.size_bytes / 1e6:,.1f} MB" if table is not None else ""
    return f"found by reading {fact.table.name} once{size}"


def _check_accepted(pipeline: Pipeline, source: SourceFacts, findings: Findings) -> None:
    for entry in pipeline.options.accept_inexact:
        columns = {
            f"{mapping.source.name}.{column.name}"
            for mapping in pipeline.tables
            if mapping.source in source.tables
            for column in source.tables[mapping.source].columns
        }
        if entry not in columns:
            what = f"options.accept_inexact names {entry}, which is no column of a table of this pipeline"
            findings.fail(_CHECK, what, "correct or remove the entry")
