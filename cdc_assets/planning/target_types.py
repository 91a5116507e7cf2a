"""Does another type of a target column make other values of those that are in it, or come, without a word? Pure.

A type of another kind (text for a number) is none of these: the server refuses what does not fit, and that is told.
"""

import re

_KINDS = (
    frozenset({"smallint", "integer", "bigint", "numeric", "real", "double precision", "money"}),
    frozenset(
        {
            "date",
            "time without time zone",
            "time with time zone",
            "timestamp without time zone",
            "timestamp with time zone",
            "interval",
        }
    ),
    frozenset({"text", "character varying", "character", "name", "citext"}),
    frozenset({"json", "jsonb"}),
    frozenset({"bit", "bit varying"}),
)
# Every value of the first is the same value in the others.
_HELD_BY = {
    "smallint": frozenset({"integer", "bigint", "numeric"}),
    "integer": frozenset({"bigint", "numeric"}),
    "bigint": frozenset({"numeric"}),
    "character varying": frozenset({"text"}),
}
_MOST_DIGITS_OF_A_SECOND = 6
_MODIFIERS = re.compile(r"\(([-\d, ]+)\)")


def may_alter_values(then: str, now: str) -> bool:
    """Whether a column altered from one type to the other, as `format_type` writes them, may hold other values."""
    if then == now:
        return False
    old, new = then.removesuffix("[]"), now.removesuffix("[]")
    old_name, old_modifiers = _parts(old)
    new_name, new_modifiers = _parts(new)
    if old_name != new_name:
        is_alike = any(_plain(old_name) in kind and _plain(new_name) in kind for kind in _KINDS)
        return is_alike and not (new_name in _HELD_BY.get(old_name, ()) and not new_modifiers)
    return not _holds(old_name, new_modifiers, old_modifiers)


def _parts(formatted: str) -> tuple[str, tuple[int, ...]]:
    found = _MODIFIERS.search(formatted)
    modifiers = tuple(int(part) for part in found[1].split(",")) if found else ()
    return _MODIFIERS.sub("", formatted), modifiers


def _plain(name: str) -> str:
    """`interval day to second` is an interval."""
    return "interval" if name.startswith("interval ") else name


def _holds(name: str, new: tuple[int, ...], old: tuple[int, ...]) -> bool:
    """Whether the type with the new modifiers holds every value that it holds with the old ones, as it is."""
    if name == "numeric":
        if not new or not old:
            return not new
        (new_precision, new_scale), (old_precision, old_scale) = new, old
        # With another scale 1.10 is written 1.1 or 1.100.
        return new_scale == old_scale and new_precision >= old_precision
    if name in {"bit", "character"}:
        return new == old
    if _plain(name) in _KINDS[1]:
        most = (_MOST_DIGITS_OF_A_SECOND,)
        return (new or most) >= (old or most)
    return not new or (bool(old) and new >= old)
