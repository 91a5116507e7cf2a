"""Whether a text is T-SQL, by a parser that is not ours."""

import sqlglot
from sqlglot import expressions


def parsed(statement: str) -> list[str]:
    """Parse every statement of a text; the kinds of what was found. An unknown one is an error, not a `Command`."""
    found = [tree for tree in sqlglot.parse(statement, dialect="tsql") if tree is not None]
    assert found
    assert not any(isinstance(tree, expressions.Command) for tree in found), statement
    return [type(tree).__name__ for tree in found]
