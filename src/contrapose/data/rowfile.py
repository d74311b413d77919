"""Texts by row id from a memory-mapped Arrow file: any row at once, and no more memory than the rows asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from contrapose.errors import CorruptFile, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows per record batch. Smaller finds a row faster, larger costs less to open.
BATCH_ROWS = 8_192

#: Bytes of text after which a batch is closed early: Arrow's offsets end at 2 GiB, and memory should stay flat.
BATCH_BYTES = 32 << 20


class RowWriter:
    """Writes columns of texts into an Arrow IPC file, batch by batch, to any binary file."""

    def __init__(self, file: BinaryIO, columns: Sequence[str]) -> None:
        import pyarrow as pa

        self._schema = pa.schema([(name, pa.string()) for name in columns])
        self._writer = pa.ipc.new_file(file, self._schema)

    def write(self, rows: Sequence[tuple[str, ...]]) -> None:
        """Append ``rows`` as one batch; their texts must be less than 2 GiB together."""
        import pyarrow as pa

        if rows:
            arrays = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
            self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))

    def close(self) -> None:
        """Write the footer; without it the file cannot be opened."""
        self._writer.close()


class RowFile:
    """An Arrow IPC file of texts, mapped into memory.

    Raises :class:`CorruptFile` on opening something else. A damaged file is not always noticed here: compare its size
    and checksum first.
    """

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        try:
            reader = pa.ipc.open_file(pa.memory_map(str(path)))
            self.columns = tuple(reader.schema.names)
            self._batches: list[pa.RecordBatch] = [
                reader.get_batch(i) for i in range(reader.num_record_batches)
            ]
        except (pa.ArrowException, OSError) as error:
            raise CorruptFile(f"{path} is no Arrow file of texts: {error}. Build the corpus again") from None
        self._ends = np.cumsum([batch.num_rows for batch in self._batches], dtype=np.int64)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def take(self, row_ids: np.ndarray | Sequence[int]) -> dict[str, list[str]]:
        """The texts of ``row_ids`` (N,), in that order, ids may repeat: column name -> N texts.

        Raises :class:`UsageError` for an id outside [0, len).
        """
        import pyarrow as pa

        ids = np.asarray(row_ids, dtype=np.int64)
        if ids.size and (ids.min() < 0 or ids.max() >= len(self)):
            raise UsageError(f"row ids run from 0 to {len(self) - 1}, got {ids.min()} to {ids.max()}")
        texts: dict[str, list[str]] = {name: [""] * len(ids) for name in self.columns}
        batch_of = np.searchsorted(self._ends, ids, side="right")
        order = np.argsort(batch_of, kind="stable")
        for group in np.split(order, np.flatnonzero(np.diff(batch_of[order])) + 1) if len(ids) else []:
            batch = self._batches[batch_of[group[0]]]
            local = ids[group] - (self._ends[batch_of[group[0]]] - batch.num_rows)
            indices = pa.array(local)
            for position, name in enumerate(self.columns):
                column, into = batch.column(position).take(indices).to_pylist(), texts[name]
                for position, text in zip(group.tolist(), column, strict=True):
                    into[position] = text
        return texts

    def batches(self) -> Iterator[Mapping[str, list[str]]]:
        """All rows in order, some thousands at a time."""
        for batch in self._batches:
            yield batch.to_pydict()
