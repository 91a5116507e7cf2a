"""Tables as the product sees them: names, columns, keys, and which source table goes to which target table."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """A table in a schema; quoted only by a dialect."""

    schema: str
    name: str

    def __str__(self) -> str:
        """For people and logs; never put into SQL."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class TableMapping:
    """One table of a pipeline: where it comes from, where it goes, and its key when the source has no primary key.

    `excluded`: columns that are neither made in the target, nor loaded, nor sent.
    """

    source: TableName
    target: TableName
    key: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    @property
    def partition_key(self) -> str:
        """The Dagster partition and the name in the state tables: the bare source name."""
        return self.source.name


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A PostgreSQL type of a column.

    `formatted` is `format_type()`, such as `numeric(10,2)`; `base` the name of the type below domains in
    `base_schema`, such as `numeric`; `category` is `pg_type.typtype` of the type itself (b base, c composite, d
    domain, e enum, r range, m multirange); `element` the base name of an array's element, with its schema outside
    `pg_catalog`, else None. `base_formatted` and `base_category` are those of the type below domains, `labels` an
    enum's, in its order.
    """

    formatted: str
    schema: str
    name: str
    base: str
    base_schema: str
    category: Literal["b", "c", "d", "e", "r", "m", "p"]
    element: str | None = None
    oid: int = 0
    dimensions: int = 0
    base_formatted: str = ""
    base_category: str = ""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ColumnDefinition:
    """One column: `generated` is '' or `stored` or `virtual`.

    `identity` is '' or `always` or `by default`; `default` is SQL text as the source prints it.
    """

    name: str
    type: ColumnType
    nullable: bool
    default: str | None = None
    generated: Literal["", "stored", "virtual"] = ""
    identity: Literal["", "always", "by default"] = ""
    collation: str | None = None


@dataclass(frozen=True, slots=True)
class IndexDefinition:
    """A secondary index of a source table; `columns` is empty for one over expressions."""

    name: str
    is_unique: bool
    is_valid: bool
    columns: tuple[str, ...]
    is_partial: bool = False
    all_not_null: bool = False
    definition: str = ""
    is_deferrable: bool = False


@dataclass(frozen=True, slots=True)
class LeafTable:
    """An ordinary table, or one leaf partition of a partitioned one, with its replica identity (d, n, f, i)."""

    name: TableName
    replica_identity: Literal["d", "n", "f", "i"]
    oid: int


@dataclass(frozen=True, slots=True)
class TableDefinition:
    """What the catalog says of one table.

    `kind` is `pg_class.relkind`: r ordinary, p partitioned, v view, m materialized view, f foreign, and what else may
    have taken a table's name: S sequence, c composite type, i or I index. `leaves` are the tables that hold rows:
    itself, or every leaf partition; `size_bytes` counts TOAST, `row_estimate` is the planner's (-1 unknown).
    `is_writable`: we may insert, update, delete and truncate. `triggers` are those that fire for us.
    """

    name: TableName
    kind: str
    oid: int
    columns: tuple[ColumnDefinition, ...]
    primary_key: tuple[str, ...]
    indexes: tuple[IndexDefinition, ...] = ()
    leaves: tuple[LeafTable, ...] = ()
    persistence: str = "p"
    owner: str = ""
    is_owned_by_us: bool = False
    is_selectable: bool = True
    is_writable: bool = True
    has_row_security: bool = False
    has_inheritance: bool = False
    primary_key_deferrable: bool = False
    foreign_keys: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    dependents: tuple[str, ...] = ()
    size_bytes: int = 0
    row_estimate: int = -1

    def kept_columns(self, mapping: TableMapping) -> tuple[ColumnDefinition, ...]:
        """The columns that the target gets: all but those the pipeline file excludes."""
        return tuple(column for column in self.columns if column.name not in mapping.excluded)

    def copied_columns(self, mapping: TableMapping) -> tuple[ColumnDefinition, ...]:
        """The columns whose values are copied: the target computes generated ones itself."""
        return tuple(column for column in self.kept_columns(mapping) if not column.generated)

    def unsent_columns(self, mapping: TableMapping) -> tuple[str, ...]:
        """The columns whose values the stream must not carry: excluded and generated ones."""
        return tuple(column.name for column in self.columns if column.generated or column.name in mapping.excluded)

    def key(self, mapping: TableMapping) -> tuple[str, ...]:
        """The columns by which changes find their row: the primary key, else the key the pipeline file names."""
        return self.primary_key or mapping.key
