"""Renders `docs/types.md` from the type registry.

`python -m cdc_assets_tests.unit.dialects.types_page` writes the page; a test compares it.
"""

from collections import defaultdict
from pathlib import Path

from cdc_assets.dialects.type_registry import ARRAY_TYPES, KNOWN_TYPES, TypeVerdict, Verdict, judge
from cdc_assets.model.table import ColumnDefinition, ColumnType

PAGE = Path(__file__).parents[3] / "docs" / "types.md"
_INTRODUCTION = """# Types: what arrives exactly

Written from `cdc_assets/dialects/type_registry.py` by `python -m cdc_assets_tests.unit.dialects.types_page`; a test
keeps it current. PostgreSQL to PostgreSQL; types by their name in `pg_type`.

A load copies values in PostgreSQL's own binary form, so every built-in type below arrives as it is. In a stream values
travel through Kafka as JSON, and not every type survives that; what was not measured is refused, never guessed. `check`
names each column that is refused, and each whose values would arrive as something else.

| type | full_load_only | with capture |
|---|---|---|
"""
_REST = """
- **Enums** are made in the target's schema when they are missing. **Domains** become the type below them: their CHECKs,
  as all CHECKs, stay with the source. **citext** needs the extension in the target.
- **Identity and serial columns** become plain columns: the stream writes the source's values. A default is kept when it
  is a constant. **Stored generated columns** are computed by the target from the same expression, as long as it names
  built-in functions only; virtual ones too in `full_load_only`, in a stream they are refused.
- **Collations** stay with the source; a column gets the target database's.
- **Refused in every mode**: composite types, arrays of user-made types, `reg...` types (their numbers mean nothing in
  another database), types of extensions but citext, ranges of one's own.
- A column whose values decide can be accepted by name in `options.accept_inexact` (`table.column`): a warning then
  stands in place of the refusal, and such values arrive as something else.
"""


def render() -> str:
    """The page as it should be."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for base in sorted(KNOWN_TYPES | {f"_{element}" for element in ARRAY_TYPES}):
        groups[(_words(_ask(base, captured=False)), _words(_ask(base, captured=True)))].append(_shown(base))
    lines = [f"| {', '.join(names)} | {alone} | {stream} |" for (alone, stream), names in groups.items()]
    lines.append("| numeric(p, s), bit(1) | exact | exact |")
    lines.append("| arrays of the other types above | exact | refused |")
    return _INTRODUCTION + "\n".join(lines) + "\n" + _REST


def _ask(base: str, *, captured: bool) -> TypeVerdict:
    column_type = ColumnType(
        formatted=base, schema="pg_catalog", name=base, base=base, base_schema="pg_catalog", category="b"
    )
    return judge(ColumnDefinition("c", column_type, nullable=True), target_schema="dbo", captured=captured)


def _words(verdict: TypeVerdict) -> str:
    match verdict.verdict:
        case Verdict.EXACT:
            return "exact"
        case Verdict.EXACT_IF_VALUES:
            return f"exact, but not {verdict.inexact_values}"
        case Verdict.REFUSED:
            reason = verdict.remedy.partition(": leave")[0] if ": leave" in verdict.remedy else ""
            return f"refused ({reason})" if reason else "refused"


def _shown(base: str) -> str:
    return f"{base.removeprefix('_')}[]" if base.startswith("_") else base


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
