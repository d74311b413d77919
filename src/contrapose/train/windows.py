"""A shuffle for rows that lie in row groups: a few groups at a time, in random order, and all their rows mixed.

An epoch goes through all row groups in a shuffled order. Groups that follow one another make a window, as many as fit
its bytes, at least one; the rows of a window are shuffled among all of them. So each group is unpacked once in an
epoch, and a batch holds rows of a whole window: eight groups of a million rows of 30 bytes, by default.

Everything is a pure function of the seed, the epoch and the position, so a run goes on at any step with the rows that
an uninterrupted one takes, after unpacking one window.

    position in the epoch  ->  window, by the rows of the windows before  ->  row of the window, by a shuffle of its own
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from contrapose.seeds import derive, permute


@dataclass(frozen=True)
class WindowOrder:
    """The rows 0, 1, ... of groups of ``num_rows_G`` rows and ``bytes_G`` bytes each, as every epoch shuffles them.

    >>> order = WindowOrder(np.array([3, 2, 4]), np.array([30, 20, 40]), window_bytes=60, seed=0)
    >>> sorted(order.at(np.arange(9), epoch=0).tolist())
    [0, 1, 2, 3, 4, 5, 6, 7, 8]
    """

    num_rows_G: np.ndarray
    bytes_G: np.ndarray
    window_bytes: int
    seed: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "_epoch", lru_cache(maxsize=2)(self._lay_out))

    def at(self, position_N: np.ndarray, epoch: int) -> np.ndarray:
        """(N,) the rows that stand at these positions of the epoch."""
        laid_out: _Epoch = self._epoch(epoch)  # type: ignore[attr-defined]  # set in __post_init__
        rows_N = np.empty(len(position_N), dtype=np.int64)
        window_N = np.searchsorted(laid_out.window_ends, position_N, side="right")
        for window in np.unique(window_N):
            here = window_N == window
            start = int(laid_out.window_ends[window - 1]) if window else 0
            size = int(laid_out.window_ends[window]) - start
            key = derive(self.seed, "window", epoch, int(window))
            mixed = start + permute(position_N[here] - start, size, key)
            place = np.searchsorted(laid_out.ends_G, mixed, side="right")
            rows_N[here] = laid_out.first_G[place] + mixed - (laid_out.ends_G[place] - laid_out.size_G[place])
        return rows_N

    def _lay_out(self, epoch: int) -> _Epoch:
        filled = np.flatnonzero(self.num_rows_G)
        order = filled[permute(np.arange(len(filled)), len(filled), derive(self.seed, "windows", epoch))]
        starts = np.cumsum(self.num_rows_G) - self.num_rows_G
        size_G = self.num_rows_G[order]
        ends_G = np.cumsum(size_G)
        last = [place - 1 for place in _first_of_windows(self.bytes_G[order], self.window_bytes)[1:]]
        return _Epoch(starts[order], size_G, ends_G, ends_G[[*last, len(order) - 1]])


@dataclass(frozen=True)
class _Epoch:
    """Of each group, in the order of the epoch: its first row, its size, the position after it. And after windows."""

    first_G: np.ndarray
    size_G: np.ndarray
    ends_G: np.ndarray
    window_ends: np.ndarray


def _first_of_windows(bytes_G: np.ndarray, window_bytes: int) -> list[int]:
    """Where windows begin: a group that does not fit into one begins the next."""
    first, held = [0], 0
    for number, size in enumerate(bytes_G.tolist()):
        if number > first[-1] and held + size > window_bytes:
            first.append(number)
            held = 0
        held += size
    return first
