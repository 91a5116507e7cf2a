"""Every T-SQL text of the adapter, found in its sources, is T-SQL to a parser that is not ours."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import cdc_assets.adapters.sqlserver
from cdc_assets_tests.unit.sqlserver.tsql import parsed

_SOURCES = sorted(Path(cdc_assets.adapters.sqlserver.__file__).parent.glob("*.py"))
_BEGINS = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|TRUNCATE|SET|EXEC|IF|WITH) ")
# What stands for a part that is put in: an identifier unless the part is known to be something else.
_PARTS = (
    (re.compile(r"literal\(.*\)|^literal"), "N'x'"),
    (re.compile(r"^(timeout|_LOCK_MILLISECONDS)$"), "1"),
    (re.compile(r"_column, columns"), "[a] int NULL"),
    (re.compile(r"^NAMES$"), "nvarchar(128)"),
    (re.compile(r"bindable\(insert\)"), "INSERT INTO [t] ([a]) SELECT [a] FROM [s]"),
)
_BOUND = re.compile(r"(?<![\w:\\]):(\w+)")


def _part(text: str) -> str:
    return next((stand_in for shape, stand_in in _PARTS if shape.search(text)), "[x]")


def _text(node: ast.expr) -> str | None:
    """The text of a string with a stand-in for each part that is put into it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"\{(\w+)\}", lambda found: _part(found[1].upper()), node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(
            _part(ast.unparse(piece.value)) if isinstance(piece, ast.FormattedValue) else _text(piece) or ""
            for piece in node.values
        )
    return None


def _statements() -> Iterator[tuple[str, str]]:
    for source in _SOURCES:
        tree = ast.parse(source.read_text(encoding="utf-8"))
        inner = {id(piece) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for piece in node.values}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in inner:
                text = _text(node)
                if text is not None and _BEGINS.match(text):
                    yield f"{source.stem}:{node.lineno}", _BOUND.sub(r"@\1", text)


_FOUND = dict(_statements())


@pytest.mark.parametrize("text", _FOUND.values(), ids=list(_FOUND))
def test_a_text_is_t_sql(text: str) -> None:
    parsed(text)
