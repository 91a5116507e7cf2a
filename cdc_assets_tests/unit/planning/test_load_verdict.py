"""A load is true only when each transaction left what it sent, and no other left anything."""

from cdc_assets.model.table import TableName
from cdc_assets.planning.chunks import Chunk
from cdc_assets.planning.load_verdict import Found, differences

_FIRST, _SECOND = (Chunk(number, TableName("public", "t"), number, number + 1, 0) for number in range(2))
_SENT = {10: (_FIRST, Found(3, 111)), 11: (_SECOND, Found(2, 222))}


def _sentences(present: dict[int, Found]) -> list[str]:
    return [str(difference) for difference in differences(_SENT, present)]


def test_equal() -> None:
    assert _sentences({10: Found(3, 111), 11: Found(2, 222)}) == []


def test_a_missing_row_names_chunk_and_counts() -> None:
    assert _sentences({10: Found(2, 99), 11: Found(2, 222)}) == [
        "chunk 0 of public.t (blocks 0 to 1): 3 rows sent, 2 present"
    ]


def test_a_changed_row_of_equal_count_is_told_as_content() -> None:
    assert _sentences({10: Found(3, 112), 11: Found(2, 222)}) == [
        "chunk 0 of public.t (blocks 0 to 1): 3 rows sent and present, but their content differs"
    ]


def test_a_whole_chunk_missing() -> None:
    assert _sentences({11: Found(2, 222)}) == ["chunk 0 of public.t (blocks 0 to 1): 3 rows sent, 0 present"]


def test_rows_of_nobody() -> None:
    assert _sentences({10: Found(3, 111), 11: Found(2, 222), 12: Found(1, 5)}) == [
        "1 rows were written by another transaction (12)"
    ]
