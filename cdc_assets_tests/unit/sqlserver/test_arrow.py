"""Rows as Arrow: both sides in one form, equal rows with equal checksums, and nothing rounded on the way."""

import uuid

import pyarrow as pa
import pytest

from cdc_assets.adapters.postgres.arrow_reader import select_chunk
from cdc_assets.adapters.sqlserver.arrow import arrow_schema, conform, row_checksums
from cdc_assets.adapters.sqlserver.verification import compare, sums
from cdc_assets.model.table import TableName
from cdc_assets.planning.chunks import Chunk
from cdc_assets.planning.table_changes import TargetColumn

_CHUNK = Chunk(number=0, leaf=TableName("public", "t"), first_block=0, end_block=8, estimated_bytes=1)


def _batch(type_sql: str, *values: object, arrow: pa.DataType | None = None) -> pa.RecordBatch:
    schema = arrow_schema([TargetColumn("c", type_sql, nullable=True)])
    return conform(pa.record_batch([pa.array(values, arrow)], names=["c"]), schema)


def _sums(*columns: tuple[str, list[object]]) -> list[int]:
    schema = pa.schema([pa.field(name, pa.large_string()) for name, _ in columns])
    return list(row_checksums(pa.record_batch([pa.array(values, pa.large_string()) for _, values in columns], schema)))


@pytest.mark.parametrize("text", ["1.123", "NaN", "100", "x"])
def test_a_number_that_does_not_fit_is_an_error_and_never_rounded(text: str) -> None:
    with pytest.raises(ValueError, match="column c: a value of it does not fit") as caught:
        _batch("decimal(4,2)", text)
    assert text not in str(caught.value)


def test_a_number_keeps_its_digits() -> None:
    assert [str(value) for value in _batch("decimal(38,10)", "-12345678901234567890.1234567891", None)[0]] == [
        "-12345678901234567890.1234567891",
        "None",
    ]


def test_a_uuid_is_the_same_from_either_side() -> None:
    value = uuid.uuid4()
    sent = _batch("uniqueidentifier", value.bytes, arrow=pa.binary(16))
    back = _batch("uniqueidentifier", str(value).upper())

    assert sent.equals(back)


def test_cells_cannot_be_mistaken_for_their_neighbours() -> None:
    rows: list[tuple[object, object]] = [("a", "bc"), ("ab", "c"), ("a", None), (None, "a"), ("", "a"), ("1:a", "b")]
    found = _sums(("x", [row[0] for row in rows]), ("y", [row[1] for row in rows]))

    assert len(set(found)) == len(rows)


def test_both_zeros_and_every_bit_of_a_float_count() -> None:
    assert len(set(row_checksums(_batch("float(53)", 0.0, -0.0, 0.1, 0.1 + 2**-56, None)))) == 5


def test_a_slice_has_the_checksums_of_its_rows() -> None:
    batch = _batch("nvarchar(max)", "a", None, "ü😀", "")

    assert list(row_checksums(batch.slice(1, 2))) == list(row_checksums(batch))[1:3]


def _rows(*rows: tuple[int, str | None]) -> pa.RecordBatch:
    schema = arrow_schema(
        [TargetColumn("id", "bigint", nullable=False), TargetColumn("n", "nvarchar(9)", nullable=True)]
    )
    return pa.record_batch([pa.array([row[0] for row in rows]), pa.array([row[1] for row in rows])], schema=schema)


@pytest.mark.parametrize("portions", [1, 3])
def test_differences_are_told_by_chunk_column_and_count_without_a_value(portions: int) -> None:
    sent = _rows((1, "a"), (2, "s3cret"), (3, None), (4, "d"))
    present = _rows((4, "d"), (2, "s3cre"), (1, "a"), (9, "s3cret"))

    found = compare([_CHUNK], lambda _: iter([sent]), lambda: iter([present]), key=["id"], portions=portions)

    assert found == (
        f"{_CHUNK}: 1 rows are missing",
        f"{_CHUNK}: 1 rows differ, in n",
        "1 rows are there that were not sent",
    )
    assert sums([sent]) != sums([present])


def test_equal_rows_in_another_order_are_equal_and_a_double_one_is_found() -> None:
    sent, present = _rows((1, "a"), (2, "b")), _rows((2, "b"), (1, "a"))
    assert sums([sent]) == sums([present])
    assert compare([_CHUNK], lambda _: iter([sent]), lambda: iter([present]), key=["id", "n"], portions=1) == ()

    double = _rows((2, "b"), (1, "a"), (1, "a"))
    assert sums([sent]) != sums([double])
    found = compare([_CHUNK], lambda _: iter([sent]), lambda: iter([double]), key=["id", "n"], portions=1)
    assert found == ("1 rows are there that were not sent",)


def test_a_chunk_is_read_by_the_expression_of_each_type() -> None:
    columns = [
        TargetColumn('a "b', "bigint", nullable=False),
        TargetColumn("i", "nvarchar(49)", nullable=True, select_sql='abbrev("i")'),
    ]

    assert select_chunk(_CHUNK, columns) == (
        'SELECT "a ""b" AS "a ""b", abbrev("i") AS "i" FROM ONLY "public"."t" '
        "WHERE ctid >= '(0,0)' AND ctid < '(8,0)'"
    )
