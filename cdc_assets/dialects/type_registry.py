"""Which columns arrive in a target exactly, which for some values only, and which are refused.

Applies the measured rules of `type_rules` to a column: below its domain, with its declared length and dimensions. DDL,
load, preflight and docs/types.md ask here.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum

from cdc_assets.dialects.postgres import SYSTEM_SCHEMA, quote, type_sql
from cdc_assets.dialects.sqlserver_types import key_collation, sqlserver_type
from cdc_assets.dialects.type_rules import (
    NAMED_BY_SCHEMA,
    NOT_IN_KEY,
    VARBIT_WITH_LENGTH,
    Exact,
    ExactUnless,
    Refused,
    Rule,
    has_several_forms,
    may_be_key,
    rules_of,
)
from cdc_assets.model.pipeline import Product
from cdc_assets.model.table import ColumnDefinition, ColumnType, TableDefinition

_LENGTH = re.compile(r"\((\d+)\)")
_LEAVE_OUT = "leave the column out (`columns: {exclude: [...]}`), or make it text on the source"
_LOAD_ALONE = f"{_LEAVE_OUT}; mode full_load_only carries it"
_OTHER_VALUES = (
    "change these values on the source, leave the column out (`columns: {exclude: [...]}`), or accept the column in "
    "options.accept_inexact"
)
_OTHER_KEY = "leave the table out, or give it another primary key on the source; mode full_load_only carries it"
_CONVERTER = "give Kafka Connect the converter, which carries it as text (docs/own_servers.md); or "


class Verdict(StrEnum):
    """What can be promised for a column."""

    EXACT = "exact"
    EXACT_IF_VALUES = "exact if values"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class TypeVerdict:
    """The answer for one column.

    `target_sql`: the type to make in the target (an enum stands in the target's schema). `inexact_condition`: SQL,
    true for a row whose value would arrive as something else; only with EXACT_IF_VALUES. `reason`: why it is refused;
    `remedy`: what to do about what is refused. `select_sql`: the expression by which a load reads the column, None for
    the column itself; `collation`: what the target's column needs, None for the database's own. `stops_sink`: such a
    value that comes later stops the table's sink, it never arrives as something else.
    """

    target_sql: str
    verdict: Verdict
    inexact_condition: str | None = None
    inexact_values: str = ""
    reason: str = ""
    remedy: str = ""
    select_sql: str | None = None
    collation: str | None = None
    stops_sink: bool = False


def judge(
    column: ColumnDefinition,
    *,
    target_schema: str,
    captured: bool = True,
    is_key: bool = False,
    product: Product = "postgres",
    has_converter: bool = True,
) -> TypeVerdict:
    """Say how a column reaches the target.

    `captured`: through the stream as well, not by the load alone; `is_key`: changes find their row by it;
    `has_converter`: Kafka Connect can send columns as text; `product`: what the target is.
    """
    if product == "sqlserver":
        return _judge_for_sqlserver(column, captured=captured, is_key=is_key, has_converter=has_converter)
    column_type = column.type
    target = type_sql(column_type, user_schema=target_schema)
    is_better_as_text = needs_text(column, is_key=is_key)
    as_text = has_converter and is_better_as_text
    load = _load_rule(column_type)
    stream = Exact() if as_text else _stream_rule(column_type)
    rule = _both(load, stream) if captured else load
    way_out = _CONVERTER if captured and is_better_as_text and not as_text else ""
    if captured and is_key and not as_text and not isinstance(rule, Refused) and not _may_be_key(column_type):
        return TypeVerdict(target, Verdict.REFUSED, reason=NOT_IN_KEY.reason, remedy=way_out + _OTHER_KEY)
    match rule:
        case Exact():
            return TypeVerdict(target, Verdict.EXACT)
        case ExactUnless():
            length = _LENGTH.search(column_type.base_formatted)
            return TypeVerdict(
                target,
                Verdict.EXACT_IF_VALUES,
                inexact_condition=rule.condition.format(quote(column.name), length[1] if length else ""),
                inexact_values=rule.values,
                remedy=way_out + _OTHER_VALUES,
            )
        case Refused():
            remedy = _LEAVE_OUT if isinstance(load, Refused) else _LOAD_ALONE
            return TypeVerdict(target, Verdict.REFUSED, reason=rule.reason, remedy=way_out + remedy)


def needs_text(column: ColumnDefinition, *, is_key: bool, product: Product = "postgres") -> bool:
    """Whether a stream brings every value that the target can hold only as text, through the converter."""
    if product == "sqlserver":
        return sqlserver_type(column.type, is_key=is_key).text is not None
    rules = rules_of(column.type.base, column.type.base_schema)
    if rules is None or isinstance(rules.load, Refused) or column.type.base_category == "e":
        return False
    if is_key and not _may_be_key(column.type):
        return True
    return rules.text is not None and not isinstance(_stream_rule(column.type), Exact)


def needs_type(column: ColumnDefinition) -> bool:
    """Whether events have to name the column's type, so that the sink writes the value as one of it."""
    return column.type.base_schema != SYSTEM_SCHEMA or column.type.base not in NAMED_BY_SCHEMA


def _judge_for_sqlserver(column: ColumnDefinition, *, captured: bool, is_key: bool, has_converter: bool) -> TypeVerdict:
    found = sqlserver_type(column.type, is_key=is_key)
    as_text = found.text if has_converter else None
    rule = (as_text or found.stream) if captured else found.load
    way_out = _CONVERTER if captured and found.text not in {None, found.stream} and as_text is None else ""
    name = quote(column.name)
    verdict = TypeVerdict(
        found.target,
        Verdict.EXACT,
        select_sql=found.select.format(name),
        collation=key_collation(found, is_key=is_key),
        stops_sink=has_converter and isinstance(rule, ExactUnless) and (as_text is not None or found.fit is not None),
    )
    match rule:
        case Exact():
            return verdict
        case ExactUnless():
            # By `replace`: a regular expression may have braces of its own.
            return replace(
                verdict,
                verdict=Verdict.EXACT_IF_VALUES,
                inexact_condition=rule.condition.replace("{0}", name),
                inexact_values=rule.values,
                remedy=way_out + _OTHER_VALUES,
            )
        case Refused():
            remedy = _LEAVE_OUT if isinstance(found.load, Refused) else _LOAD_ALONE
            return replace(verdict, verdict=Verdict.REFUSED, reason=rule.reason, remedy=way_out + remedy)


def has_key_of_several_forms(table: TableDefinition, key: Collection[str]) -> bool:
    """Whether two rows of one key may follow each other whose keys are equal and not the same, such as 1.1 and 1.10.

    A sink that merges events by key takes them for two rows, and may delete the later one with the earlier one's key.
    """
    return any(
        column.name in key and has_several_forms(column.type.base, column.type.base_formatted)
        for column in table.columns
    )


def _may_be_key(column_type: ColumnType) -> bool:
    return column_type.base_category == "e" or may_be_key(column_type.base, column_type.base_formatted)


def _load_rule(column_type: ColumnType) -> Rule:
    if column_type.base_category == "e":
        return Exact()
    if column_type.base_category == "c":
        return Refused("composite types are not carried")
    rules = rules_of(column_type.base, column_type.base_schema)
    if rules is not None:
        return rules.load
    if column_type.element is not None:
        return Refused("arrays of such types are not carried")
    if column_type.base_category in {"r", "m"}:
        return Refused("ranges of one's own are not carried")
    return Refused("nothing is known of this type")


def _stream_rule(column_type: ColumnType) -> Rule:
    if column_type.base_category == "e":
        return Exact()
    rules = rules_of(column_type.base, column_type.base_schema)
    if rules is None:
        return _load_rule(column_type)
    if column_type.dimensions > 1 and isinstance(rules.stream, ExactUnless):
        return Refused("the stream carries arrays of one dimension only")
    has_length = "(" in column_type.base_formatted
    # A declared precision has no room for Infinity.
    if column_type.base == "numeric" and has_length:
        return Exact()
    if column_type.base == "varbit" and has_length:
        return VARBIT_WITH_LENGTH
    return rules.stream


def _both(load: Rule, stream: Rule) -> Rule:
    """The stricter of the two: rows arrive by the load, changes of them by the stream."""
    return load if isinstance(load, Refused) or isinstance(stream, Exact) else stream
