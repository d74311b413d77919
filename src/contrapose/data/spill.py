"""Rows that wait on disk until it is known which of them are repetitions of rows before them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from contrapose.data.duplicates import SeenRows
from contrapose.data.row_bits import RowBits
from contrapose.data.spilled_digests import RECORD, SpilledDigests
from contrapose.errors import StorageError
from contrapose.storage.syscalls import reporting

if TYPE_CHECKING:
    import pyarrow as pa

#: Bytes of text for each row, where nothing is known of the rows to come: the offsets of Arrow and the digests.
_BESIDE_TEXT = 8


def require_space(folder: Path, needed: int, what: str) -> None:
    """Raise StorageError where the disk of ``folder`` has less than ``needed`` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StorageError(
            f"{what} needs about {needed / 2**30:,.1f} GiB in {folder}, and {free / 2**30:,.1f} GiB are free there: "
            "free some space, or choose a folder on another disk. Parquet files can be used without a copy of their "
            "text: --in-place"
        )


class Spill:
    """Batches of rows in a file without a name in ``folder``, and the digests of their rows in another.

    ``seen`` are the digests of the rows before them, which are kept. The disk holds, until the end, the text of the
    rows once more and 24 bytes for each.
    """

    def __init__(self, folder: Path, seen: SeenRows, schema: pa.Schema) -> None:
        import pyarrow as pa

        self._folder = folder
        self._digests = SpilledDigests(folder)
        self.num_rows = 0
        for run in seen.runs():
            self._digests.add(run, np.full(len(run), -1))
        with reporting(folder):
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by __exit__
            self._schema = schema.append(pa.field("origin", pa.int32()))
            self._writer = pa.ipc.new_stream(self._file, self._schema)

    @staticmethod
    def space_for(num_bytes: int, num_rows: int) -> int:
        """Bytes of disk for rows of ``num_bytes`` of text: here, and once more in the file that they are kept in."""
        return 2 * (num_bytes + _BESIDE_TEXT * num_rows) + RECORD.itemsize * num_rows

    def __enter__(self) -> Spill:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._digests.close()
        self._file.close()

    def add(self, batch: pa.RecordBatch, digest_N: np.ndarray, origin_N: np.ndarray) -> None:
        """Rows, their digests, and which source each is of."""
        import pyarrow as pa

        self._digests.add(digest_N, np.arange(self.num_rows, self.num_rows + len(digest_N)))
        self.num_rows += len(digest_N)
        columns = [*batch.columns, pa.array(origin_N, pa.int32())]
        with reporting(self._folder):
            self._writer.write_batch(pa.record_batch(columns, schema=self._schema))

    def kept(self) -> Iterator[tuple[pa.RecordBatch, np.ndarray]]:
        """The rows that are no repetitions, in order, and which source each is of."""
        import pyarrow as pa

        repeated = RowBits()
        for row_N in self._digests.repeated():
            repeated.set(row_N)
        self._digests.close()
        with reporting(self._folder):
            self._writer.close()
            self._file.seek(0)
        start = 0
        with reporting(self._folder, "read"):
            for batch in pa.ipc.open_stream(self._file):
                is_kept_N = ~repeated.between(start, start + batch.num_rows)
                start += batch.num_rows
                some = batch if is_kept_N.all() else batch.filter(pa.array(is_kept_N))
                texts = some.select(some.schema.names[:-1])
                yield texts, np.asarray(some.column(some.num_columns - 1))
