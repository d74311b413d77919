"""From rows as read to rows worth keeping, a block at a time: made normal, and without blank, short and long ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from contrapose.data.columns import check_given
from contrapose.data.formats_text import Row
from contrapose.data.lines import Limits
from contrapose.data.normalised import normalise_all
from contrapose.data.quarantine import Quarantine
from contrapose.data.rowfile import BATCH_BYTES, BATCH_ROWS
from contrapose.errors import UsageError


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


class Block(NamedTuple):
    """Some rows that are kept as far as their own texts say. mark_N: where each is of, as the caller numbers it."""

    columns: Sequence[Sequence[str]]
    mark_N: np.ndarray


class Judge:
    """Counts what became of rows while :meth:`blocks` gives those that are neither blank, too short nor too long."""

    def __init__(self, settings: CorpusSettings, quarantine: Quarantine) -> None:
        self.settings, self.quarantine = settings, quarantine
        self.columns: tuple[str, ...] = ()
        self.kept = self.duplicates = self.unlabelled = self.too_short = self.too_long = 0

    def blocks(self, rows: Iterable[Row], mark: Callable[[Row], int] | None) -> Iterator[Block]:
        """The rows that are kept, some thousands at a time; a block may be empty. Without ``mark`` all marks are 0."""
        raw: list[tuple[str, ...]] = []
        marks: list[int] = []
        num_characters = 0
        for row in rows:
            if not row.columns:  # blank lines before it is known what the columns are
                self._leave_out_blank()
                continue
            self.columns = row.columns
            raw.append(row.texts)
            if mark is not None:
                marks.append(mark(row))
            for text in row.texts:
                num_characters += len(text)
            if len(raw) >= BATCH_ROWS or num_characters >= BATCH_BYTES:
                yield self._block(raw, marks)
                raw, marks, num_characters = [], [], 0
        yield self._block(raw, marks)

    def counts(self) -> dict[str, int]:
        return {
            "kept": self.kept,
            "duplicates": self.duplicates,
            "unlabelled": self.unlabelled,
            "too_short": self.too_short,
            "too_long": self.too_long,
        }

    def why_empty(self, names: Sequence[str]) -> str:
        """Why no row of these files is left, in words."""
        where = names[0] if len(names) == 1 else f"{len(names)} files"
        if not self.quarantine.read:
            empty = f"{where} is empty" if len(names) == 1 else f"{where} are all empty"
            return f"no row is left to work on: {empty}"
        words, characters = self.settings.min_words, self.settings.max_characters
        label = self.settings.label_column
        reasons = [
            f"{self.unlabelled:,} without a label in column '{label}'" if self.unlabelled else "",
            f"{self.too_short:,} {'blank' if words == 1 else f'shorter than {words} words'}"
            if self.too_short
            else "",
            f"{self.too_long:,} longer than {characters:,} characters" if self.too_long else "",
            f"{self.quarantine.bad:,} unreadable" if self.quarantine.bad else "",
        ]
        return (
            f"no row is left to work on: of {self.quarantine.read:,} read from {where}, "
            f"{', '.join(reason for reason in reasons if reason)}"
        )

    def _leave_out_blank(self) -> None:
        if self.settings.label_column is None:
            self.too_short += 1
        else:
            self.unlabelled += 1

    def _block(self, raw: list[tuple[str, ...]], marks: list[int]) -> Block:
        columns: list[Sequence[str]] = [normalise_all(column) for column in zip(*raw, strict=True)]
        mark_N = np.array(marks, dtype=np.int64) if marks else np.zeros(len(raw), dtype=np.int64)
        if self._all_are_kept(columns):
            return Block(columns, mark_N)
        rows = zip(*columns, strict=True)
        kept = [number for number, texts in enumerate(rows) if self._is_kept(texts)]
        return Block([[column[number] for number in kept] for column in columns], mark_N[kept])

    def _all_are_kept(self, columns: Sequence[Sequence[str]]) -> bool:
        """Whether no text of a block has to be looked at alone, which is so for most blocks."""
        if self.settings.min_words > 1:
            return False
        longest = self.settings.max_characters
        return all(all(column) and max(map(len, column)) <= longest for column in columns)

    def _is_kept(self, texts: tuple[str, ...]) -> bool:
        settings = self.settings
        num_texts = len(texts) - (settings.label_column is not None)
        for number, text in enumerate(texts):
            is_label = number == num_texts
            if is_label and not text:
                self.unlabelled += 1
                return False
            counted = settings.min_words > 1 and not is_label  # the words of a label are not
            if not text or (counted and _fewer_words(text, settings.min_words)):
                self.too_short += 1
                return False
            if len(text) > settings.max_characters:
                self.too_long += 1
                return False
        return True


def _fewer_words(text: str, count: int) -> bool:
    return text.count(" ") + 1 < count
