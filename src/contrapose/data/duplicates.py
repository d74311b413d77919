"""Which rows were seen before: 16 bytes of memory per distinct row, in flat arrays.

For the first million rows or so; ``spilled_digests.py`` goes on from there, on disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

#: Bytes of a digest. Two different rows meet with a probability of about rows**2 / 2**129: never.
DIGEST_BYTES = 16

#: Runs are merged up to this many digests, so a merge needs at most some 300 MB beside them.
MAX_RUN = 1 << 22


class SeenRows:
    """A growing set of digests that is asked and filled a batch at a time.

    Sorted runs, each at least twice as long as the next, as in a log-structured merge tree: a batch is looked up in
    every run by binary search and then becomes a run of its own.

    >>> seen = SeenRows()
    >>> seen.first_seen([b"a" * 16, b"b" * 16, b"a" * 16]).tolist()
    [True, True, False]
    >>> seen.first_seen([b"b" * 16, b"c" * 16]).tolist(), len(seen)
    ([False, True], 3)
    """

    def __init__(self) -> None:
        self._runs: list[np.ndarray] = []

    def __len__(self) -> int:
        return sum(len(run) for run in self._runs)

    @property
    def nbytes(self) -> int:
        """Memory held between calls."""
        return sum(run.nbytes for run in self._runs)

    def runs(self) -> Iterator[np.ndarray]:
        """All digests, some at a time, sorted; the set is empty afterwards."""
        while self._runs:
            yield self._runs.pop()

    def first_seen(self, digests: np.ndarray | Sequence[bytes]) -> np.ndarray:
        """(N,) bool: True where a digest comes for the first time, in this batch and ever. Adds them all.

        digests: an array (N,) of 16 bytes each, or a list.
        """
        first = np.zeros(len(digests), dtype=bool)
        if not len(digests):
            return first
        table = digests if isinstance(digests, np.ndarray) else _table(digests)
        distinct, where = np.unique(table, return_index=True)
        new = np.ones(len(distinct), dtype=bool)
        for run in self._runs:
            nearest = np.minimum(np.searchsorted(run, distinct), len(run) - 1)
            new &= run[nearest] != distinct
        first[where[new]] = True
        if new.any():
            self._add(distinct[new])
        return first

    def _add(self, run: np.ndarray) -> None:
        self._runs.append(run)
        while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
            if len(self._runs[-2]) + len(self._runs[-1]) > MAX_RUN:
                return
            merged = np.concatenate([self._runs.pop(), self._runs.pop()])
            merged.sort(kind="stable")
            self._runs.append(merged)


def _table(digests: Sequence[bytes]) -> np.ndarray:
    joined = b"".join(digests)
    if len(joined) != DIGEST_BYTES * len(digests):
        raise ValueError(f"digests are {DIGEST_BYTES} bytes each")
    return np.frombuffer(joined, dtype=f"S{DIGEST_BYTES}")
