"""Rows of Parquet files where they lie: an index says which rows are kept, and row groups are unpacked as they come.

A row of a Parquet file cannot be read alone: its row group is unpacked as a whole. So the groups that were used last
stay unpacked in memory, and whoever reads many rows reads them in windows of a few groups (``train/windows.py``).
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contrapose.data.normalised import normalise_all
from contrapose.data.row_bits import RowBits
from contrapose.data.rowfile import BATCH_ROWS, RowFile, by_block, within
from contrapose.data.sources import Source
from contrapose.data.text import printable
from contrapose.errors import CorruptFile, DataError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

#: Of each row group: its file, its number there, its first row among all rows of all files, the number of its rows, how
#: many of them are kept, and the bytes of text of those.
GROUP = np.dtype(
    [
        ("shard", "<i4"),
        ("number", "<i4"),
        ("start", "<i8"),
        ("rows", "<i8"),
        ("kept", "<i8"),
        ("bytes", "<i8"),
    ]
)

#: Bytes of text of a window, by default; about twice as many are held.
WINDOW_BYTES = 256 << 20


@dataclass(frozen=True)
class Shard:
    """A file that is used where it lies. keys: its columns, in the order of the corpus's."""

    path: str
    keys: tuple[str, ...]
    size: int
    stamp: tuple[int, ...]

    @classmethod
    def of(cls, path: Path, keys: Sequence[str]) -> Shard:
        """The file as it is now. Raises OSError."""
        real = os.path.realpath(path)
        now = os.stat(real)
        return cls(real, tuple(keys), now.st_size, _stamp(now))

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Shard:
        return cls(str(plain["path"]), tuple(plain["keys"]), int(plain["size"]), tuple(plain["stamp"]))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def missing(self) -> str:
        """Why this cannot be the file that was indexed, or "": it is gone, or of another size."""
        shown = printable(self.path, 300)
        try:
            size = os.stat(self.path).st_size
        except OSError as error:
            return f"{shown} cannot be read ({error.strerror})"
        return "" if size == self.size else f"{shown} has {size:,} bytes, and had {self.size:,}"

    def touched(self) -> bool:
        """Whether the file was written to, replaced or copied since; its content may be the old one."""
        return _stamp(os.stat(self.path)) != self.stamp


def _stamp(now: os.stat_result) -> tuple[int, ...]:
    return (now.st_mtime_ns, now.st_ctime_ns, now.st_ino)


class ShardRows:
    """The kept rows of Parquet files by row id, as :class:`RowFile` gives those of a copy.

    columns: of the corpus; groups: of :data:`GROUP`; kept: the bits of all rows of all files; window_bytes: of text
    that is read together. Held in memory: row groups of twice as many bytes, or of one that is larger.

    Raises :class:`CorruptFile` where a file has another size than it had, or a row group cannot be unpacked;
    :class:`DataError` where a file is changed while it is in use.
    """

    def __init__(
        self,
        shards: Sequence[Shard],
        columns: Sequence[str],
        groups: np.ndarray,
        kept: RowBits,
        *,
        window_bytes: int,
    ) -> None:
        self.columns, self.groups, self.window_bytes = tuple(columns), groups, window_bytes
        self._shards, self._kept = shards, kept
        self._ends = np.cumsum(groups["kept"], dtype=np.int64)
        self._files: dict[int, tuple[pq.ParquetFile, tuple[int, ...]]] = {}
        self._unpacked: OrderedDict[int, pa.Table] = OrderedDict()
        self._reading = threading.Lock()
        self._aside: tuple[np.ndarray, RowFile] | None = None
        for shard in shards:
            if missing := shard.missing():
                raise CorruptFile(
                    f"{missing}: it is used where it lies, so it must stay as it is. Restore it, or begin again"
                )

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def touched(self) -> list[str]:
        """The files that were written to, replaced or copied since they were indexed."""
        return [shard.path for shard in self._shards if shard.touched()]

    def are(self, sources: Sequence[Source]) -> bool:
        """Whether these are the files, where they were and untouched."""
        now = [os.path.realpath(source.path) for source in sources if source.path is not None]
        return [shard.path for shard in self._shards] == now and not self.touched()

    @property
    def ends(self) -> np.ndarray:
        """(groups,) the row id after the last of each row group."""
        return self._ends

    def set_aside(self, row_ids: np.ndarray, rows: RowFile) -> None:
        """Answer for ``row_ids``, which are sorted, from a copy of their rows: they lie in all row groups."""
        self._aside = (row_ids, rows)

    def take(self, row_ids: np.ndarray | Sequence[int]) -> dict[str, list[str]]:
        """The texts of ``row_ids`` (N,), in that order, ids may repeat: column name -> N texts."""
        ids = within(row_ids, len(self))
        if self._aside is not None and len(ids):
            known, rows = self._aside
            place = np.searchsorted(known, ids)
            if len(known) and (known[np.minimum(place, len(known) - 1)] == ids).all():
                return rows.take(place)
        texts: dict[str, list[str]] = {name: [""] * len(ids) for name in self.columns}
        for number, positions in by_block(self._ends, ids):
            table = self._group(number)
            local = ids[positions] - (self._ends[number] - table.num_rows)
            for name, column in _texts(table, self.columns, local).items():
                into = texts[name]
                for position, text in zip(positions.tolist(), column, strict=True):
                    into[position] = text
        return texts

    def batches(self) -> Iterator[Mapping[str, list[str]]]:
        """All rows in order, some thousands at a time."""
        for number in range(len(self.groups)):
            table = self._group(number)
            for start in range(0, table.num_rows, BATCH_ROWS):
                local = np.arange(start, min(start + BATCH_ROWS, table.num_rows))
                yield _texts(table, self.columns, local)

    def column(self, name: str) -> Iterator[list[str]]:
        """One column of all rows in order, some thousands at a time."""
        for batch in self.batches():
            yield batch[name]

    def _group(self, number: int) -> pa.Table:
        """The kept rows of a row group, which stays in memory until others need its place."""
        with self._reading:
            if number not in self._unpacked:
                room = 2 * self.window_bytes - int(self.groups["bytes"][number])
                held = sum(int(self.groups["bytes"][other]) for other in self._unpacked)
                while self._unpacked and held > room:
                    oldest, _ = self._unpacked.popitem(last=False)
                    held -= int(self.groups["bytes"][oldest])
                self._unpacked[number] = self._unpack(number)
            self._unpacked.move_to_end(number)
            return self._unpacked[number]

    def _unpack(self, number: int) -> pa.Table:
        import pyarrow as pa

        group = self.groups[number]
        shard = self._shards[group["shard"]]
        shown = f"row group {int(group['number'])} of {printable(shard.path, 300)}"
        try:
            table = self._file(int(group["shard"])).read_row_group(
                int(group["number"]), columns=list(dict.fromkeys(shard.keys)), use_threads=False
            )
        except (pa.ArrowException, OSError) as error:
            raise CorruptFile(
                f"{shown} cannot be unpacked ({printable(str(error), 200)}): it is used where it lies. Restore the "
                "file, or begin again without it"
            ) from None
        if table.num_rows != group["rows"]:
            raise CorruptFile(f"{shown} has {table.num_rows:,} rows, and had {int(group['rows']):,}")
        is_kept_N = self._kept.between(int(group["start"]), int(group["start"] + group["rows"]))
        table = table.select(list(shard.keys)).rename_columns(list(self.columns))
        return table if is_kept_N.all() else table.filter(pa.array(is_kept_N))

    def _file(self, number: int) -> pq.ParquetFile:
        """An open file, which must be as it was when it was opened."""
        import pyarrow.parquet as pq

        path = self._shards[number].path
        stamp = _stamp(os.stat(path))
        if number not in self._files:
            self._files[number] = (pq.ParquetFile(path, memory_map=False, pre_buffer=False), stamp)
        file, before = self._files[number]
        if stamp != before:
            raise DataError(
                f"{printable(path, 300)} was changed while it was in use: it is used where it lies. Restore it, and "
                "continue with --resume"
            )
        return file


def _texts(table: pa.Table, columns: Sequence[str], local_N: np.ndarray) -> dict[str, list[str]]:
    import pyarrow as pa

    some = table.take(pa.array(local_N))
    return {name: normalise_all(some.column(name).cast(pa.string()).to_pylist()) for name in columns}
