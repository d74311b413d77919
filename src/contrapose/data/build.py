"""The one pass from rows as read to rows as stored: normalise, judge, strike duplicates, fingerprint, write.

The first million distinct rows are compared in memory and written at once. Rows after them wait on disk (``spill.py``)
until all are read; then it is known which are repetitions, and the others follow, in order. So the result is the same
as with a set of all rows in memory, and memory does not grow with the rows.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from contrapose.data.corpus_folder import BLOCKS, ROWS
from contrapose.data.corpus_statistics import CorpusStatistics
from contrapose.data.duplicates import DIGEST_BYTES, SeenRows
from contrapose.data.formats_text import Row
from contrapose.data.framing import digests_of, framed, framed_rows, joined
from contrapose.data.judging import CorpusSettings, Judge
from contrapose.data.quarantine import Quarantine
from contrapose.data.readers import read_rows
from contrapose.data.rowfile import RowWriter, text_schema
from contrapose.data.sources import Source, find_sources
from contrapose.data.spill import Spill, require_space
from contrapose.errors import EmptyCorpus
from contrapose.listening import Progress, listener_of

if TYPE_CHECKING:
    import pyarrow as pa

#: Distinct rows that are compared in memory: beyond a million, sorting on disk is quicker than searching.
ROWS_IN_MEMORY = 1 << 20


class Builder:
    """One build: :meth:`write_rows` does the work, the others tell about it afterwards.

    scratch: a folder on the disk of the result, for rows that wait.
    """

    def __init__(
        self,
        sources: Sequence[str | Path],
        settings: CorpusSettings,
        quarantine: Quarantine,
        scratch: Path,
        progress: Progress = None,
    ) -> None:
        self._sources, self._settings, self._scratch = sources, settings, scratch
        self._listener = listener_of(progress)
        self.quarantine = quarantine
        self._judge = Judge(settings, quarantine)
        self._rows_told = 0
        self._seen = SeenRows()
        self._spill: Spill | None = None
        self._writer: RowWriter | None = None
        self._fingerprint = hashlib.sha256(b"contrapose corpus 1\n")
        #: How many rows of each of the sources, as they were named, were kept.
        self._kept_of = np.zeros(len(sources), dtype=np.int64)
        self._num_bytes = 0
        self._size, self._seconds = 0, 0.0

    def files(self) -> dict[str, Callable[[BinaryIO], object]]:
        """The files of the rows by name, in the order in which they are written."""
        return {ROWS: self.write_rows, BLOCKS: self.write_blocks}

    def write_rows(self, file: BinaryIO) -> None:
        """Read all sources and write the Arrow file. Raises :class:`EmptyCorpus` if no row is kept."""
        start = time.perf_counter()
        rows = read_rows(
            self._sources,
            columns=self._settings.columns,
            label_column=self._settings.label_column,
            quarantine=self.quarantine,
            limits=self._settings.limits,
        )
        with ExitStack() as stack:
            for columns, origin_N in self._judge.blocks(rows, self._origin()):
                if self._writer is None and self._judge.columns:
                    self._begin(file)
                if len(origin_N):
                    self._compare(columns, origin_N, stack)
                self._tell()
            if self._spill is not None:
                self._judge.duplicates += self._spill.num_rows
                for batch, origin_N in self._spill.kept():
                    self._judge.duplicates -= batch.num_rows
                    self._keep(batch, framed_rows(batch), origin_N)
        if self._writer is None or not self._judge.kept:
            raise EmptyCorpus(self._judge.why_empty([each.shown for each in find_sources(self._sources)]))
        self._writer.close()
        self._size = file.tell()
        self._seconds = time.perf_counter() - start

    def write_blocks(self, file: BinaryIO) -> None:
        """What a reader finds and checks the batches by, see :meth:`RowWriter.blocks`."""
        assert self._writer is not None, "the rows are written before"
        np.lib.format.write_array(file, self._writer.blocks())

    def result(self, sources_fingerprint: str) -> dict[str, Any]:
        """What ``corpus.json`` says of the rows. Their fingerprint is the same whatever file they are from."""
        return {
            "columns": list(self._judge.columns),
            "fingerprint": self._fingerprint.hexdigest(),
            "bytes": self._size,
            "starts": [int(self._kept_of[:number].sum()) for number in range(len(self._kept_of))],
        }

    def statistics(self) -> CorpusStatistics:
        return account_of(self._judge, self._seconds)

    def _tell(self) -> None:
        self._listener.advance(self.quarantine.read - self._rows_told)
        self._rows_told = self.quarantine.read

    def _origin(self) -> Callable[[Row], int] | None:
        """The first of the sources, as they were named, that leads to the file of a row."""
        if len(self._sources) == 1:
            return None
        origin_of: dict[str, int] = {}
        for number, name in enumerate(self._sources):
            for source in find_sources([name]):
                origin_of.setdefault(source.name, number)
        return lambda row: origin_of.get(row.file, 0)

    def _begin(self, file: BinaryIO) -> None:
        self._writer = RowWriter(file, self._judge.columns)
        self._fingerprint.update(framed(self._judge.columns))

    def _compare(self, columns: Sequence[Sequence[str]], origin_N: np.ndarray, stack: ExitStack) -> None:
        """Keep the rows that were not there before, or let all wait until that is known."""
        import pyarrow as pa

        schema = text_schema(self._judge.columns)
        batch = pa.record_batch([pa.array(column, pa.string()) for column in columns], schema=schema)
        rows = framed_rows(batch)
        if not self._settings.deduplicate:
            self._keep(batch, rows, origin_N)
            return
        digest_N = digests_of(rows)
        if self._spill is None and len(self._seen) >= ROWS_IN_MEMORY:
            self._require_space()
            self._spill = stack.enter_context(Spill(self._scratch, self._seen, schema))
        if self._spill is not None:
            self._spill.add(batch, digest_N, origin_N)
            return
        is_first_N = self._seen.first_seen(digest_N)
        if not is_first_N.all():
            self._judge.duplicates += int(len(is_first_N) - is_first_N.sum())
            mask = pa.array(is_first_N)
            batch, rows, origin_N = batch.filter(mask), rows.filter(mask), origin_N[is_first_N]
        self._keep(batch, rows, origin_N)

    def _keep(self, batch: pa.RecordBatch, rows: pa.BinaryArray, origin_N: np.ndarray) -> None:
        assert self._writer is not None, "begun with the first row"
        data = joined(rows)
        self._fingerprint.update(data)
        self._num_bytes += data.nbytes
        self._writer.write(batch)
        self._judge.kept += batch.num_rows
        self._kept_of += np.bincount(origin_N, minlength=len(self._kept_of))

    def _require_space(self) -> None:
        """Refuse before the disk is filled: of the rows to come, by the sizes of the files and what the first took."""
        num_rows = max(1, self.quarantine.read)
        left = size_of_text(find_sources(self._sources)) - self._num_bytes
        rows_left = left * num_rows // max(1, self._num_bytes)
        needed = Spill.space_for(left, rows_left) + DIGEST_BYTES * len(self._seen)
        if left > 0:
            require_space(self._scratch, needed, "building the corpus")


#: How many bytes of text come of a byte of a compressed file, where nothing better is known.
TYPICAL_EXPANSION = 3


def size_of_text(sources: Sequence[Source]) -> int:
    """About how many bytes of text there are; 0 for standard input."""
    packed = {True: TYPICAL_EXPANSION, False: 1}
    return sum(
        source.path.stat().st_size * packed[source.compressed or source.format == "parquet"]
        for source in sources
        if source.path is not None
    )


def account_of(judge: Judge, seconds: float) -> CorpusStatistics:
    """What became of all rows, once they were read."""
    quarantine = judge.quarantine
    return CorpusStatistics(
        read=quarantine.read,
        **judge.counts(),
        quarantined=quarantine.bad,
        by_reason=dict(quarantine.by_reason.most_common()),
        examples=tuple(str(example) for example in quarantine.examples),
        notices=tuple(quarantine.notices),
        seconds=round(seconds, 3),
    )
