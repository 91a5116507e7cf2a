"""What a source table is to be in the target, composed from its definition, the file and the type registry.

Domains become the type below them: their CHECKs stay with the source, as all CHECKs do. Identity columns become plain
ones, because the stream writes the source's values. A default is kept when it is a constant. Stored generated columns
are computed by the target when their expression names built-in functions only; another one is refused.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from cdc_assets.dialects.postgres import constant_default, is_portable_expression, type_sql
from cdc_assets.dialects.sqlserver import INDEX_BYTES
from cdc_assets.dialects.sqlserver_types import index_bytes
from cdc_assets.dialects.type_registry import Verdict, judge
from cdc_assets.model.errors import SchemaCreationError
from cdc_assets.model.pipeline import Product
from cdc_assets.model.report import ReportedColumn
from cdc_assets.model.table import ColumnDefinition, TableDefinition, TableMapping
from cdc_assets.planning.table_changes import AddIndex, CreateEnum, TargetColumn
from cdc_assets.planning.target_plan import PresentTable, WantedTable, wanted_indexes
from cdc_assets.ports.target import BookkeepingRow


def wanted_table(
    definition: TableDefinition, mapping: TableMapping, *, captured: bool, product: Product
) -> WantedTable:
    """Return the target table; SchemaCreationError for a column whose type cannot be carried, whatever its values."""
    schema = mapping.target.schema
    key = definition.key(mapping)
    columns = tuple(
        _column(definition, column, schema=schema, captured=captured, is_key=column.name in key, product=product)
        for column in definition.kept_columns(mapping)
    )
    enums = {
        column.type.base: CreateEnum(schema, column.type.base, column.type.labels)
        for column in definition.kept_columns(mapping)
        if column.type.base_category == "e" and product == "postgres"
    }
    return WantedTable(
        source=mapping.source,
        table=mapping.target,
        columns=columns,
        key=key,
        indexes=tuple(
            index for index in wanted_indexes(definition, mapping) if product == "postgres" or _fits(index, columns)
        ),
        enums=tuple(enums.values()),
    )


def unindexed(definition: TableDefinition, wanted: WantedTable, mapping: TableMapping) -> tuple[str, ...]:
    """Say which indexes the target could have but for the width of its columns, for `plan`."""
    made = {index.name for index in wanted.indexes}
    return tuple(
        f"index {index.name} (too wide for the target)"
        for index in wanted_indexes(definition, mapping)
        if index.name not in made
    )


def _fits(index: AddIndex, columns: Sequence[TargetColumn]) -> bool:
    """Whether SQL Server takes every value of these columns into an index."""
    sizes = [index_bytes(column.type_sql) for column in columns if column.name in index.columns]
    return None not in sizes and sum(size or 0 for size in sizes) <= INDEX_BYTES


def present_table(
    definition: TableDefinition | None,
    bookkeeping: Sequence[BookkeepingRow],
    pipeline_id: UUID | None,
    *,
    is_empty: bool = False,
) -> PresentTable | None:
    """Return what is there under the target's name, and whose it is; None when nothing is."""
    if definition is None:
        return None
    row = next(
        (row for row in bookkeeping if row.target_table == definition.name.name and row.table_oid == definition.oid),
        None,
    )
    uniques = [
        frozenset(index.columns)
        for index in definition.indexes
        if index.is_unique and index.is_valid and not index.is_partial and not index.is_deferrable and index.columns
    ]
    if definition.primary_key and not definition.primary_key_deferrable:
        uniques.append(frozenset(definition.primary_key))
    return PresentTable(
        oid=definition.oid,
        columns=tuple(_present_column(column) for column in definition.columns),
        unique_keys=tuple(uniques),
        dependents=definition.dependents,
        kind=definition.kind,
        is_empty=is_empty,
        obstacles=_obstacles(definition),
        is_ours=row is not None and row.pipeline_id == pipeline_id,
        owner=row.pipeline_name if row is not None and row.pipeline_id != pipeline_id else None,
    )


def _obstacles(definition: TableDefinition) -> tuple[str, ...]:
    """Say what of somebody's table the load would have to undo, or would break the stream."""
    found = [f"trigger {name}" for name in definition.triggers]
    found += [f"foreign key {name}" for name in definition.foreign_keys]
    found += [f"index {index.name}" for index in definition.indexes]
    found += [f"{name} depends on it" for name in definition.dependents]
    found += [f"column {column.name} is an identity" for column in definition.columns if column.identity == "always"]
    if definition.kind != "r" or definition.has_inheritance or definition.persistence != "p":
        found.append("it is no ordinary logged table")
    if definition.has_row_security:
        found.append("row security")
    if not definition.is_owned_by_us:
        found.append(f"it belongs to {definition.owner}")
    return tuple(found)


def copied_columns(wanted: WantedTable) -> tuple[TargetColumn, ...]:
    """Return the columns that are copied, in the source's order: the target computes generated ones itself."""
    return tuple(column for column in wanted.columns if column.generated_sql is None)


def reported_columns(wanted: WantedTable) -> tuple[ReportedColumn, ...]:
    """Return the columns as whoever looks at the table is told of them."""
    return tuple(ReportedColumn(column.name, column.type_sql, column.nullable) for column in wanted.columns)


def shape(definition: TableDefinition) -> Mapping[str, str]:
    """Return what of a definition must not change between the target's making and the load."""
    columns = {f"column {column.name}": f"{column.type.formatted} {column.generated}" for column in definition.columns}
    return {**columns, "kind": definition.kind, "key": ", ".join(definition.primary_key)}


def _column(
    definition: TableDefinition,
    column: ColumnDefinition,
    *,
    schema: str,
    captured: bool,
    is_key: bool,
    product: Product,
) -> TargetColumn:
    table = definition.name.name
    verdict = judge(column, target_schema=schema, captured=captured, is_key=is_key, product=product)
    if verdict.verdict is Verdict.REFUSED and not column.generated:
        raise SchemaCreationError(
            f"column {column.name} of {definition.name} has type {column.type.formatted}, which is not carried: "
            f"{verdict.reason}",
            hint=verdict.remedy,
            table=table,
        )
    if column.generated and product != "postgres":
        raise SchemaCreationError(
            f"generated column {column.name} of {definition.name} is computed by an expression of PostgreSQL, which "
            "the target does not know",
            hint="exclude it (`columns: {exclude: [...]}`), or make it an ordinary column on the source",
            table=table,
        )
    if column.generated and not is_portable_expression(column.default or ""):
        raise SchemaCreationError(
            f"generated column {column.name} of {definition.name} uses functions that the target need not have",
            hint="leave the table out, or make it an ordinary column on the source",
            table=table,
        )
    return TargetColumn(
        name=column.name,
        type_sql=verdict.target_sql,
        nullable=column.nullable and not is_key,
        # Every row arrives with all its values: a default that another product may not know is not missed.
        default_sql=None if column.generated or product != "postgres" else constant_default(column.default),
        generated_sql=column.default if column.generated else None,
        collation_sql=verdict.collation,
        select_sql=verdict.select_sql,
    )


def _present_column(column: ColumnDefinition) -> TargetColumn:
    return TargetColumn(
        name=column.name,
        type_sql=type_sql(column.type),
        nullable=column.nullable,
        default_sql=None if column.generated else column.default,
        generated_sql=column.default if column.generated else None,
        collation_sql=column.collation,
    )
