"""Which rows are repetitions, by a file of digests: exact, in bounded memory, for any number of rows.

Digests go to the file in blocks, each sorted by the first byte of the digest. In the end all digests with one first
byte are read from all blocks and sorted together: equal ones are neighbours, and the earliest row of them stays.

    disk      24 bytes for each row: 16 of its digest, 8 of its number
    memory    one block while rows come; then one of 256 parts, or less where a part is larger than the budget
    time      sorting: so little more than linear that reading the rows decides

The file has no name, so nothing is left of it however the process ends. Two different rows are taken for one with a
probability of about rows**2 / 2**129: with 10**11 rows, less than 10**-16.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from contrapose.storage import syscalls
from contrapose.storage.syscalls import reporting

#: A digest of 16 bytes as two numbers, and the row that it is of; -1 for one that is kept whatever comes.
RECORD = np.dtype([("first", ">u8"), ("last", ">u8"), ("row", "<i8")])

#: Rows of a block.
BLOCK_ROWS = 1 << 20

#: Bytes that may be held while the parts are sorted.
MEMORY = 256 << 20

#: What sorting holds for each byte of a part: the part, its copy in order, and the order.
_COPIES = 3

_PARTS = 256


class SpilledDigests:
    """A growing file of digests in ``folder``: :meth:`add` them in the order of their rows, then ask :meth:`repeated`.

    >>> with SpilledDigests(Path(".")) as digests:
    ...     digests.add(np.array([b"a" * 16, b"b" * 16], dtype="S16"), np.array([-1, -1]))
    ...     digests.add(np.array([b"b" * 16, b"c" * 16, b"c" * 16], dtype="S16"), np.array([0, 1, 2]))
    ...     np.concatenate(list(digests.repeated())).tolist()
    [0, 2]
    """

    def __init__(self, folder: Path, *, memory: int = MEMORY, block_rows: int = BLOCK_ROWS) -> None:
        self._folder, self._memory, self._block_rows = folder, memory, block_rows
        with reporting(folder):
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - closed by close
        self._waiting: list[np.ndarray] = []
        self._num_waiting = 0
        #: Of each block: the number of the first record of each part, and of the end.
        self._starts: list[np.ndarray] = []
        self._size = 0

    def __enter__(self) -> SpilledDigests:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the disk space back."""
        self._file.close()

    def add(self, digest_N: np.ndarray, row_N: np.ndarray) -> None:
        """Digests (N,) of 16 bytes and the numbers of their rows (N,), which rise from call to call; or -1."""
        records = np.empty(len(digest_N), dtype=RECORD)
        halves_N2 = np.ascontiguousarray(digest_N).view(">u8").reshape(-1, 2)
        records["first"], records["last"], records["row"] = halves_N2[:, 0], halves_N2[:, 1], row_N
        self._waiting.append(records)
        self._num_waiting += len(records)
        if self._num_waiting >= self._block_rows:
            self._write()

    def repeated(self) -> Iterator[np.ndarray]:
        """The numbers of rows whose digest a row before them has, in no order, some at a time."""
        self._write()
        for part in range(_PARTS):
            num_records = sum(int(starts[part + 1] - starts[part]) for starts in self._starts)
            pieces = max(1, -(-num_records * RECORD.itemsize * _COPIES // self._memory))
            for piece in range(pieces):
                yield _repetitions(self._read(part, piece, pieces))

    def _write(self) -> None:
        if not self._num_waiting:
            return
        records = np.concatenate(self._waiting)
        self._waiting, self._num_waiting = [], 0
        part = _part_of(records)
        counts = np.bincount(part, minlength=_PARTS)
        records = records[np.argsort(part, kind="stable")]
        self._starts.append(self._size + np.concatenate([[0], np.cumsum(counts)]))
        self._size += len(records)
        with reporting(self._folder):
            syscalls.write_all(self._file.fileno(), records.data.cast("B"))

    def _read(self, part: int, piece: int, pieces: int) -> np.ndarray:
        """The records of a part, in the order they came in; where it is large, those of one of its pieces."""
        found = []
        for starts in self._starts:
            size = int(starts[part + 1] - starts[part]) * RECORD.itemsize
            with reporting(self._folder, "read"):
                data = os.pread(self._file.fileno(), size, int(starts[part]) * RECORD.itemsize)
            records = np.frombuffer(data, dtype=RECORD)
            if pieces > 1:
                records = records[(records["last"] % np.uint64(pieces)).astype(np.int64) == piece]
            found.append(records)
        return np.concatenate(found) if found else np.empty(0, dtype=RECORD)


def _part_of(records: np.ndarray) -> np.ndarray:
    part: np.ndarray = (records["first"] >> np.uint64(56)).astype(np.uint8)
    return part


def _repetitions(records: np.ndarray) -> np.ndarray:
    """The rows of records whose digest stands in an earlier one."""
    first, last = records["first"].astype(np.uint64), records["last"].astype(np.uint64)
    order = np.argsort(first, kind="stable")
    same_first = first[order[1:]] == first[order[:-1]]
    same = same_first & (last[order[1:]] == last[order[:-1]])
    if not np.array_equal(same, same_first):  # two digests that share their first half only: sort by both
        order = np.lexsort((last, first))
        same = (first[order[1:]] == first[order[:-1]]) & (last[order[1:]] == last[order[:-1]])
    rows = records["row"][order[1:]][same]
    repeated: np.ndarray = rows[rows >= 0]
    return repeated
