"""How a table is cut into chunks: ctid ranges of about the same number of bytes, free of gaps and overlaps.

A range of ctids names the same rows only under one snapshot: chunks never outlive the snapshot they were planned for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cdc_assets.model.table import TableName

BLOCK_BYTES = 8192


@dataclass(frozen=True, slots=True)
class LeafSize:
    """Size of a table that holds rows.

    Heap blocks, and all bytes with TOAST and its index; `file` is the number of its file, new after a rewrite.
    """

    leaf: TableName
    heap_blocks: int
    total_bytes: int
    file: int | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Blocks `first_block` up to, not with, `end_block` of a leaf; no end for the last chunk of a leaf.

    `number` is unique within the table. `leaf_file` is the file the blocks are of: in another one they hold other rows.
    """

    number: int
    leaf: TableName
    first_block: int
    end_block: int | None
    estimated_bytes: int
    leaf_file: int | None = None

    def __str__(self) -> str:
        """For people: which part of which leaf."""
        end = "end" if self.end_block is None else str(self.end_block)
        return f"chunk {self.number} of {self.leaf} (blocks {self.first_block} to {end})"


def plan_chunks(leaves: Sequence[LeafSize], *, chunk_bytes: int) -> tuple[Chunk, ...]:
    """Cut every leaf into chunks of about `chunk_bytes`: at least one a leaf, together every possible ctid once."""
    chunks: list[Chunk] = []
    for size in leaves:
        blocks = max(1, size.heap_blocks)
        # TOAST is read with the row that points to it, so it counts for the heap block.
        bytes_per_block = max(BLOCK_BYTES, size.total_bytes // blocks)
        step = max(1, chunk_bytes // bytes_per_block)
        starts = range(0, blocks, step)
        for start in starts:
            last = start + step >= blocks
            chunks.append(
                Chunk(
                    number=len(chunks),
                    leaf=size.leaf,
                    first_block=start,
                    end_block=None if last else start + step,
                    estimated_bytes=min(step, blocks - start) * bytes_per_block if size.heap_blocks else 0,
                    leaf_file=size.file,
                )
            )
    return tuple(chunks)
