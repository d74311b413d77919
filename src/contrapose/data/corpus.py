"""The corpus: any text files turned once into rows that are clean, distinct, counted, and addressed by row id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from contrapose.data.build import Builder
from contrapose.data.columns import LABEL
from contrapose.data.corpus_folder import ABOUT, QUARANTINED, VERSION, open_rows, read_about
from contrapose.data.corpus_statistics import CorpusStatistics
from contrapose.data.index_build import IndexBuilder, WholeFiles
from contrapose.data.judging import CorpusSettings
from contrapose.data.lines import DEFAULT_LIMITS, Limits
from contrapose.data.quarantine import Quarantine
from contrapose.data.rowfile import RowFile
from contrapose.data.shards import ShardRows
from contrapose.data.source_stamps import described
from contrapose.data.sources import STDIN, find_sources
from contrapose.data.text import printable
from contrapose.errors import CorruptFile, DataError, StorageError, UsageError
from contrapose.listening import Progress
from contrapose.seeds import derive
from contrapose.storage import durable


class Corpus:
    """Rows of texts on disk, mapped into memory: larger than memory is fine. Made by :func:`build_corpus`.

    columns: ("text",), or ("anchor", "positive", "negative_1", ...).
    has_labels: whether every row has a class beside its texts, see :meth:`labels`.
    fingerprint: sha256 over columns and over rows in order; equal texts give an equal one, whatever file they were in.
    starts: the first row of each of the sources, as they were named; (0,) where an earlier version did not write it.
    """

    def __init__(self, folder: Path, about: dict[str, Any], rows: RowFile | ShardRows) -> None:
        self.folder = folder
        stored = tuple(about["columns"])
        self.has_labels: bool = stored[-1:] == (LABEL,)
        self.columns: tuple[str, ...] = stored[:-1] if self.has_labels else stored
        self.fingerprint: str = about["fingerprint"]
        self.sources_fingerprint: str = about["sources"]
        self.settings: dict[str, Any] = about["settings"]
        #: What :func:`~contrapose.data.source_stamps.described` said of the files.
        self.built_from = {"sources": about["sources"], "stamps": about.get("stamps")}
        self.starts: tuple[int, ...] = tuple(about.get("starts", (0,)))
        counts = dict(about["account"])
        texts = {name: tuple(counts.get(name, ())) for name in ("examples", "notices")}
        self.statistics = CorpusStatistics(**{**counts, **texts})
        self._rows = rows

    @classmethod
    def open(cls, folder: str | Path, *, verify: bool = False) -> Corpus:
        """Open a corpus that was built before, in a moment, whatever its size.

        Sizes are always compared, and each batch of some thousand rows with its checksum when one of its rows is first
        asked for. ``verify=True`` compares checksums here, of all files, but for rows of :data:`VERIFIED_WHOLE` bytes
        or more, which stay with their batches.

        Raises :class:`DataError` if there is none, :class:`CorruptFile` if it is not what was built.
        """
        folder = Path(folder)
        about = read_about(folder)
        rows = open_rows(folder, about, verify=verify)
        try:
            corpus = cls(folder, about, rows)
        except (KeyError, TypeError, ValueError):
            raise CorruptFile(f"{folder / ABOUT} is damaged. Build the corpus again") from None
        if len(rows) != corpus.statistics.kept or rows.columns != tuple(about["columns"]):
            raise CorruptFile(f"{folder} does not fit its {ABOUT}. Build the corpus again")
        return corpus

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def in_place(self) -> ShardRows | None:
        """The Parquet files whose rows these are, where they are used where they lie."""
        return self._rows if isinstance(self._rows, ShardRows) else None

    def is_of(self, sources: Sequence[str | Path], about: Mapping[str, Any], *, in_place: bool) -> bool:
        """Whether it was made of these files in this way, and can be used as it is."""
        same = self.sources_fingerprint == about["sources"] and self.settings == about["settings"]
        if self.in_place is None:
            return same and not in_place
        return same and in_place and self.in_place.are(find_sources(sources))

    def take(self, row_ids: np.ndarray | Sequence[int]) -> dict[str, list[str]]:
        """The texts of ``row_ids`` (N,) in that order: column name -> list of N texts.

        Raises :class:`UsageError` for an id outside [0, len).
        """
        texts = self._rows.take(row_ids)
        return {name: texts[name] for name in self.columns}

    def labels(self) -> list[str]:
        """The class of every row, as its column says it. Raises :class:`UsageError` where no column was named."""
        if not self.has_labels:
            raise UsageError("the corpus has no labels: name the column that holds them with --label-column")
        return [label for labels in self._rows.column(LABEL) for label in labels]

    def split_held_out(self, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """(training ids, held-out ids), int64, each sorted; together all rows.

        The rows whose first text (the anchor of a pair) has the smallest keyed hash are held out. So a text is always
        on one side with all its repetitions, and a corpus with some more rows holds out nearly the same texts. Where
        repetitions would pass ``count``, a few rows less are held out.
        """
        held = np.zeros(len(self), dtype=bool)
        held[self.held_out(count, seed)] = True
        return np.flatnonzero(~held), np.flatnonzero(held)

    def held_out(self, count: int, seed: int) -> np.ndarray:
        """The held-out ids of :meth:`split_held_out`: one pass over the rows, in memory for ``count`` of them."""
        if not 0 <= count < max(len(self), 1):
            raise UsageError(f"cannot hold out {count:,} of {len(self):,} rows; at least one must remain")
        if not count:
            return np.empty(0, dtype=np.int64)
        key = derive(seed, "held-out").to_bytes(8, "little")
        digest, start = hashlib.blake2b, 0
        smallest, ids = np.empty(0, dtype="<u8"), np.empty(0, dtype=np.int64)
        for texts in self._rows.column(self.columns[0]):
            digests = b"".join([digest(text.encode(), digest_size=8, key=key).digest() for text in texts])
            smallest = np.concatenate([smallest, np.frombuffer(digests, dtype="<u8")])
            ids = np.concatenate([ids, np.arange(start, start + len(texts))])
            start += len(texts)
            if len(ids) > count + 1:
                kept = np.argpartition(smallest, count)[: count + 1]
                smallest, ids = smallest[kept], ids[kept]
        return np.sort(ids[smallest < smallest.max()])


def build_corpus(
    sources: Sequence[str | Path] | str | Path,
    folder: str | Path,
    *,
    columns: Sequence[str] | None = None,
    label_column: str | None = None,
    min_words: int = 1,
    max_characters: int = 100_000,
    deduplicate: bool = True,
    max_bad_share: float = 0.5,
    limits: Limits = DEFAULT_LIMITS,
    progress: Progress = None,
    reuse: bool = True,
    in_place: bool = False,
) -> Corpus:
    """Read ``sources`` (see :func:`read_rows`) into ``folder``, which appears whole or not at all.

    Texts are normalised. A row is left out, and counted, if one of its texts has fewer than ``min_words`` words or
    more than ``max_characters`` characters, or if a row of equal texts came before (``deduplicate``). Order is kept.
    Memory stays flat. Beyond a million distinct rows they wait on the disk of ``folder`` until repetitions are known:
    24 bytes for each and its text once more, beside the file that is written. ``label_column`` holds the class of a
    row: it is kept beside the texts, and two rows of one text and two classes are two rows.

    progress: a function called about every 8,000 rows with the number of rows just read, or a Listener.
    reuse: if ``folder`` holds a corpus of the same content and settings, open that. Standard input is always read.

    in_place: use Parquet files where they lie, and write only which of their rows are kept. They must then stay as
        they are. Rows and their ids are those of a copy.

    Raises :class:`EmptyCorpus`, :class:`TooManyBadRows` and the errors of :func:`read_rows`; :class:`UsageError` if
    ``folder`` holds something that is no corpus; :class:`StorageError`. ``folder`` is then as it was.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.txt"
    ...     _ = path.write_text("one\\n two  words\\none\\n")
    ...     corpus = build_corpus(path, Path(folder) / "corpus")
    ...     len(corpus), corpus.take([1, 0]), corpus.statistics.duplicates
    (2, {'text': ['two words', 'one']}, 1)
    """
    folder = Path(folder)
    settings = CorpusSettings(columns, min_words, max_characters, deduplicate, limits, label_column)
    names = [sources] if isinstance(sources, str | Path) else list(sources)
    earlier = None if not reuse or STDIN in map(str, names) else _existing(folder)
    known = None if earlier is None else earlier.built_from
    about = {"version": VERSION, **described(names, known), "settings": settings.to_json()}
    if earlier is not None and earlier.is_of(names, about, in_place=in_place):
        return earlier
    _make_parent(folder)
    builder: Builder | IndexBuilder
    if in_place:
        whole_files = WholeFiles(max_bad_share=max_bad_share)
        builder = IndexBuilder(names, settings, whole_files, folder.parent, progress)
    else:
        builder = Builder(names, settings, Quarantine(max_bad_share=max_bad_share), folder.parent, progress)

    def write_about(file: Any) -> None:
        full = about | builder.result(about["sources"]) | {"account": asdict(builder.statistics())}
        file.write((json.dumps(full, indent=1) + "\n").encode("ascii"))

    def write_quarantined(file: Any) -> None:
        for record in builder.quarantine.records:
            file.write((record.to_json() + "\n").encode("ascii"))

    files = {**builder.files(), ABOUT: write_about, QUARANTINED: write_quarantined}
    durable.write_tree(folder, files, replace=True)
    return Corpus.open(folder)


def _make_parent(folder: Path) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot make the folder {printable(folder.parent, 300)}: {error.strerror}"
        ) from None


def _existing(folder: Path) -> Corpus | None:
    """The corpus in ``folder``, if there is one that is not damaged."""
    try:
        return Corpus.open(folder, verify=True)
    except (DataError, CorruptFile, StorageError):
        return None
