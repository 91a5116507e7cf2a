"""The values of the type tests that a pipeline to SQL Server takes, as the registry says."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from cdc_assets.dialects.type_registry import Verdict
from cdc_assets.model.pipeline import Mode
from cdc_assets.stages.preflight.facts import ColumnFact
from cdc_assets_tests.integration.load.bench import LoadBench, endpoint, execute
from cdc_assets_tests.integration.types import zoo
from cdc_assets_tests.integration.types.equality import judged_columns


def make(bench: LoadBench, families: Mapping[str, zoo.Values], *, mode: Mode) -> Mapping[str, zoo.Values]:
    """Make and fill the source's tables with every type and value that is let in; return what is in them.

    What is refused, type or value, is left out: NULL stands in a value's place.
    """
    # The second database of the cluster has nothing else to do here.
    draft = bench.databases.target_url
    zoo.create(draft, families)
    facts = _judged(bench, families, mode, draft)
    kept = {
        table: {
            declared: edges
            for number, (declared, edges) in enumerate(values.items())
            if facts[table, f"c{number}"].verdict.verdict is not Verdict.REFUSED
        }
        for table, values in families.items()
    }
    kept = {table: values for table, values in kept.items() if values}
    zoo.create(bench.databases.source_url, kept)
    zoo.fill(bench.databases.source_url, kept, first_id=1)
    leave_out_values(bench, _judged(bench, kept, mode, bench.databases.source_url).values())
    return kept


def leave_out_values(bench: LoadBench, facts: Iterable[ColumnFact]) -> None:
    """Put NULL in the place of the values that a preflight would find."""
    for fact in facts:
        if fact.verdict.verdict is Verdict.EXACT_IF_VALUES:
            condition = fact.verdict.inexact_condition
            bench.source(f"UPDATE {fact.table.name} SET {fact.column.name} = NULL WHERE {condition}")


def bases(bench: LoadBench, families: Mapping[str, zoo.Values], *, mode: Mode) -> set[str]:
    """The types below the domains of what `make` made."""
    return {fact.column.type.base for fact in _judged(bench, families, mode, bench.databases.source_url).values()}


def _judged(
    bench: LoadBench, families: Mapping[str, zoo.Values], mode: Mode, url: str
) -> dict[tuple[str, str], ColumnFact]:
    pipeline = replace(bench.pipeline(*families, mode=mode), source=endpoint(url, "public"))
    return {(fact.table.name, fact.column.name): fact for fact in judged_columns(pipeline)}


def non_null_values(bench: LoadBench, table: str, column: str) -> int:
    """How many values are left of a column."""
    (count,) = execute(bench.databases.source_url, f"SELECT count({column}) FROM {table}")[0]
    return int(str(count))
