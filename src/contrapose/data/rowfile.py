"""Texts by row id from a memory-mapped Arrow file: any row at once, and no more memory than the rows asked for."""

from __future__ import annotations

import mmap
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from contrapose.errors import CorruptFile, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows per record batch. Smaller finds a row faster, larger costs less to open.
BATCH_ROWS = 8_192

#: Bytes of text after which a batch is closed early: Arrow's offsets end at 2 GiB, and memory should stay flat.
BATCH_BYTES = 32 << 20

#: Of each batch: the rows and the bytes of the file up to its end, and the CRC-32 of the bytes since the last.
BLOCK = np.dtype([("rows", "<i8"), ("bytes", "<i8"), ("crc", "<u4")])


def text_schema(columns: Sequence[str]) -> pa.Schema:
    """Columns of texts, as Arrow says it."""
    import pyarrow as pa

    return pa.schema([(name, pa.string()) for name in columns])


class RowWriter:
    """Writes columns of texts into an Arrow IPC file, batch by batch, to any binary file."""

    def __init__(self, file: BinaryIO, columns: Sequence[str]) -> None:
        import pyarrow as pa

        self._file = _Checked(file)
        self._writer = pa.ipc.new_file(self._file, text_schema(columns))
        self._blocks: list[tuple[int, int, int]] = []
        self._num_rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Append a batch of texts, less than 2 GiB together."""
        if batch.num_rows:
            self._writer.write_batch(batch)
            self._num_rows += batch.num_rows
            self._end_block()

    def close(self) -> None:
        """Write the footer; without it the file cannot be opened."""
        self._writer.close()
        self._end_block()

    def blocks(self) -> np.ndarray:
        """(batches + 1,) of :data:`BLOCK`: what a reader finds and checks the batches by; at last, the footer."""
        return np.array(self._blocks, dtype=BLOCK)

    def _end_block(self) -> None:
        self._blocks.append((self._num_rows, self._file.position, self._file.crc))
        self._file.crc = 0


class _Checked:
    """A file that is only written to, with the CRC-32 of what was."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.crc, self.position = file, 0, 0

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self.crc = zlib.crc32(view, self.crc)
        self.position += view.nbytes
        self._file.write(view)
        return view.nbytes

    def tell(self) -> int:
        return self.position

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        """Whoever opened the file closes it."""


class RowFile:
    """An Arrow IPC file of texts, mapped into memory.

    blocks: of :meth:`RowWriter.blocks`. With them nothing but the footer is read on opening, whatever the size, and
    each batch is compared with its checksum when a row of it is first asked for. Without them (or with ``checked``,
    where the whole file was compared before), it is not.

    Raises :class:`CorruptFile` on opening something else, and where a batch is not what was written.
    """

    def __init__(self, path: Path, blocks: np.ndarray | None = None, *, checked: bool = False) -> None:
        import pyarrow as pa

        self._path = path
        try:
            self._reader = pa.ipc.open_file(pa.memory_map(str(path)))
            self.columns = tuple(self._reader.schema.names)
            count = self._reader.num_record_batches
            self._batches: dict[int, pa.RecordBatch] = {}
            if blocks is None:
                self._ends = np.cumsum([self._batch(i).num_rows for i in range(count)], dtype=np.int64)
        except (pa.ArrowException, OSError) as error:
            raise CorruptFile(f"{path} is no Arrow file of texts: {error}. Build the corpus again") from None
        self._blocks = None if checked else blocks
        if blocks is not None:
            if len(blocks) != count + 1:
                raise CorruptFile(f"{path} does not fit its checksums. Build the corpus again")
            self._ends = blocks["rows"][:-1].astype(np.int64)
        self._unchecked = np.ones(count, dtype=bool)
        self._reading = threading.Lock()

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def take(self, row_ids: np.ndarray | Sequence[int]) -> dict[str, list[str]]:
        """The texts of ``row_ids`` (N,), in that order, ids may repeat: column name -> N texts.

        Raises :class:`UsageError` for an id outside [0, len).
        """
        import pyarrow as pa

        ids = within(row_ids, len(self))
        texts: dict[str, list[str]] = {name: [""] * len(ids) for name in self.columns}
        for number, group in by_block(self._ends, ids):
            batch = self._checked_batch(number)
            local = ids[group] - (self._ends[number] - batch.num_rows)
            indices = pa.array(local)
            for position, name in enumerate(self.columns):
                column, into = batch.column(position).take(indices).to_pylist(), texts[name]
                for position, text in zip(group.tolist(), column, strict=True):
                    into[position] = text
        return texts

    def batches(self) -> Iterator[Mapping[str, list[str]]]:
        """All rows in order, some thousands at a time."""
        for number in range(len(self._ends)):
            yield self._checked_batch(number).to_pydict()

    def column(self, name: str) -> Iterator[list[str]]:
        """One column of all rows in order, some thousands at a time."""
        for number in range(len(self._ends)):
            yield self._checked_batch(number).column(name).to_pylist()

    def _batch(self, number: int) -> pa.RecordBatch:
        if number not in self._batches:
            self._batches[number] = self._reader.get_batch(number)
        return self._batches[number]

    def _checked_batch(self, number: int) -> pa.RecordBatch:
        import pyarrow as pa

        with self._reading:
            if self._blocks is not None and self._unchecked[number]:
                self._check(number, self._blocks)
                self._unchecked[number] = False
            try:
                return self._batch(number)
            except (pa.ArrowException, OSError) as error:
                raise CorruptFile(
                    f"{self._path} is no Arrow file of texts: {error}. Build the corpus again"
                ) from None

    def _check(self, number: int, blocks: np.ndarray) -> None:
        start = int(blocks["bytes"][number - 1]) if number else 0
        end = int(blocks["bytes"][number])
        with (
            open(self._path, "rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped)[start:end] as block,
        ):
            crc = zlib.crc32(block) if len(block) == end - start else None
        if crc != int(blocks["crc"][number]):
            first = int(self._ends[number - 1]) if number else 0
            raise CorruptFile(
                f"{self._path} is damaged: its rows {first:,} to {int(self._ends[number]) - 1:,} are not what was "
                "written. Build the corpus again"
            )


def within(row_ids: np.ndarray | Sequence[int], count: int) -> np.ndarray:
    """Row ids as int64. Raises :class:`UsageError` for an id outside [0, count)."""
    ids = np.asarray(row_ids, dtype=np.int64)
    if ids.size and (ids.min() < 0 or ids.max() >= count):
        raise UsageError(f"row ids run from 0 to {count - 1}, got {ids.min()} to {ids.max()}")
    return ids


def by_block(ends: np.ndarray, ids: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """The blocks that ids lie in, which end at the rows ``ends``: number of the block, positions in ``ids``."""
    if not len(ids):
        return
    block_of = np.searchsorted(ends, ids, side="right")
    order = np.argsort(block_of, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(block_of[order])) + 1):
        yield int(block_of[group[0]]), group
