"""Which tables of a source schema belong to a pipeline that says `tables: all`."""

from collections.abc import Sequence
from dataclasses import dataclass

from cdc_assets.model.pipeline import AllTables
from cdc_assets.model.record import PipelineRecord


@dataclass(frozen=True, slots=True)
class Choice:
    """`tables`: those of the pipeline; `added`: the ones of them that were not recorded; `left_out`: new, not taken."""

    tables: tuple[str, ...]
    added: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def choose_tables(rule: AllTables, found: Sequence[str], record: PipelineRecord | None) -> Choice:
    """Choose from the tables that the source has.

    Before the first start all of them; afterwards the recorded ones, also where one is gone from the source, and new
    ones when the rule adds them.
    """
    wanted = [name for name in sorted(found) if name not in rule.excluded]
    recorded = known_tables(rule, record)
    if record is None or record.suffix is None:
        return Choice(tuple(wanted), tuple(name for name in wanted if name not in recorded))
    new = tuple(name for name in wanted if name not in recorded)
    if rule.adds_new:
        return Choice(tuple(sorted((*recorded, *new))), new)
    return Choice(recorded, left_out=new)


def known_tables(rule: AllTables, record: PipelineRecord | None) -> tuple[str, ...]:
    """Return the recorded tables that the rule still means."""
    if record is None:
        return ()
    return tuple(sorted(row.source_table for row in record.tables if row.source_table not in rule.excluded))
