"""The one pass from rows as read to rows as stored: normalise, judge, strike duplicates, fingerprint, write."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from contrapose.data.columns import check_given
from contrapose.data.duplicates import DIGEST_BYTES, SeenRows
from contrapose.data.lines import Limits
from contrapose.data.quarantine import Quarantine
from contrapose.data.readers import read_rows
from contrapose.data.rowfile import BATCH_BYTES, BATCH_ROWS, RowWriter
from contrapose.data.sources import find_sources
from contrapose.data.text import normalise
from contrapose.errors import EmptyCorpus, UsageError
from contrapose.listening import Progress, listener_of


@dataclass(frozen=True)
class CorpusSettings:
    """All that decides, beside the files, which rows a corpus has."""

    columns: Sequence[str] | None
    min_words: int
    max_characters: int
    deduplicate: bool
    limits: Limits
    label_column: str | None = None

    def __post_init__(self) -> None:
        if self.min_words < 1:
            raise UsageError(f"min_words must be at least 1, not {self.min_words}")
        if self.max_characters < 1:
            raise UsageError(f"max_characters must be at least 1, not {self.max_characters}")
        object.__setattr__(self, "columns", check_given(self.columns))

    def to_json(self) -> dict[str, Any]:
        """Plain values, equal after a round trip through JSON."""
        plain = asdict(self) | {"columns": None if self.columns is None else list(self.columns)}
        if self.label_column is None:
            del plain["label_column"]  # as corpora were written before there were labels
        return plain


class Builder:
    """One build: :meth:`write_rows` does the work, the others tell about it afterwards."""

    def __init__(
        self,
        sources: Sequence[str | Path],
        settings: CorpusSettings,
        quarantine: Quarantine,
        progress: Progress = None,
    ) -> None:
        self.quarantine = quarantine
        self._sources, self._settings, self._listener = sources, settings, listener_of(progress)
        self._rows_told = 0
        self._seen = SeenRows()
        self._columns: tuple[str, ...] = ()
        self._writer: RowWriter | None = None
        self._fingerprint = hashlib.sha256(b"contrapose corpus 1\n")
        self._rows: list[tuple[str, ...]] = []
        #: Of each row that waits: which of the sources as they were named it is of; and how many of each were kept.
        self._origins: list[int] = []
        self._kept_of = [0] * len(sources)
        self._encoded: list[bytes] = []
        self._encoded_bytes = 0
        self._kept = self._duplicates = self._unlabelled = self._too_short = self._too_long = 0
        self._size, self._seconds = 0, 0.0

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
        origin_of = self._origin_of_files()
        for row in rows:
            if row.columns and not self._columns:
                self._begin(file, row.columns)
            self._consider(row.texts, origin_of.get(row.file, 0))
            if len(self._rows) >= BATCH_ROWS or self._encoded_bytes >= BATCH_BYTES:
                self._flush()
            if self.quarantine.read % BATCH_ROWS == 0:
                self._tell()
        self._flush()
        self._tell()
        if self._writer is None or not self._kept:
            raise EmptyCorpus(self._why_empty())
        self._writer.close()
        self._size = file.tell()
        self._seconds = time.perf_counter() - start

    def _tell(self) -> None:
        self._listener.advance(self.quarantine.read - self._rows_told)
        self._rows_told = self.quarantine.read

    def result(self) -> dict[str, Any]:
        """What ``corpus.json`` says of the rows."""
        return {
            "columns": list(self._columns),
            "fingerprint": self._fingerprint.hexdigest(),
            "bytes": self._size,
            "starts": [sum(self._kept_of[:number]) for number in range(len(self._kept_of))],
        }

    def _origin_of_files(self) -> dict[str, int]:
        """The file of a row -> the first of the sources, as they were named, that leads to it."""
        origin_of: dict[str, int] = {}
        if len(self._sources) > 1:
            for number, name in enumerate(self._sources):
                for source in find_sources([name]):
                    origin_of.setdefault(source.name, number)
        return origin_of

    def statistics(self) -> dict[str, Any]:
        """The fields of an ``CorpusStatistics``."""
        return {
            "read": self.quarantine.read,
            "kept": self._kept,
            "duplicates": self._duplicates,
            "unlabelled": self._unlabelled,
            "too_short": self._too_short,
            "too_long": self._too_long,
            "quarantined": self.quarantine.bad,
            "by_reason": dict(self.quarantine.by_reason.most_common()),
            "examples": tuple(str(example) for example in self.quarantine.examples),
            "notices": tuple(self.quarantine.notices),
            "seconds": round(self._seconds, 3),
        }

    def _begin(self, file: BinaryIO, columns: tuple[str, ...]) -> None:
        self._columns = columns
        self._writer = RowWriter(file, columns)
        self._fingerprint.update(_framed(columns))

    def _consider(self, raw: tuple[str, ...], origin: int) -> None:
        texts = tuple([normalise(text) for text in raw])
        settings = self._settings
        num_texts = len(texts) - (settings.label_column is not None)
        for number, text in enumerate(texts):
            is_label = number == num_texts
            if is_label and not text:
                self._unlabelled += 1
                return
            counted = settings.min_words > 1 and not is_label  # the words of a label are not
            if not text or (counted and _fewer_words(text, settings.min_words)):
                self._too_short += 1
                return
            if len(text) > settings.max_characters:
                self._too_long += 1
                return
        encoded = _framed(texts)
        self._rows.append(texts)
        self._origins.append(origin)
        self._encoded.append(encoded)
        self._encoded_bytes += len(encoded)

    def _flush(self) -> None:
        if not self._rows or self._writer is None:
            return
        rows, encoded, origins = self._rows, self._encoded, self._origins
        if self._settings.deduplicate:
            digests = [hashlib.blake2b(row, digest_size=DIGEST_BYTES).digest() for row in encoded]
            first = self._seen.first_seen(digests).tolist()
            rows = [row for row, new in zip(rows, first, strict=True) if new]
            encoded = [row for row, new in zip(encoded, first, strict=True) if new]
            origins = [origin for origin, new in zip(origins, first, strict=True) if new]
        self._fingerprint.update(b"".join(encoded))
        self._writer.write(rows)
        self._kept += len(rows)
        for origin in origins:
            self._kept_of[origin] += 1
        self._duplicates += len(self._rows) - len(rows)
        self._rows, self._encoded, self._origins, self._encoded_bytes = [], [], [], 0

    def _why_empty(self) -> str:
        names = [source.shown for source in find_sources(self._sources)]
        where = names[0] if len(names) == 1 else f"{len(names)} files"
        if not self.quarantine.read:
            return (
                f"no row is left to work on: {where} is empty"
                if len(names) == 1
                else f"{where} are all empty"
            )
        words, characters = self._settings.min_words, self._settings.max_characters
        reasons = [
            f"{self._unlabelled:,} without a label in column '{self._settings.label_column}'"
            if self._unlabelled
            else "",
            f"{self._too_short:,} blank or shorter than {words} words" if self._too_short else "",
            f"{self._too_long:,} longer than {characters:,} characters" if self._too_long else "",
            f"{self.quarantine.bad:,} unreadable" if self.quarantine.bad else "",
        ]
        return (
            f"no row is left to work on: of {self.quarantine.read:,} read from {where}, "
            f"{', '.join(reason for reason in reasons if reason)}"
        )


def _framed(texts: tuple[str, ...]) -> bytes:
    """Texts as bytes that no other texts give: each with its length before it."""
    parts = []
    for text in texts:
        data = text.encode()
        parts += [len(data).to_bytes(8, "little"), data]
    return b"".join(parts)


def _fewer_words(text: str, count: int) -> bool:
    return text.count(" ") + 1 < count
