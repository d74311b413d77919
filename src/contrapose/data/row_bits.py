"""One bit for each row: twelve megabytes for a hundred million."""

from __future__ import annotations

import numpy as np

#: Bits are grown by at least this many bytes.
_GROWTH = 1 << 16


class RowBits:
    """Bits by row number, 0 where none was set. It grows as rows are named.

    >>> bits = RowBits()
    >>> bits.set(np.array([0, 9]))
    >>> bits.between(0, 4).tolist(), bits.between(8, 12).tolist()
    ([True, False, False, False], [False, True, False, False])
    """

    def __init__(self, packed: np.ndarray | None = None) -> None:
        self.packed = np.zeros(0, dtype=np.uint8) if packed is None else packed

    def set(self, row_N: np.ndarray) -> None:
        """Make the bits of these rows 1. A row may be named twice."""
        if not len(row_N):
            return
        needed = int(row_N.max()) // 8 + 1
        if needed > len(self.packed):
            grown = np.zeros(max(needed, 2 * len(self.packed), _GROWTH), dtype=np.uint8)
            grown[: len(self.packed)] = self.packed
            self.packed = grown
        np.bitwise_or.at(self.packed, row_N >> 3, np.uint8(1) << (row_N & 7).astype(np.uint8))

    def clear(self, row_N: np.ndarray) -> None:
        """Make the bits of these rows, which were named before, 0."""
        np.bitwise_and.at(self.packed, row_N >> 3, ~(np.uint8(1) << (row_N & 7).astype(np.uint8)))

    def between(self, start: int, stop: int) -> np.ndarray:
        """(stop - start,) bool: the bits of the rows from ``start`` on."""
        first, after = start // 8, (stop + 7) // 8
        some = self.packed[first:after]
        bits_N = np.zeros(8 * (after - first), dtype=bool)
        bits_N[: 8 * len(some)] = np.unpackbits(some, bitorder="little")
        return bits_N[start - 8 * first : stop - 8 * first]
