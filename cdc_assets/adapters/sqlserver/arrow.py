"""Rows as Arrow on their way to SQL Server and back: one schema for both, and a checksum of every row.

What the source's reader yields and what the target's reader yields are brought to the same Arrow types; then equal rows
have equal bytes. Nothing is rounded or cut: a value that does not fit raises ValueError.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc
from xxhash import xxh3_64_intdigest

from cdc_assets.planning.table_changes import TargetColumn

CHECKSUM_MASK = (1 << 64) - 1
_SIZED = re.compile(r"(?P<name>\w+)\((?P<first>\d+|max)(?:,(?P<second>\d+))?\)")
_PLAIN = {
    "bit": pa.bool_(),
    "smallint": pa.int16(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "date": pa.date32(),
    "uniqueidentifier": pa.binary(16),
}
_OF_ANY_SIZE = {
    "float": pa.float64(),
    "time": pa.time64("us"),
    "datetime2": pa.timestamp("us"),
    "datetimeoffset": pa.timestamp("us", "UTC"),
    "varbinary": pa.large_binary(),
    "nvarchar": pa.large_string(),
}
_UUID_BYTES = 16


def arrow_schema(columns: Sequence[TargetColumn]) -> pa.Schema:
    """The Arrow types in which rows of these columns are sent and compared."""
    return pa.schema([pa.field(column.name, arrow_type(column.type_sql)) for column in columns])


def arrow_type(type_sql: str) -> pa.DataType:
    """The Arrow type for a column of the target; ValueError for one that no rule makes."""
    if type_sql in _PLAIN:
        return _PLAIN[type_sql]
    sized = _SIZED.fullmatch(type_sql)
    if sized is not None and sized["name"] == "decimal":
        return pa.decimal128(int(sized["first"]), int(sized["second"] or 0))
    if sized is None or sized["name"] not in _OF_ANY_SIZE:
        msg = f"no Arrow type for {type_sql}"
        raise ValueError(msg)
    return _OF_ANY_SIZE[sized["name"]]


def conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Bring a batch to the schema, column by column in its order; ValueError names the column that does not fit."""
    columns = [_conform(batch.column(position), field) for position, field in enumerate(schema)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def row_checksums(batch: pa.RecordBatch) -> Iterator[int]:
    """Yield the xxh3 hash of every row: equal only for equal values in every column."""
    joined = _row_bytes(batch)
    offsets, content = _parts(joined)
    view = memoryview(content)
    for begin, end in pairwise(offsets):
        yield xxh3_64_intdigest(view[begin:end])


def _conform(array: pa.Array, field: pa.Field) -> pa.Array:
    try:
        if isinstance(array, pa.ExtensionArray):
            # PostgreSQL's numeric is text in one, its uuid sixteen bytes in another.
            array = array.storage
        if field.type == pa.binary(_UUID_BYTES) and (
            pa.types.is_string(array.type) or pa.types.is_large_string(array.type)
        ):
            return _uuid_bytes(array)
        return array if array.type == field.type else array.cast(field.type)
    except (pa.ArrowException, ValueError, NotImplementedError) as error:
        msg = f"column {field.name}: a value of it does not fit {field.type}"
        raise ValueError(msg) from error


def _uuid_bytes(array: pa.Array) -> pa.Array:
    """SQL Server prints a uniqueidentifier in upper case: bytes tell nothing of the case."""
    bare = pc.replace_substring(array, "-", "")
    return pa.array(
        [None if text is None else bytes.fromhex(text) for text in bare.to_pylist()], pa.binary(_UUID_BYTES)
    )


def _row_bytes(batch: pa.RecordBatch) -> pa.Array:
    """Every row as one binary value: length and bytes of each cell, `n` for NULL, so that no two rows are alike."""
    if batch.num_columns == 0:
        return pa.array([b""] * batch.num_rows, pa.large_binary())
    cells = [_cell_bytes(column) for column in batch.columns]
    return pc.binary_join_element_wise(*cells, pa.scalar(b"", pa.large_binary()))


def _cell_bytes(array: pa.Array) -> pa.Array:
    text = _as_bytes(array)
    length = pc.binary_length(text).cast(pa.large_string()).cast(pa.large_binary())
    separator = pa.scalar(b"", pa.large_binary())
    whole = pc.binary_join_element_wise(length, pa.scalar(b":", pa.large_binary()), text, separator)
    return pc.fill_null(whole, pa.scalar(b"n", pa.large_binary()))


def _as_bytes(array: pa.Array) -> pa.Array:
    kind = array.type
    if pa.types.is_floating(kind):
        # As bits: text would call two different values of zero, or of less than shown digits, equal.
        bits = pa.int32() if kind == pa.float32() else pa.int64()
        array = array.view(bits)
    elif pa.types.is_temporal(kind):
        array = array.view(pa.int32()) if kind == pa.date32() else array.view(pa.int64())
    elif pa.types.is_fixed_size_binary(kind):
        return array.cast(pa.large_binary())
    elif pa.types.is_large_binary(kind):
        return array
    return array.cast(pa.large_string()).cast(pa.large_binary())


def _parts(joined: pa.Array) -> tuple[list[int], pa.Buffer]:
    """The offsets and the content of a binary array without NULLs."""
    _, offsets, content = joined.buffers()
    view = memoryview(offsets).cast("q")
    begin = joined.offset
    return list(view[begin : begin + len(joined) + 1]), content if content is not None else pa.py_buffer(b"")
