"""What has to be done to the target's tables: a list of small values, planned from what is wanted and what is there.

A target adapter carries a plan out, `plan` prints it. Foreign keys, triggers and CHECKs are left out on purpose: the
stream gives no order between tables, and secondary unique indexes become plain ones because an upsert stream breaks
them.
"""

from dataclasses import dataclass

from cdc_assets.model.table import TableName


@dataclass(frozen=True, slots=True)
class TargetColumn:
    """A column to make; `type_sql`, `default_sql`, `generated_sql` and `collation_sql` are of the target's dialect.

    `select_sql`: the expression by which a load reads it from the source, None for the column itself.
    """

    name: str
    type_sql: str
    nullable: bool
    default_sql: str | None = None
    generated_sql: str | None = None
    collation_sql: str | None = None
    select_sql: str | None = None


@dataclass(frozen=True, slots=True)
class CreateSchema:
    """Make the target schema."""

    schema: str
    is_destructive: bool = False


@dataclass(frozen=True, slots=True)
class CreateEnum:
    """Make an enum type in the target schema with the source's labels in the source's order."""

    schema: str
    name: str
    labels: tuple[str, ...]
    is_destructive: bool = False


@dataclass(frozen=True, slots=True)
class CreateTable:
    """Make a table without key and indexes: they come after the load, which is several times cheaper."""

    table: TableName
    columns: tuple[TargetColumn, ...]
    is_destructive: bool = False


@dataclass(frozen=True, slots=True)
class TakeUpTable:
    """Make an empty table ours that somebody made as it has to be; refused when it is another one by now, or has rows.

    `oid` is the table that was looked at.
    """

    table: TableName
    oid: int
    is_destructive: bool = False


@dataclass(frozen=True, slots=True)
class DropTable:
    """Drop a table of this pipeline, or one the file allows to replace; refused when anything depends on it.

    `oid` is the table that was looked at: another one of that name is not dropped.
    """

    table: TableName
    oid: int
    is_destructive: bool = True


@dataclass(frozen=True, slots=True)
class AddKey:
    """Add the primary key, after the rows."""

    table: TableName
    columns: tuple[str, ...]
    is_destructive: bool = False


@dataclass(frozen=True, slots=True)
class AddIndex:
    """Add a secondary index, never a unique one."""

    table: TableName
    name: str
    columns: tuple[str, ...]
    is_destructive: bool = False


TableChange = CreateSchema | CreateEnum | CreateTable | TakeUpTable | DropTable | AddKey | AddIndex
