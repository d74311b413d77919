"""Rows as bytes that no other rows give, and their digests: of a whole batch at once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from contrapose.data.duplicates import DIGEST_BYTES

if TYPE_CHECKING:
    import pyarrow as pa


def framed(texts: Sequence[str]) -> bytes:
    """One row: each text with the number of its bytes before it, in 8 bytes, the smallest first.

    >>> framed(["ab", ""])
    b'\\x02\\x00\\x00\\x00\\x00\\x00\\x00\\x00ab\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00'
    """
    parts = []
    for text in texts:
        data = text.encode()
        parts += [len(data).to_bytes(8, "little"), data]
    return b"".join(parts)


def framed_rows(batch: pa.RecordBatch) -> pa.BinaryArray:
    """:func:`framed` of every row of a batch of texts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = []
    for column in batch.columns:
        lengths = np.asarray(pc.binary_length(column)).astype("<i8")
        offsets = np.arange(0, 8 * len(lengths) + 1, 8, dtype=np.int32)
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(lengths)]
        parts += [pa.Array.from_buffers(pa.binary(), len(lengths), buffers), column.cast(pa.binary())]
    return pc.binary_join_element_wise(*parts, b"")


def digests_of(rows: pa.BinaryArray) -> np.ndarray:
    """(N,) of 16 bytes: BLAKE2b of every row."""
    digest = hashlib.blake2b
    joined = b"".join([digest(row, digest_size=DIGEST_BYTES).digest() for row in rows.to_pylist()])
    return np.frombuffer(joined, dtype=f"S{DIGEST_BYTES}")


def joined(rows: pa.BinaryArray) -> memoryview:
    """The bytes of all rows, one after another."""
    if not len(rows):
        return memoryview(b"")
    _, offsets, data = rows.buffers()
    ends = np.frombuffer(offsets, dtype=np.int32)[rows.offset : rows.offset + len(rows) + 1]
    return memoryview(data)[ends[0] : ends[-1]]
