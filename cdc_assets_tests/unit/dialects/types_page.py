"""Renders `docs/types.md` from the type registry.

`python -m cdc_assets_tests.unit.dialects.types_page` writes the page; a test compares it.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path

from cdc_assets.dialects.type_registry import TypeVerdict, Verdict, judge
from cdc_assets.dialects.type_rules import BUILT_IN, EXTENSIONS, REFUSED_IN_KEY, SEVERAL_FORMS
from cdc_assets.model.pipeline import Product
from cdc_assets.model.table import ColumnDefinition, ColumnType

PAGE = Path(__file__).parents[3] / "docs" / "types.md"
_INTRODUCTION = """# Types: what arrives exactly

Written from `cdc_assets/dialects/type_rules.py` by `python -m cdc_assets_tests.unit.dialects.types_page`; a test keeps
it current. Types by their name in `pg_type`, `x[]` is an array of `x`. First for PostgreSQL targets, then for
[SQL Server](#to-sql-server).

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
_SQL_SERVER = """
## To SQL Server

What a column becomes, and which of its values SQL Server can hold. A load reads it by the expression in `select` (the
column itself where there is none) as Arrow and copies it in bulk; in a stream the converter sends numbers, dates and
times, and what becomes text, as text. The sink makes numbers of it again, or the server reads it; **a value that comes
after the start and that the target cannot hold stops that table's sink** (QUARANTINED), it never arrives as something
else. What the stream sends was compared with what a load reads, value by value at the edges of each type
(`cdc_assets_tests/integration/types/test_sqlserver_texts.py`).

- **exact, but not ...**: as above: `check` and every start count the rows that hold such a value, in one sequential
  read of each such table that is not loaded yet. These values have no form in SQL Server: `options.accept_inexact`
  spares the reading, and then the load or the sink stops at the first of them. Floats nearer to 0 than the smallest
  that SQL Server documents are among them, though its storage may well keep one.
- **text** arrives in the form in which PostgreSQL prints it (intervals in ISO 8601), so what SQL Server makes of it is
  yours to say. `varchar(n)` counts characters, `nvarchar` UTF-16 units: hence twice the length.
- **In a key**: text becomes `nvarchar` of at most 450 characters with a collation that tells case and accents apart;
  keys that end in a blank or are longer are looked for before the start: to SQL Server `'a '` is `'a'`. One that
  comes later stops its table's sink before it takes the other's row; without the converter it takes it. bytea, bits,
  intervals and what becomes text without a length of its own cannot be keys.
- **Generated columns** are refused: their expressions are PostgreSQL's. **Enums** become text, **domains** the type
  below them, identity columns plain ones; defaults are left out, every row arrives with all its values.

| type | becomes | select | full_load_only | with capture | without the converter |
|---|---|---|---|---|---|
"""


_DECLARED = (
    ("numeric(p, s)", "numeric", "numeric(12,4)"),
    ("varbit(n)", "varbit", "bit varying(8)"),
)
_DECLARED_FOR_SQL_SERVER = (
    ("numeric(12,4)", "numeric", "numeric(12,4)"),
    ("numeric(39,4)", "numeric", "numeric(39,4)"),
    ("varchar(20)", "varchar", "character varying(20)"),
    ("varchar(2001)", "varchar", "character varying(2001)"),
    ("char(20)", "bpchar", "character(20)"),
    ("bit(1)", "bit", "bit(1)"),
    ("timestamp(3)", "timestamp", "timestamp(3) without time zone"),
)


def render() -> str:
    """The page as it should be."""
    return (
        _INTRODUCTION
        + _table(_cells, _DECLARED)
        + _REST.format(refused=_listed(REFUSED_IN_KEY), forms=_listed(SEVERAL_FORMS))
        + _SQL_SERVER
        + _table(_sqlserver_cells, _DECLARED_FOR_SQL_SERVER)
    )


def _table(cells_of: Callable[[ColumnDefinition], tuple[str, ...]], declared: Sequence[tuple[str, str, str]]) -> str:
    """A line for all types of which the same is true."""
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for base in sorted(BUILT_IN, key=lambda name: (name.removeprefix("_"), name)):
        groups[cells_of(_column(base))].append(_shown(base))
    for base in sorted(EXTENSIONS):
        groups[cells_of(_column(base, schema="public"))].append(base)
    for shown, base, formatted in declared:
        groups[cells_of(_column(base, formatted=formatted))].append(shown)
    lines = [f"| {', '.join(names)} | {' | '.join(cells)} |" for cells, names in groups.items()]
    return "\n".join(sorted(lines)) + "\n"


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(map(_shown, names)))


def _cells(column: ColumnDefinition) -> tuple[str, ...]:
    return _verdicts(column, "postgres")


def _sqlserver_cells(column: ColumnDefinition) -> tuple[str, ...]:
    verdict = judge(column, target_schema="dbo", product="sqlserver", captured=False)
    select = verdict.select_sql if verdict.select_sql != '"c"' else ""
    is_refused = verdict.verdict is Verdict.REFUSED
    made = ("", "") if is_refused else (verdict.target_sql, f"`{select}`" if select else "")
    return (*made, *_verdicts(column, "sqlserver"))


def _verdicts(column: ColumnDefinition, product: Product) -> tuple[str, ...]:
    ask = partial(judge, column, target_schema="dbo", product=product)
    alone, stream = ask(captured=False), ask(captured=True)
    plain = ask(captured=True, has_converter=False)
    return _words(alone), _words(stream), "the same" if plain == stream else _words(plain)


def _column(base: str, *, schema: str = "pg_catalog", formatted: str = "") -> ColumnDefinition:
    shown = formatted or base
    column_type = ColumnType(shown, schema, base, base, schema, "b", element=None, base_formatted=shown)
    return ColumnDefinition("c", column_type, nullable=True)


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
