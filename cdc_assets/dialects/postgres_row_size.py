"""How many bytes a row's values take in a change event, as an SQL expression that reads as little as it can."""

from collections.abc import Sequence

from cdc_assets.dialects.postgres import quote
from cdc_assets.model.table import ColumnDefinition

_TEXTS = frozenset({"text", "varchar", "bpchar", "citext"})
_SHORT = frozenset(
    {
        "bool",
        "int2",
        "int4",
        "int8",
        "float4",
        "float8",
        "money",
        "oid",
        "uuid",
        "date",
        "time",
        "timetz",
        "timestamp",
        "timestamptz",
        "interval",
        "inet",
        "cidr",
        "macaddr",
        "macaddr8",
        "name",
    }
)


def row_size(columns: Sequence[ColumnDefinition]) -> str | None:
    """Return the expression; None when no column can be long.

    The length of texts and bytea is known without their TOASTed parts; other values are only written out as text where
    they are long even when compressed.
    """
    sizes = [size for column in columns if (size := _size(column)) is not None]
    return " + ".join(f"COALESCE({size}, 0)::float8" for size in sizes) or None


def _size(column: ColumnDefinition) -> str | None:
    name, kind = quote(column.name), column.type
    if kind.base_category == "e" or (kind.element is None and kind.base in _SHORT):
        return None
    if kind.base in _TEXTS:
        return f"octet_length({name}::text)"
    if kind.base == "bytea":
        # Carried in base64.
        return f"octet_length({name}) * 4.0 / 3"
    return f"CASE WHEN pg_column_size({name}) > 2000 THEN octet_length({name}::text) ELSE pg_column_size({name}) END"
