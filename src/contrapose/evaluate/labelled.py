"""Reads a table of judged texts: scored or labelled pairs, or texts with a class.

    label <tab> text                       texts with a class       (clustering)
    label <tab> text <tab> text            pairs with a score       (0 and 1 only: duplicates or not)

``.csv`` is read with quotes, by the delimiter that its header or its rows show; ``.tsv`` by tabs, without quotes. A
header is optional; where there is one, columns are found by their names (score, label, gold, similarity; text,
sentence, question, title, ... with or without numbers), in any order.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from contrapose.data.formats_table import csv_records, tsv_records
from contrapose.data.quarantine import BadLine, NoneBad, Quarantine
from contrapose.errors import DataError
from contrapose.evaluate.files import TABLE, file_source

_LABEL_NAMES = frozenset(
    ("score", "label", "gold", "similarity", "is_duplicate", "class", "tag", "category", "topic")
)
_TEXT_NAMES = frozenset(
    (
        "text",
        "sentence",
        "question",
        "title",
        "query",
        "anchor",
        "positive",
        "sent",
        "document",
        "first",
        "second",
        "left",
        "right",
        "a",
        "b",
        "sentence_a",
        "sentence_b",
        "premise",
        "hypothesis",
    )
)


#: Rows that tell what a table holds.
_LOOKED_AT = 20


@dataclass(frozen=True, kw_only=True)
class JudgedTexts:
    """Rows of one table. ``second`` is empty for texts with a class; ``gold_N`` is NaN-free for pairs."""

    task: str
    first: tuple[str, ...]
    second: tuple[str, ...]
    labels: tuple[str, ...]
    folder: str
    fingerprint: str
    notices: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.first)

    @property
    def texts(self) -> list[str]:
        return [*self.first, *self.second]

    @property
    def gold_N(self) -> np.ndarray:
        """The scores of pairs."""
        return np.array([float(label) for label in self.labels])

    @property
    def is_binary(self) -> bool:
        """Whether the pairs are judged "same" (1) or "not" (0)."""
        return bool(self.second) and set(self.gold_N.tolist()) <= {0.0, 1.0}


def read_judged(path: str | Path, task: str | None = None, *, pairs: bool | None = None) -> JudgedTexts:
    """Read a table. ``pairs``: what it must hold (True: two texts per row, False: one); None: what it does hold.

    Raises :class:`DataError`, with file and line, for what does not fit.
    """
    path = Path(path)
    quarantine = NoneBad()
    rows = list(_rows(path, quarantine))
    label_at, text_at, start = _columns(path, rows)
    if pairs is not None and pairs != (len(text_at) == 2):
        wanted = "two texts and a score" if pairs else "one text and a label"
        raise DataError(f"{path}: expected {wanted} per row, found {len(text_at)} text columns")
    judged = []
    for number, row in rows[start:]:
        width = len(rows[0][1])
        if len(row) <= max(label_at, *text_at) or any(cell.strip() for cell in row[width:]):
            raise DataError(
                f"{path}:{number}: {len(row)} columns where the first row has {width}{_hint(path)}"
            )
        texts = [row[at].strip() for at in text_at]
        if not all(texts):
            raise DataError(f"{path}:{number}: an empty text")
        if len(text_at) == 2 and not math.isfinite(_number(row[label_at])):
            header = " (of a header, the names must be known: score, text1, text2)" if number == 1 else ""
            point = "; decimals are written with a point" if "," in row[label_at] else ""
            raise DataError(f"{path}:{number}: the score {row[label_at]!r} is not a number{point}{header}")
        if not row[label_at].strip():
            raise DataError(f"{path}:{number}: an empty label")
        judged.append((texts[0], texts[1] if len(texts) > 1 else "", row[label_at].strip()))
    if len(judged) < 2:
        raise DataError(f"{path}: {len(judged)} rows; at least two are needed")
    first, second, labels = zip(*judged, strict=True)
    if len({_number(label) for label in labels} if len(text_at) == 2 else set(labels)) < 2:
        rows_are = "pairs have the same score" if len(text_at) == 2 else "texts have the same label"
        raise DataError(f"{path}: all {len(judged)} {rows_are} ({labels[0]}): nothing can be measured")
    if len(text_at) == 1 and len(set(first)) <= len(set(labels)):
        raise DataError(
            f"{path}: {len(set(first))} different texts for {len(set(labels))} labels: too few to group"
        )
    return JudgedTexts(
        task=task or path.stem,
        first=first,
        second=second if len(text_at) == 2 else (),
        labels=labels,
        folder=path.parent.name,
        fingerprint=hashlib.sha256(repr(judged).encode()).hexdigest(),
        notices=tuple(quarantine.notices),
    )


def kind_of(path: Path) -> str:
    """ "pairs", "clustering" (texts with a class) or "" (something else), by the first rows of a table."""
    try:
        rows = list(islice(_rows(path, NoneBad()), _LOOKED_AT + 1))
        label_at, text_at, start = _columns(path, rows)
    except DataError:
        return ""
    if len(text_at) == 1:
        return "clustering"
    scores = [row[label_at] for _, row in rows[start : start + _LOOKED_AT] if len(row) > label_at]
    return "pairs" if scores and all(math.isfinite(_number(score)) for score in scores) else ""


def _rows(path: Path, quarantine: Quarantine) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of every record that is not blank."""
    source = file_source(path)
    if path.name.removesuffix(".gz").endswith(".csv"):
        records = csv_records(source, quarantine, TABLE, _is_header)
    else:
        records = tsv_records(source, quarantine, TABLE)
    try:
        for line, cells in records:
            if cells:
                yield line.number, list(cells)
    except BadLine as error:
        hint = ". Is a quote left open?" if error.record.reason == "invalid csv" else ""
        raise DataError(f"{error}{hint}") from None


def _is_header(cells: Sequence[str]) -> bool:
    names = _names(cells)
    return not _LABEL_NAMES.isdisjoint(names) and not _TEXT_NAMES.isdisjoint(names)


def _names(cells: Sequence[str]) -> list[str]:
    return [cell.strip().lower().rstrip("0123456789_ -") for cell in cells]


def _columns(path: Path, rows: Sequence[tuple[int, list[str]]]) -> tuple[int, list[int], int]:
    """Where the label and the texts are, and how many rows are header."""
    if not rows:
        raise DataError(f"{path}: no rows")
    names = _names(rows[0][1])
    labels = [at for at, name in enumerate(names) if name in _LABEL_NAMES]
    texts = [at for at, name in enumerate(names) if name in _TEXT_NAMES]
    if labels and texts:
        return labels[0], texts[:2], 1
    width = len(names)
    if width not in (2, 3):
        raise DataError(
            f"{path}:{rows[0][0]}: {width} columns and no header that names a label and a text. Expected: "
            "label, text; or score, text, text"
        )
    if width == 3 and not math.isfinite(_number(rows[0][1][0])) and math.isfinite(_number(rows[0][1][2])):
        return 2, [0, 1], 0
    return 0, list(range(1, width)), 0


def _hint(path: Path) -> str:
    return ". A text with a comma or a semicolon may need quotes" if path.suffix == ".csv" else ""


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan
