"""What the target must look like for a table, and what has to be done so that it does.

`stages/prepare` composes what is wanted with the dialect's help; the decision here needs no database. Also used by
`plan`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cdc_assets.model.errors import SchemaCreationError, TargetNotOursError
from cdc_assets.model.table import IndexDefinition, TableDefinition, TableMapping, TableName
from cdc_assets.planning.table_changes import (
    AddIndex,
    AddKey,
    CreateEnum,
    CreateTable,
    DropTable,
    TableChange,
    TakeUpTable,
    TargetColumn,
)

KINDS = {
    "p": "a partitioned table",
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
    "S": "a sequence",
    "c": "a composite type",
    "i": "an index",
    "I": "an index",
}
"""What has a table's name without being an ordinary table, by `pg_class.relkind`."""

_METHOD = re.compile(r"\bUSING (\w+)")


@dataclass(frozen=True, slots=True)
class WantedTable:
    """A target table as it should be; `enums` are the types its columns need in the target's schema."""

    source: TableName
    table: TableName
    columns: tuple[TargetColumn, ...]
    key: tuple[str, ...]
    indexes: tuple[AddIndex, ...]
    enums: tuple[CreateEnum, ...] = ()


@dataclass(frozen=True, slots=True)
class PresentTable:
    """A target table as it is.

    `is_ours` when the bookkeeping has it, with this oid, for this pipeline; `owner` is another pipeline that has it.
    `kind` is its `pg_class.relkind`. `is_empty`: it was seen to hold no row; `obstacles`: why it could not be taken up
    for all that.
    """

    oid: int
    columns: tuple[TargetColumn, ...]
    unique_keys: tuple[frozenset[str], ...]
    dependents: tuple[str, ...]
    is_ours: bool
    owner: str | None = None
    kind: str = "r"
    is_empty: bool = False
    obstacles: tuple[str, ...] = ()


def wanted_indexes(definition: TableDefinition, mapping: TableMapping) -> tuple[AddIndex, ...]:
    """Return the secondary indexes that the target gets: plain B-trees over columns, unique ones made plain."""
    return tuple(
        AddIndex(table=mapping.target, name=index.name, columns=index.columns)
        for index in definition.indexes
        if _left_out_because(index, mapping) is None and index.columns != definition.key(mapping)
    )


def left_out(definition: TableDefinition, mapping: TableMapping) -> tuple[str, ...]:
    """Say what of the source table the target does not get, for `plan`."""
    sentences = [f"column {column.name}" for column in definition.columns if column.name in mapping.excluded]
    sentences += [f"foreign key {name}" for name in definition.foreign_keys]
    sentences += [f"trigger {name}" for name in definition.triggers]
    for index in definition.indexes:
        reason = _left_out_because(index, mapping)
        if reason is not None:
            sentences.append(f"index {index.name} ({reason})")
        elif index.is_unique and index.columns != definition.key(mapping):
            sentences.append(f"uniqueness of index {index.name} (becomes a plain index)")
    return tuple(sentences)


def _left_out_because(index: IndexDefinition, mapping: TableMapping) -> str | None:
    method = _METHOD.search(index.definition)
    if not index.columns:
        return "over an expression"
    if not set(index.columns).isdisjoint(mapping.excluded):
        return "over a column that is left out"
    if index.is_partial:
        return "partial"
    if not index.is_valid:
        return "invalid"
    if method is None or method[1] != "btree":
        return f"method {method[1] if method else 'unknown'}"
    return None


def plan_table_changes(
    wanted: WantedTable, present: PresentTable | None, *, enums: Mapping[str, tuple[str, ...]], replaces: bool
) -> tuple[TableChange, ...]:
    """Return what makes the target table be as wanted and empty of foreign rows; nothing for ours that is so already.

    TargetNotOursError for a table this pipeline did not make, unless the file allows to replace it; another pipeline's
    table and one that others depend on is never replaced. SchemaCreationError for a table or an enum type that cannot
    be made as wanted.
    """
    name = wanted.source.name
    if not any(column.generated_sql is None for column in wanted.columns):
        raise SchemaCreationError(
            f"table {wanted.source} has no columns that can be copied", hint="leave the table out", table=name
        )
    made = (*_missing_enums(wanted, enums), CreateTable(wanted.table, wanted.columns))
    if present is None:
        return made
    if present.owner is not None:
        raise TargetNotOursError(
            f"target table {wanted.table} belongs to pipeline {present.owner}",
            hint="give this table another target name, or ./cdc drop the other pipeline",
            table=name,
        )
    if present.kind not in {"r", "p"}:
        raise TargetNotOursError(
            f"the name of target table {wanted.table} is taken by {KINDS.get(present.kind, 'something else')}",
            hint="choose another target name, or rename what has it",
            table=name,
        )
    if present.is_ours and _equal(wanted.columns, present.columns):
        return ()
    if not present.is_ours and not replaces:
        obstacles = _obstacles(wanted, present)
        if not obstacles:
            return (*_missing_enums(wanted, enums), TakeUpTable(wanted.table, present.oid))
        raise TargetNotOursError(
            f"target table {wanted.table} exists and was not made by this pipeline; it cannot be taken up: "
            f"{', '.join(obstacles)}",
            hint="rename or drop it, choose another target name, or set if_target_not_empty: replace to make it again",
            table=name,
        )
    if present.dependents:
        raise TargetNotOursError(
            f"target table {wanted.table} cannot be made again: {', '.join(present.dependents)} depend on it",
            hint="drop what depends on it, or choose another target name",
            table=name,
        )
    return (DropTable(wanted.table, present.oid), *made)


def check_existing(wanted: WantedTable, present: PresentTable | None) -> None:
    """Raise unless a table that we did not make can take the changes (`cdc_only`): its columns and a unique key."""
    name, table = wanted.source.name, wanted.table
    if present is None:
        raise TargetNotOursError(
            f"target table {table} does not exist; mode cdc_only makes none",
            hint="make and fill it, or use mode full_load_and_cdc",
            table=name,
        )
    if present.owner is not None:
        raise TargetNotOursError(
            f"target table {table} belongs to pipeline {present.owner}",
            hint="./cdc drop the other pipeline",
            table=name,
        )
    if present.kind not in {"r", "p"}:
        raise TargetNotOursError(
            f"target table {table} is {KINDS.get(present.kind, 'no table')}",
            hint="name an ordinary table",
            table=name,
        )
    problems = _unfit_columns(wanted, present)
    if frozenset(wanted.key) not in present.unique_keys:
        problems.append(f"no unique index on exactly ({', '.join(wanted.key)})")
    if problems:
        raise SchemaCreationError(
            f"target table {table} cannot take the changes of {wanted.source}: {'; '.join(problems)}",
            hint="alter the target table, or let the pipeline make one under another name",
            table=name,
        )


def _unfit_columns(wanted: WantedTable, present: PresentTable) -> list[str]:
    there = {column.name: column for column in present.columns}
    problems = []
    for column in wanted.columns:
        found = there.pop(column.name, None)
        if column.generated_sql is not None:
            continue
        if found is None:
            problems.append(f"column {column.name} is missing")
        elif found.generated_sql is not None:
            problems.append(f"column {column.name} is generated")
        elif found.type_sql != column.type_sql:
            problems.append(f"column {column.name} is {found.type_sql}, needed is {column.type_sql}")
        elif _other_collation(column, found):
            problems.append(f"column {column.name} has collation {found.collation_sql}, not {column.collation_sql}")
        elif column.nullable and not found.nullable:
            problems.append(f"column {column.name} is NOT NULL but may be NULL in the source")
    problems += [
        f"column {column.name} is NOT NULL without a default and has no source"
        for column in there.values()
        if not column.nullable and column.default_sql is None and column.generated_sql is None
    ]
    return problems


def _obstacles(wanted: WantedTable, present: PresentTable) -> tuple[str, ...]:
    """Say why a table that somebody made cannot become ours as it is; nothing for an empty one that is as wanted."""
    if not present.is_empty:
        return ("it has rows, or we may not look",)
    differs = () if _equal(wanted.columns, present.columns) else _column_differences(wanted, present)
    # The load drops what indexes there are, and makes the key anew.
    has_other_key = any(key != frozenset(wanted.key) for key in present.unique_keys)
    return (*differs, *(("its key is another",) if has_other_key else ()), *present.obstacles)


def _column_differences(wanted: WantedTable, present: PresentTable) -> tuple[str, ...]:
    """Say column by column why a table is not as wanted."""
    there = {column.name: column for column in present.columns}
    needed = {column.name for column in wanted.columns}
    found = _unfit_columns(wanted, present)
    found += [f"column {name} is not in the source" for name in there if name not in needed]
    found += [
        f"column {column.name} is {'NULL' if there[column.name].nullable else 'NOT NULL'} and must not be"
        for column in wanted.columns
        if column.name in there
        and column.nullable is not there[column.name].nullable
        and not any(f"column {column.name} " in sentence for sentence in found)
    ]
    return tuple(found or ["its columns stand in another order than the source's"])


def changes_after_load(wanted: WantedTable) -> tuple[TableChange, ...]:
    """Return the key and the indexes, which are made when the rows are there."""
    key = (AddKey(wanted.table, wanted.key),) if wanted.key else ()
    return (*key, *wanted.indexes)


def _missing_enums(wanted: WantedTable, enums: Mapping[str, tuple[str, ...]]) -> Sequence[TableChange]:
    missing: dict[str, CreateEnum] = {}
    for enum in wanted.enums:
        labels = enums.get(enum.name) or (missing[enum.name].labels if enum.name in missing else None)
        if labels is None:
            missing[enum.name] = enum
        elif not set(enum.labels) <= set(labels):
            raise SchemaCreationError(
                f"type {enum.schema}.{enum.name} in the target lacks labels of the source's type",
                hint=f"ALTER TYPE {enum.schema}.{enum.name} ADD VALUE for these, or use another target schema",
                table=wanted.source.name,
            )
    return tuple(missing.values())


def _equal(wanted: Sequence[TargetColumn], present: Sequence[TargetColumn]) -> bool:
    def shape(columns: Sequence[TargetColumn]) -> list[tuple[str, str, bool, bool]]:
        return [(column.name, column.type_sql, column.nullable, column.generated_sql is not None) for column in columns]

    return shape(wanted) == shape(present) and not any(map(_other_collation, wanted, present))


def _other_collation(wanted: TargetColumn, present: TargetColumn) -> bool:
    """Whether a column that needs a collation has another one."""
    return wanted.collation_sql is not None and wanted.collation_sql != present.collation_sql
