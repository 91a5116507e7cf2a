"""What PostgreSQL's catalog says of tables: the queries, and their rows as `TableDefinition`s.

Pure text and values: the source and the target adapter run the queries in one transaction of a session with an empty
search path, so that every printed name is complete. Versions 14 to 18.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from cdc_assets.model.table import ColumnDefinition, ColumnType, IndexDefinition, LeafTable, TableDefinition, TableName

TABLES = """
SELECT c.oid::int8 AS oid, n.nspname AS schema, c.relname AS name, c.relkind::text AS kind,
    c.relpersistence::text AS persistence, pg_get_userbyid(c.relowner) AS owner,
    pg_has_role(c.relowner, 'USAGE') AS is_owned_by_us, row_security_active(c.oid) AS has_row_security,
    has_table_privilege(c.oid, 'SELECT') AS is_selectable,
    has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')
        AND has_table_privilege(c.oid, 'DELETE') AND has_table_privilege(c.oid, 'TRUNCATE') AS is_writable,
    CASE c.relkind WHEN 'p' THEN (SELECT sum(greatest(l.reltuples, 0))
        FROM pg_partition_tree(c.oid) AS p JOIN pg_class l ON l.oid = p.relid WHERE p.isleaf)
        ELSE c.reltuples END::float8 AS row_estimate,
    CASE WHEN c.relkind = 'p'
        THEN (SELECT sum(pg_table_size(p.relid)) FROM pg_partition_tree(c.oid) AS p WHERE p.isleaf)
        WHEN c.relkind IN ('r', 'm') THEN pg_table_size(c.oid) END::int8 AS size_bytes,
    EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid) AND c.relkind <> 'p'
        OR EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid) AND NOT c.relispartition AS has_inheritance,
    (SELECT jsonb_agg(a.attname ORDER BY k.position)
        FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, position), pg_attribute a
        WHERE i.indrelid = c.oid AND i.indisprimary AND k.position <= i.indnkeyatts
            AND a.attrelid = c.oid AND a.attnum = k.attnum) AS primary_key,
    EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND NOT i.indimmediate)
        AS primary_key_deferrable,
    (SELECT jsonb_agg(f.conname ORDER BY f.conname) FROM pg_constraint f
        WHERE f.conrelid = c.oid AND f.contype = 'f') AS foreign_keys,
    (SELECT jsonb_agg(t.tgname ORDER BY t.tgname) FROM pg_trigger t
        WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')) AS triggers,
    (SELECT jsonb_agg(DISTINCT d.dependent) FROM (
        SELECT pg_describe_object('pg_class'::regclass, v.ev_class, 0) AS dependent
            FROM pg_depend p JOIN pg_rewrite v ON v.oid = p.objid
            WHERE p.classid = 'pg_rewrite'::regclass AND p.refclassid = 'pg_class'::regclass AND p.refobjid = c.oid
                AND v.ev_class <> c.oid
        UNION SELECT pg_describe_object('pg_constraint'::regclass, f.oid, 0) FROM pg_constraint f
            WHERE f.confrelid = c.oid AND f.contype = 'f' AND f.conrelid <> c.oid
        UNION SELECT pg_describe_object('pg_class'::regclass, i.inhrelid, 0) FROM pg_inherits i
            WHERE i.inhparent = c.oid) AS d) AS dependents,
    (SELECT jsonb_agg(jsonb_build_object('oid', l.oid::int8, 'schema', ln.nspname, 'name', l.relname,
            'identity', l.relreplident, 'selectable', has_table_privilege(l.oid, 'SELECT'),
            'owned', pg_has_role(l.relowner, 'USAGE'), 'filtered', row_security_active(l.oid),
            'persistence', CASE l.relkind WHEN 'f' THEN 'f' ELSE l.relpersistence::text END)
            ORDER BY ln.nspname, l.relname)
        FROM (SELECT relid FROM pg_partition_tree(c.oid) WHERE isleaf AND c.relkind = 'p'
            UNION ALL SELECT c.oid WHERE c.relkind <> 'p') AS p
        JOIN pg_class l ON l.oid = p.relid JOIN pg_namespace ln ON ln.oid = l.relnamespace
        WHERE l.relkind IN ('r', 'f')) AS leaves
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN jsonb_to_recordset(%(tables)s::jsonb) AS w(schema text, name text) ON w.schema = n.nspname AND w.name = c.relname
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c', 'i', 'I')
"""
"""One row a table; `%(tables)s` is `wanted(tables)`."""

COLUMNS = """
WITH RECURSIVE base(oid, type, typmod) AS (
    SELECT t.oid, t.oid, -1 FROM pg_type t WHERE t.typtype = 'd'
    UNION ALL SELECT b.oid, t.typbasetype, CASE WHEN t.typtypmod >= 0 THEN t.typtypmod ELSE b.typmod END
        FROM base b JOIN pg_type t ON t.oid = b.type WHERE t.typtype = 'd')
SELECT a.attrelid::int8 AS table_oid, a.attname AS name, NOT a.attnotnull AS nullable, a.attidentity::text AS identity,
    a.attgenerated::text AS generated, a.attndims AS dimensions, pg_get_expr(d.adbin, d.adrelid) AS default,
    CASE WHEN a.attcollation <> t.typcollation THEN (SELECT quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
        FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = a.attcollation)
        END AS collation,
    format_type(a.atttypid, a.atttypmod) AS formatted, t.oid::int8 AS type_oid, t.typname AS type_name,
    tn.nspname AS type_schema, t.typtype::text AS category,
    bt.typname AS base, bn.nspname AS base_schema, bt.typtype::text AS base_category,
    CASE t.typtype WHEN 'd' THEN format_type(bt.oid, x.typmod) ELSE format_type(a.atttypid, a.atttypmod) END
        AS base_formatted,
    CASE WHEN en.nspname = 'pg_catalog' THEN et.typname ELSE en.nspname || '.' || et.typname END AS element,
    (SELECT jsonb_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = bt.oid) AS labels
FROM pg_attribute a
JOIN pg_type t ON t.oid = a.atttypid JOIN pg_namespace tn ON tn.oid = t.typnamespace
LEFT JOIN LATERAL (SELECT b.type, b.typmod FROM base b JOIN pg_type y ON y.oid = b.type
    WHERE b.oid = t.oid AND y.typtype <> 'd') AS x ON true
JOIN pg_type bt ON bt.oid = COALESCE(x.type, t.oid) JOIN pg_namespace bn ON bn.oid = bt.typnamespace
LEFT JOIN pg_type et ON et.oid = bt.typelem AND bt.typcategory = 'A'
LEFT JOIN pg_namespace en ON en.oid = et.typnamespace
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = ANY(%(oids)s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
"""
"""One row a column of the tables with the given oids."""

INDEXES = """
SELECT i.indrelid::int8 AS table_oid, c.relname AS name, i.indisunique AS is_unique,
    i.indisvalid AND i.indisready AS is_valid, i.indpred IS NOT NULL AS is_partial,
    NOT i.indimmediate AS is_deferrable, pg_get_indexdef(i.indexrelid) AS definition,
    CASE WHEN i.indexprs IS NULL THEN k.columns END AS columns, i.indexprs IS NULL AND k.all_not_null AS all_not_null
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
CROSS JOIN LATERAL (SELECT jsonb_agg(a.attname ORDER BY k.position) AS columns, bool_and(a.attnotnull) AS all_not_null
    FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, position)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE k.position <= i.indnkeyatts) AS k
WHERE i.indrelid = ANY(%(oids)s::oid[]) AND NOT i.indisprimary
ORDER BY i.indrelid, c.relname
"""
"""One row an index that is not the primary key."""

_GENERATED: Mapping[str, Literal["", "stored", "virtual"]] = {"": "", "s": "stored", "v": "virtual"}
_IDENTITY: Mapping[str, Literal["", "always", "by default"]] = {"": "", "a": "always", "d": "by default"}

Row = Mapping[str, Any]


def wanted(tables: Sequence[TableName]) -> str:
    """Return the value of `%(tables)s`."""
    return json.dumps([{"schema": table.schema, "name": table.name} for table in tables])


def definitions(
    tables: Sequence[Row], columns: Sequence[Row], indexes: Sequence[Row]
) -> dict[TableName, TableDefinition]:
    """Put the rows of the three queries together."""
    columns_of: dict[int, list[ColumnDefinition]] = defaultdict(list)
    for row in columns:
        columns_of[row["table_oid"]].append(_column(row))
    indexes_of: dict[int, list[IndexDefinition]] = defaultdict(list)
    for row in indexes:
        indexes_of[row["table_oid"]].append(_index(row))
    found = [_table(row, columns_of[row["oid"]], indexes_of[row["oid"]]) for row in tables]
    return {definition.name: definition for definition in found}


def _table(row: Row, columns: Sequence[ColumnDefinition], indexes: Sequence[IndexDefinition]) -> TableDefinition:
    leaves = row["leaves"] or ()
    return TableDefinition(
        name=TableName(row["schema"], row["name"]),
        kind=row["kind"],
        oid=row["oid"],
        columns=tuple(columns),
        primary_key=tuple(row["primary_key"] or ()),
        indexes=tuple(indexes),
        leaves=tuple(
            LeafTable(TableName(leaf["schema"], leaf["name"]), leaf["identity"], leaf["oid"]) for leaf in leaves
        ),
        # One unlogged (u) or foreign (f) leaf is enough to lose changes.
        persistence=next((leaf["persistence"] for leaf in leaves if leaf["persistence"] != "p"), row["persistence"]),
        owner=row["owner"],
        is_owned_by_us=row["is_owned_by_us"] and all(leaf["owned"] for leaf in leaves),
        is_writable=row["is_writable"],
        is_selectable=row["is_selectable"] and all(leaf["selectable"] for leaf in leaves),
        has_row_security=row["has_row_security"] or any(leaf["filtered"] for leaf in leaves),
        has_inheritance=row["has_inheritance"],
        primary_key_deferrable=row["primary_key_deferrable"],
        foreign_keys=tuple(row["foreign_keys"] or ()),
        triggers=tuple(row["triggers"] or ()),
        dependents=tuple(row["dependents"] or ()),
        size_bytes=row["size_bytes"] or 0,
        row_estimate=int(row["row_estimate"] or 0),
    )


def _column(row: Row) -> ColumnDefinition:
    generated = _GENERATED[row["generated"]]
    return ColumnDefinition(
        name=row["name"],
        type=ColumnType(
            formatted=row["formatted"],
            schema=row["type_schema"],
            name=row["type_name"],
            base=row["base"],
            base_schema=row["base_schema"],
            category=row["category"],
            element=row["element"],
            oid=row["type_oid"],
            dimensions=row["dimensions"],
            base_formatted=row["base_formatted"],
            base_category=row["base_category"],
            labels=tuple(row["labels"] or ()),
        ),
        nullable=row["nullable"],
        default=row["default"],
        generated=generated,
        identity=_IDENTITY[row["identity"]],
        collation=row["collation"],
    )


def _index(row: Row) -> IndexDefinition:
    return IndexDefinition(
        name=row["name"],
        is_unique=row["is_unique"],
        is_valid=row["is_valid"],
        columns=tuple(row["columns"] or ()),
        is_partial=row["is_partial"],
        all_not_null=bool(row["all_not_null"]),
        definition=row["definition"],
        is_deferrable=row["is_deferrable"],
    )
