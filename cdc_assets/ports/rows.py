"""In what form rows pass from a source's readers to a target's writers: the target says it, the stages only count."""

from enum import StrEnum
from typing import TypeVar

Row = TypeVar("Row")
"""What a reader yields and a writer takes: `bytes` of one row, or a `pyarrow.RecordBatch` of many."""


class RowForm(StrEnum):
    """The forms."""

    BINARY = "binary"
    """A row in COPY's binary format (PostgreSQL docs, COPY), with its field count, as bytes."""
    ARROW = "arrow"
    """A `pyarrow.RecordBatch` of some megabytes, each column as `TargetColumn.select_sql` reads it."""
