"""Renders `docs/types.md` from the type registry.

`python -m cdc_assets_tests.unit.dialects.types_page` writes the page; a test compares it.
"""

from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

from cdc_assets.dialects.type_registry import TypeVerdict, Verdict, judge
from cdc_assets.dialects.type_rules import BUILT_IN, EXTENSIONS, REFUSED_IN_KEY, SEVERAL_FORMS
from cdc_assets.model.table import ColumnDefinition, ColumnType

PAGE = Path(__file__).parents[3] / "docs" / "types.md"
_INTRODUCTION = """# Types: what arrives exactly

Written from `cdc_assets/dialects/type_rules.py` by `python -m cdc_assets_tests.unit.dialects.types_page`; a test keeps
it current. PostgreSQL to PostgreSQL; types by their name in `pg_type`, `x[]` is an array of `x`.

A load copies values in PostgreSQL's own binary form. In a stream a value is the server's text, then what Debezium makes
of it, JSON through Kafka, and what the JDBC sink makes of that: not every type survives. Columns of such types travel
as text, through a small [converter](adr/0017-what-json-cannot-carry-travels-as-text.md) that the source connector
loads; the embedded Kafka Connect has it, another cluster is given it once ([own_servers.md](own_servers.md)). What is
called exact below was compared as text after a load, an insert and an update through the whole stack, at the edges of
each type, on a source whose settings (`extra_float_digits`, `bytea_output`, `IntervalStyle`, `DateStyle`) would garble
it (`cdc_assets_tests/integration/types`). What was not measured is refused, never guessed.

- **exact**: nothing to do.
- **exact, but not ...**: `check` and every start look whether a row holds such a value, and refuse the column by name
  if one does. The price is one sequential read of each such table that is not loaded yet (all its columns together);
  the finding tells the table's size. With `options.accept_inexact: [table.column]` the table is not read for that
  column, a warning stands in place of the refusal, and such values arrive as something else, or stop the table's sink.
  **A value that comes after the start is not looked at**: without the converter it arrives as something else without
  a word (NaN as 0, a list of lists as NULLs, a time of another zone in UTC), or stops its table's sink, which shows as
  QUARANTINED; with it there are intervals and XML declarations only. `check` prints the CHECK constraint with which the
  source itself refuses such values; then whoever writes one is told.
- **refused**: leave the column out (`columns: {exclude: [...]}`), or make it `text` on the source.

| type | full_load_only | with capture | without the converter |
|---|---|---|---|
"""
_REST = """
- **In a key**, the primary key or the `key` of the file, a stream carries all of these; without the converter all but
  {refused}: the sink would stop at the first row to be deleted. Such a table is refused by name; `full_load_only` takes
  it. Where two values may be equal and not the same ({forms}; not with a declared precision or length), the sink
  applies events one by one instead of merged, which is slower.
- **Enums** are made in the target's schema when they are missing, with the source's labels. **Domains** become the type
  below them, which decides: their CHECKs, as all CHECKs, stay with the source.
- **Extensions** (citext, hstore, ltree) must be in the target as well.
- **Identity and serial columns** become plain columns: the stream writes the source's values. A **default** is kept
  when it is a constant; NULL written into a column with a default stays NULL. **Stored generated columns** are
  computed by the target from the same expression, as long as it names built-in functions only; virtual ones too in
  `full_load_only`, in a stream they are refused.
- **Collations** stay with the source; a column gets the target database's.
- **money** arrives as the same number of hundredths, whatever `lc_monetary` either side prints it with.
- **-0** of a float is a value of its own: it equals 0, but prints as `-0`; without the converter a stream makes it 0.
- **interval** of more than 2147483647 hours stops the whole source connector, not one table: keep it out.
- **Refused in every mode**: composite types, arrays of enums, domains and of extensions' types, ranges of one's own,
  every type that is not named above.
"""


def render() -> str:
    """The page as it should be."""
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for base in sorted(BUILT_IN, key=lambda name: (name.removeprefix("_"), name)):
        _sort_in(groups, base)
    for base in sorted(EXTENSIONS):
        _sort_in(groups, base, schema="public")
    for formatted, base in (("numeric(p, s)", "numeric"), ("varbit(n)", "varbit")):
        _sort_in(groups, base, formatted=formatted)
    lines = [f"| {', '.join(names)} | {' | '.join(cells)} |" for cells, names in groups.items()]
    return (
        _INTRODUCTION
        + "\n".join(sorted(lines))
        + "\n"
        + _REST.format(refused=_listed(REFUSED_IN_KEY), forms=_listed(SEVERAL_FORMS))
    )


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(map(_shown, names)))


def _sort_in(
    groups: dict[tuple[str, ...], list[str]], base: str, *, schema: str = "pg_catalog", formatted: str = ""
) -> None:
    alone = _ask(base, schema, formatted, captured=False, has_converter=True)
    stream = _ask(base, schema, formatted, captured=True, has_converter=True)
    plain = _ask(base, schema, formatted, captured=True, has_converter=False)
    cells = (_words(alone), _words(stream), "the same" if plain == stream else _words(plain))
    groups[cells].append(formatted or _shown(base))


def _ask(base: str, schema: str, formatted: str, *, captured: bool, has_converter: bool) -> TypeVerdict:
    column_type = ColumnType(
        formatted or base, schema, base, base, schema, "b", element=None, base_formatted=formatted or base
    )
    column = ColumnDefinition("c", column_type, nullable=True)
    return judge(column, target_schema="dbo", captured=captured, has_converter=has_converter)


def _words(verdict: TypeVerdict) -> str:
    match verdict.verdict:
        case Verdict.EXACT:
            return "exact"
        case Verdict.EXACT_IF_VALUES:
            return f"exact, but not {verdict.inexact_values}"
        case Verdict.REFUSED:
            return f"refused: {verdict.reason}"


def _shown(base: str) -> str:
    return f"{base.removeprefix('_')}[]" if base.startswith("_") else base


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
