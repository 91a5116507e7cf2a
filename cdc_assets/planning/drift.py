"""What is no longer as it was when the changes began to be captured: source, slot, source tables, target tables. Pure.

A target table is compared with what is recorded of its making; the source with the baseline of the look before, which
is kept in the state database. What drifted keeps its old baseline until it is recorded that its tables must be loaded
anew, so that no finding is forgotten. Known gap: a slot made anew just when the server's statistics began anew too (its
crash) leaves no trace but its position.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self
from uuid import UUID

from cdc_assets.model.errors import CdcAssetsError, SourceDriftError, TargetDriftError, TargetNotOursError
from cdc_assets.model.record import TableRecord
from cdc_assets.model.table import TableMapping
from cdc_assets.model.watch import SlotCounters, SourceWatch, TargetWatch, WatchedTable
from cdc_assets.planning.slot_check import RELOAD_FIX, RELOAD_TABLE_FIX, SlotCheck, SlotVerdict
from cdc_assets.planning.target_types import may_alter_values


@dataclass(frozen=True, slots=True)
class WatchedMapping:
    """A table whose target holds rows of ours: what shall be compared."""

    mapping: TableMapping
    record: TableRecord

    @property
    def name(self) -> str:
        """The name in the state tables."""
        return self.record.source_table


@dataclass(frozen=True, slots=True)
class TableBaseline:
    """A source table as it was captured; `load` tells one load from the next, after which all is compared anew."""

    oid: int
    sent_as: str
    leaves: tuple[int, ...]
    load: str


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the next look compares with; `system` is the server's identifier and timeline."""

    system: tuple[int, int] | None = None
    counters: SlotCounters | None = None
    tables: Mapping[str, TableBaseline] = field(default_factory=dict)

    def to_json(self) -> str:
        """As text."""
        counters = self.counters
        return json.dumps(
            {
                "system": self.system,
                "counters": None if counters is None else [counters.since, counters.transactions, counters.size_bytes],
                "tables": {name: [t.oid, t.sent_as, t.leaves, t.load] for name, t in self.tables.items()},
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote; ValueError, TypeError or KeyError for anything else."""
        stored = json.loads(text)
        system, counters = stored["system"], stored["counters"]
        return cls(
            system=None if system is None else (int(system[0]), int(system[1])),
            counters=None if counters is None else SlotCounters(str(counters[0]), int(counters[1]), int(counters[2])),
            tables={
                name: TableBaseline(int(oid), str(sent_as), tuple(leaves), str(load))
                for name, (oid, sent_as, leaves, load) in stored["tables"].items()
            },
        )


@dataclass(frozen=True, slots=True)
class Drift:
    """One table that is not what it was; `needs_load`: changes or rows of it may be missing."""

    table: str
    error: CdcAssetsError
    needs_load: bool


def check_lineage(before: Baseline, now: SourceWatch, check: SlotCheck) -> SlotCheck:
    """Return the slot's verdict, or REMADE when the slot or the server is another one than at the look before."""
    if check.loses_changes or check.verdict is SlotVerdict.FOREIGN or now.slot is None:
        return check
    name = now.slot.name
    system = (now.system_identifier, now.timeline)
    if before.system is not None and before.system != system:
        return SlotCheck(
            SlotVerdict.REMADE,
            f"replication slot {name} is on another server than before: system {system[0]}, timeline {system[1]} "
            f"instead of system {before.system[0]}, timeline {before.system[1]}; changes between may be lost",
            RELOAD_FIX,
        )
    old, new = before.counters, now.counters
    if old is None or new is None or old.since != new.since:
        return check
    if new.transactions < old.transactions or new.size_bytes < old.size_bytes:
        return SlotCheck(
            SlotVerdict.REMADE,
            f"replication slot {name} was dropped and made anew: the server has decoded {new.transactions} "
            f"transactions for it, after {old.transactions} before; changes between are lost",
            RELOAD_FIX,
        )
    return check


def source_drifts(before: Baseline, now: SourceWatch, tables: Sequence[WatchedMapping]) -> tuple[Drift, ...]:
    """Return what is wrong with the source tables, at most one finding a table."""
    found = []
    for table in tables:
        then = before.tables.get(table.name)
        if then is not None and then.load != _load(table):
            then = None
        drift = _source_drift(table, then, now.tables.get(table.mapping.source))
        if drift is not None:
            found.append(drift)
    return tuple(found)


def target_drifts(now: TargetWatch, tables: Sequence[WatchedMapping], *, pipeline_id: UUID) -> tuple[Drift, ...]:
    """Return what is wrong with the target tables, at most one finding a table."""
    found = []
    for table in tables:
        drift = _target_drift(table, now, pipeline_id) or _column_drift(table, now)
        if drift is not None:
            found.append(drift)
    return tuple(found)


def next_baseline(
    before: Baseline, now: SourceWatch, check: SlotCheck, tables: Sequence[WatchedMapping], drifts: Sequence[Drift]
) -> Baseline:
    """What the next look compares with: the source as it is now, what drifted as it was."""
    drifted = {drift.table for drift in drifts}
    baselines = {
        table.name: _baseline(table, now.tables[table.mapping.source])
        for table in tables
        if table.name not in drifted and table.mapping.source in now.tables
    }
    kept = {table.name: before.tables[table.name] for table in tables if table.name in drifted & before.tables.keys()}
    if tables and (check.verdict is SlotVerdict.REMADE or now.slot is None):
        return replace(before, tables=baselines | kept)
    return replace(before, system=(now.system_identifier, now.timeline), counters=now.counters, tables=baselines | kept)


def _source_drift(table: WatchedMapping, then: TableBaseline | None, now: WatchedTable | None) -> Drift | None:
    source = table.mapping.source
    what = None
    if now is None:
        what = f"source table {source} is gone or was renamed: changes of it may be lost"
    elif then is not None and then.oid != now.oid:
        what = f"source table {source} was dropped and made anew: changes of it may be lost"
    elif not now.is_published:
        what = f"source table {source} was taken out of the publication: changes since then are lost"
    elif then is not None and then.sent_as != now.sent_as:
        what = (
            f"the publication no longer sends table {source} as before (operations, row filter or columns were "
            "changed): changes may be lost"
        )
    if what is not None:
        return _lost(table, what)
    return _identity_drift(table, then, now) if now is not None else None


def _identity_drift(table: WatchedMapping, then: TableBaseline | None, now: WatchedTable) -> Drift | None:
    lacking = [leaf for leaf in now.leaves if leaf.identity != "f"]
    if not lacking:
        return None
    known = () if then is None else then.leaves
    altered = next((leaf for leaf in lacking if leaf.oid in known), None)
    if altered is not None:
        return _lost(
            table,
            f"the replica identity of {altered.name} is no longer FULL: large values that an UPDATE left alone may "
            "have been damaged in the target",
        )
    # A partition attached later, or a table the operator has not changed yet.
    names = ", ".join(str(leaf.name) for leaf in lacking)
    error = SourceDriftError(
        f"the replica identity of {names} is not FULL: an UPDATE that leaves a large value alone would damage it in "
        "the target",
        hint="; ".join(f"ALTER TABLE {leaf.name} REPLICA IDENTITY FULL" for leaf in lacking),
        table=table.name,
    )
    return Drift(table.name, error, needs_load=False)


def _target_drift(table: WatchedMapping, now: TargetWatch, pipeline_id: UUID) -> Drift | None:
    target, recorded = table.mapping.target, table.record.target_oid
    oid = now.oids.get(target)
    owner = now.owners.get(target.name)
    what = None
    if oid is None:
        what = f"target table {target} of {table.name} was dropped or renamed by someone"
    elif recorded is not None and oid != recorded:
        what = f"target table {target} of {table.name} was made anew by someone"
    elif owner is not None and owner != pipeline_id:
        what = f"target table {target} of {table.name} belongs to another pipeline in the target's bookkeeping"
    if what is not None:
        return Drift(table.name, TargetNotOursError(what, hint=RELOAD_TABLE_FIX, table=table.name), needs_load=True)
    if owner is None:
        # No row is missing for that; but nothing keeps another pipeline from taking the table.
        error = TargetNotOursError(
            f"the target's bookkeeping (cdc_assets_state) has no row for {target} any more: nothing keeps another "
            "pipeline from taking the table",
            # A drop leaves a table that the bookkeeping does not know.
            hint="./cdc drop the pipeline and start it with if_target_not_empty: replace when it suits you; changes go "
            "on arriving",
            table=table.name,
        )
        return Drift(table.name, error, needs_load=False)
    return None


def _column_drift(table: WatchedMapping, now: TargetWatch) -> Drift | None:
    """Whether values that are in the target, or come, may have become others without a word."""
    target, made = table.mapping.target, table.record.target_columns
    columns = now.columns.get(target)
    if made is None or columns is None:
        return None
    for name, was in made.items():
        if name not in columns:
            what = f"column {name} of target table {target} was dropped or renamed by someone: its values are gone"
        elif may_alter_values(was, columns[name]):
            what = (
                f"column {name} of target table {target} was altered by someone from {was} to {columns[name]}: values "
                "in it may have been rounded or cut"
            )
        else:
            continue
        hint = f"give the column its type {was} back; {RELOAD_TABLE_FIX}"
        return Drift(table.name, TargetDriftError(what, hint=hint, table=table.name), needs_load=True)
    return None


def _lost(table: WatchedMapping, what: str) -> Drift:
    return Drift(table.name, SourceDriftError(what, hint=RELOAD_TABLE_FIX, table=table.name), needs_load=True)


def _baseline(table: WatchedMapping, now: WatchedTable) -> TableBaseline:
    full = tuple(leaf.oid for leaf in now.leaves if leaf.identity == "f")
    return TableBaseline(now.oid, now.sent_as, full, _load(table))


def _load(table: WatchedMapping) -> str:
    return str(table.record.loaded_at or "")
