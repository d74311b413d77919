"""The one pass over Parquet files that are used where they lie: which rows are kept, and how the row groups lie.

The rows are judged and compared as those of a copy are (``judging.py``, ``spilled_digests.py``), so the same rows are
kept, in the same order. What is written is a bit for each row and a line for each row group.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from contrapose.data.build import account_of
from contrapose.data.corpus_folder import GROUPS, KEPT
from contrapose.data.corpus_statistics import CorpusStatistics
from contrapose.data.duplicates import SeenRows
from contrapose.data.formats_parquet import parquet_layout
from contrapose.data.formats_text import Row
from contrapose.data.framing import digests_of, framed, framed_rows
from contrapose.data.judging import CorpusSettings, Judge
from contrapose.data.quarantine import Quarantine
from contrapose.data.readers import read_rows
from contrapose.data.row_bits import RowBits
from contrapose.data.rowfile import text_schema
from contrapose.data.shards import GROUP, WINDOW_BYTES, Shard
from contrapose.data.sources import find_sources, parquet_sources
from contrapose.data.spill import require_space
from contrapose.data.spilled_digests import RECORD, SpilledDigests
from contrapose.errors import DataError, EmptyCorpus, UsageError
from contrapose.listening import Progress, listener_of

#: Rows whose digests are compared in memory.
ROWS_IN_MEMORY = 1 << 20


class WholeFiles(Quarantine):
    """A row that is no text is left out; a damaged row group cannot be left out, since it is read as a whole."""

    def reject(
        self, file: str, line: int, byte_offset: int | None, reason: str, detail: str = "", *, rows: int = 1
    ) -> None:
        """Raise :class:`DataError` for damaged data."""
        if reason == "damaged parquet data":
            raise DataError(
                f"{file} is damaged from row {line:,} on ({detail}), so it cannot be used where it lies. Restore it, "
                "leave it out, or leave --in-place out: a copy takes the rows that can be read"
            )
        super().reject(file, line, byte_offset, reason, detail, rows=rows)


class IndexBuilder:
    """One pass: :meth:`write_kept` does the work, the others tell about it afterwards."""

    def __init__(
        self,
        sources: Sequence[str | Path],
        settings: CorpusSettings,
        quarantine: WholeFiles,
        scratch: Path,
        progress: Progress = None,
    ) -> None:
        if settings.label_column is not None:
            raise UsageError("files that are used where they lie give no labels: leave --in-place out")
        self._sources, self._settings, self._scratch = sources, settings, scratch
        self.quarantine = quarantine
        self._listener = listener_of(progress)
        self._judge = Judge(settings, quarantine)
        self._files = parquet_sources(sources)
        self._shards: list[Shard] = []
        #: The file of a row -> the number of its first row among all rows.
        self._start_of: dict[str, int] = {}
        self.groups = self._read_footers()
        self._kept = RowBits()
        self._seen = SeenRows()
        self._seconds = 0.0

    def files(self) -> dict[str, Callable[[BinaryIO], object]]:
        """The files of the rows by name, in the order in which they are written."""
        return {KEPT: self.write_kept, GROUPS: self.write_groups}

    def write_kept(self, file: BinaryIO) -> None:
        """Read all files and write the bits. Raises :class:`EmptyCorpus` if no row is kept."""
        start, told = time.perf_counter(), 0
        rows = read_rows(
            [source.name for source in self._files],
            columns=self._settings.columns,
            quarantine=self.quarantine,
            limits=self._settings.limits,
        )
        num_rows = int(self.groups["rows"].sum())
        with ExitStack() as stack:
            spilled: SpilledDigests | None = None
            for columns, row_N in self._judge.blocks(rows, self._row_number):
                if len(row_N):
                    if spilled is None and len(self._seen) >= ROWS_IN_MEMORY:
                        require_space(self._scratch, num_rows * RECORD.itemsize, "comparing the rows")
                        spilled = stack.enter_context(SpilledDigests(self._scratch))
                        for run in self._seen.runs():
                            spilled.add(run, np.full(len(run), -1))
                    self._compare(columns, row_N, spilled)
                self._listener.advance(self.quarantine.read - told)
                told = self.quarantine.read
            if spilled is not None:
                for row_N in spilled.repeated():
                    self._kept.clear(row_N)
                    self._judge.duplicates += len(row_N)
                    self._judge.kept -= len(row_N)
        if not self._judge.kept:
            raise EmptyCorpus(self._judge.why_empty([source.shown for source in self._files]))
        self._count()
        np.lib.format.write_array(file, self._kept.packed[: (num_rows + 7) // 8])
        self._seconds = time.perf_counter() - start

    def write_groups(self, file: BinaryIO) -> None:
        np.lib.format.write_array(file, self.groups)

    def result(self, sources_fingerprint: str) -> dict[str, Any]:
        """What ``corpus.json`` says of the rows. The fingerprint is of the files and of which rows are kept."""
        digest = hashlib.sha256(b"contrapose corpus in place 1\n")
        digest.update(framed((*self._judge.columns, sources_fingerprint)))
        digest.update(self._kept.packed[: (int(self.groups["rows"].sum()) + 7) // 8].tobytes())
        return {
            "columns": list(self._judge.columns),
            "fingerprint": digest.hexdigest(),
            "bytes": int(self.groups["bytes"].sum()),
            "starts": self._starts(),
            "window_bytes": WINDOW_BYTES,
            "shards": [shard.to_json() for shard in self._shards],
        }

    def statistics(self) -> CorpusStatistics:
        return account_of(self._judge, self._seconds)

    def _row_number(self, row: Row) -> int:
        return self._start_of[row.file] + row.line - 1

    def _read_footers(self) -> np.ndarray:
        groups, start = [], 0
        for number, source in enumerate(self._files):
            assert source.path is not None, "standard input is no parquet file"
            keys, num_rows_of = parquet_layout(source, self._settings.columns, self._settings.limits)
            self._shards.append(Shard.of(source.path, keys))
            self._start_of[source.name] = start
            for group, num_rows in enumerate(num_rows_of):
                groups.append((number, group, start, num_rows, 0, 0))
                start += num_rows
        return np.array(groups, dtype=GROUP)

    def _compare(
        self, columns: Sequence[Sequence[str]], row_N: np.ndarray, spilled: SpilledDigests | None
    ) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        arrays = [pa.array(column, pa.string()) for column in columns]
        rows = framed_rows(pa.record_batch(arrays, schema=text_schema(self._judge.columns)))
        is_kept_N = np.ones(len(row_N), dtype=bool)
        if self._settings.deduplicate:
            digest_N = digests_of(rows)
            if spilled is not None:
                spilled.add(digest_N, row_N)  # kept until all are seen
            else:
                is_kept_N = self._seen.first_seen(digest_N)
        self._judge.duplicates += int(len(row_N) - is_kept_N.sum())
        self._judge.kept += int(is_kept_N.sum())
        self._kept.set(row_N[is_kept_N])
        group_N = np.searchsorted(self.groups["start"], row_N[is_kept_N], side="right") - 1
        lengths_N = np.asarray(pc.binary_length(rows))[is_kept_N]
        np.add.at(self.groups["bytes"], group_N, lengths_N.astype(np.int64))

    def _count(self) -> None:
        """How many rows of each group are kept."""
        for group in self.groups:
            bits = self._kept.between(int(group["start"]), int(group["start"] + group["rows"]))
            group["kept"] = bits.sum()

    def _starts(self) -> list[int]:
        """The first kept row of each of the sources, as they were named."""
        if len(self._sources) == 1:
            return [0]
        origin_of: dict[str, int] = {}
        for number, name in enumerate(self._sources):
            for source in find_sources([name]):
                origin_of.setdefault(source.name, number)
        kept_of = np.zeros(len(self._sources), dtype=np.int64)
        for group in self.groups:
            kept_of[origin_of[self._files[group["shard"]].name]] += group["kept"]
        return [int(kept_of[:number].sum()) for number in range(len(self._sources))]
