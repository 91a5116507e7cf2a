"""Chunks hold every row of a view exactly once."""

from hypothesis import given, settings
from hypothesis import strategies as st

from cdc_assets.model.table import TableName
from cdc_assets.planning.chunks import BLOCK_BYTES, Chunk, LeafSize, plan_chunks

_LEAVES = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 1 << 34)), min_size=1, max_size=5)


def _sizes(leaves: list[tuple[int, int]]) -> list[LeafSize]:
    return [
        LeafSize(TableName("public", f"leaf{number}"), blocks, size, file=number)
        for number, (blocks, size) in enumerate(leaves)
    ]


@settings(deadline=None)
@given(_LEAVES, st.integers(1, 1 << 30))
def test_every_block_of_every_leaf_is_in_exactly_one_chunk(leaves: list[tuple[int, int]], chunk_bytes: int) -> None:
    sizes = _sizes(leaves)
    chunks = plan_chunks(sizes, chunk_bytes=chunk_bytes)

    assert [chunk.number for chunk in chunks] == list(range(len(chunks)))
    for size in sizes:
        own = [chunk for chunk in chunks if chunk.leaf == size.leaf]
        assert own[0].first_block == 0
        # The last has no end: rows beyond the blocks that were counted would be in it.
        assert own[-1].end_block is None
        assert all(chunk.leaf_file == size.file for chunk in own)
        assert [chunk.end_block for chunk in own[:-1]] == [chunk.first_block for chunk in own[1:]]


def test_a_chunk_has_about_the_bytes_asked_for_with_toast() -> None:
    plain, toasted = _sizes([(1000, 1000 * BLOCK_BYTES), (1000, 10_000 * BLOCK_BYTES)])

    assert len(plan_chunks([plain], chunk_bytes=100 * BLOCK_BYTES)) == 10
    assert len(plan_chunks([toasted], chunk_bytes=100 * BLOCK_BYTES)) == 100


def test_an_empty_leaf_has_one_chunk_of_no_bytes() -> None:
    (chunk,) = plan_chunks(_sizes([(0, 0)]), chunk_bytes=1)

    assert (chunk.first_block, chunk.end_block, chunk.estimated_bytes) == (0, None, 0)


def test_a_chunk_names_itself() -> None:
    leaf = TableName("public", "t")

    assert str(Chunk(3, leaf, 8, 16, 0)) == "chunk 3 of public.t (blocks 8 to 16)"
    assert str(Chunk(3, leaf, 8, None, 0)) == "chunk 3 of public.t (blocks 8 to end)"
