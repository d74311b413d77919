"""SentEval's classification data: texts with labels, and who may be learnt from.

MR, CR, SUBJ, MPQA   one file per class, no split of their own
SST2                 SST/binary/sentiment-train, -dev, -test: text, tab, 0 or 1
TREC                 train_5500.label, TREC_10.label: coarse:fine label, blank, question; the coarse label counts
MRPC                 msr_paraphrase_train.txt, _test.txt: header, then label, two ids, two sentences
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contrapose.errors import DataError, UsageError, nearest
from contrapose.evaluate.files import Lines, read_lines, read_lines_of_any_age
from contrapose.evaluate.senteval import find_root, letters_of, text_form

#: Task -> its files, by class or by split.
CLASS_FILES = {
    "MR": ("MR/rt-polarity.neg", "MR/rt-polarity.pos"),
    "CR": ("CR/custrev.neg", "CR/custrev.pos"),
    "SUBJ": ("SUBJ/subj.objective", "SUBJ/subj.subjective"),
    "MPQA": ("MPQA/mpqa.neg", "MPQA/mpqa.pos"),
}
SPLIT_FILES = {
    "SST2": {part: f"SST/binary/sentiment-{part}" for part in ("train", "dev", "test")},
    "TREC": {"train": "TREC/train_5500.label", "test": "TREC/TREC_10.label"},
    "MRPC": {"train": "MRPC/msr_paraphrase_train.txt", "test": "MRPC/msr_paraphrase_test.txt"},
}
#: Tasks whose files were made in latin-1; SentEval's own loaders read these so, all others as UTF-8.
LATIN_1_TASKS = (*CLASS_FILES, "TREC")
TRANSFER_TASKS = (*CLASS_FILES, *SPLIT_FILES)


@dataclass(frozen=True, kw_only=True)
class LabelledTexts:
    """Texts (or pairs of texts: ``second``) with classes 0 .. C-1; ``split`` of each row: all, train, dev or test.

    latin_1: files that were no UTF-8 and were read as what they were made in.
    """

    task: str
    first: tuple[str, ...]
    second: tuple[str, ...] = ()
    labels_N: np.ndarray
    split: np.ndarray
    class_names: tuple[str, ...]
    text: str
    folder: str
    fingerprint: str
    latin_1: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.first)

    @property
    def texts(self) -> list[str]:
        """Every text, with repetitions."""
        return [*self.first, *self.second]

    @property
    def tested_N(self) -> np.ndarray:
        """Whether the answer for a row counts: of each in its turn, where the task has no split of its own."""
        tested: np.ndarray = np.isin(self.split, ("all", "test"))
        return tested


def transfer_name(name: str) -> str:
    """The task that a user means: ``sst-2``, ``SST2`` and ``sst`` are one. Unknown: :class:`UsageError`.

    >>> transfer_name("sst-2"), transfer_name("mr")
    ('SST2', 'MR')
    """
    letters = letters_of(name)
    known = {task.lower(): task for task in TRANSFER_TASKS} | {"sst": "SST2"}
    if letters not in known:
        hint = nearest(name.upper(), TRANSFER_TASKS)
        raise UsageError(f"unknown transfer task '{name}'{hint} Known: {', '.join(TRANSFER_TASKS)}")
    return known[letters]


def read_transfer(folder: str | Path | Sequence[str | Path], task: str) -> LabelledTexts:
    """Read one task, all its splits. Of several folders the first that holds any file of the task is used.

    Raises :class:`DataError` for a missing or malformed file, with its line.
    """
    task = transfer_name(task)
    files = CLASS_FILES[task] if task in CLASS_FILES else tuple(SPLIT_FILES[task].values())
    folders = [Path(folder)] if isinstance(folder, (str, Path)) else [Path(item) for item in folder]
    root = find_root(folders, list(files), task)
    read = [_lines(task, root / name) for name in files]
    contents = [lines for lines, _ in read]
    digest = hashlib.sha256()
    for name, lines in zip(files, contents, strict=True):
        digest.update("\n".join((name, *lines, "")).encode())
    rows = [
        (*row, part)
        for part, name, lines in zip(_parts(task), files, contents, strict=True)
        for row in _rows(task, part, root / name, lines)
    ]
    class_names = tuple(sorted({label for *_, label, _ in rows}))
    number = {label: position for position, label in enumerate(class_names)}
    if len(class_names) < 2:
        raise DataError(f"{root}: {task} has rows of one class only ({', '.join(class_names) or 'no rows'})")
    first, second, labels, parts = zip(*rows, strict=True)
    split = ["all"] * len(rows) if task in CLASS_FILES else list(parts)
    return LabelledTexts(
        task=task,
        first=first,
        second=second if any(second) else (),
        labels_N=np.array([number[label] for label in labels]),
        split=np.array(split),
        class_names=class_names,
        text=text_form(first),
        folder=root.name,
        fingerprint=digest.hexdigest(),
        latin_1=tuple(name for name, of in zip(files, read, strict=True) if of.encoding == "latin-1"),
    )


def _lines(task: str, path: Path) -> Lines:
    return read_lines_of_any_age(path) if task in LATIN_1_TASKS else Lines(read_lines(path), "utf-8")


def _parts(task: str) -> tuple[str, ...]:
    """Of each file: its split, or its class where a file is a class."""
    return ("0", "1") if task in CLASS_FILES else tuple(SPLIT_FILES[task])


def _rows(task: str, part: str, path: Path, lines: Sequence[str]) -> list[tuple[str, str, str]]:
    """(text, second text or "", label) of every line."""
    start = 1 if task == "MRPC" else 0
    rows = []
    for number, line in enumerate(lines[start:], start=start + 1):
        first, second, label = _row(task, part, f"{path}:{number}", line)
        if not first.strip() or (task == "MRPC" and not second.strip()):
            raise DataError(f"{path}:{number}: an empty text")
        rows.append((first, second, label))
    if not rows:
        raise DataError(f"{path}: no rows")
    return rows


def _row(task: str, part: str, where: str, line: str) -> tuple[str, str, str]:
    if task in CLASS_FILES:
        # SentEval reads an empty line as a full stop; CR has one.
        return line if line.strip() else ".", "", part
    if task == "TREC":
        label, blank, question = line.partition(" ")
        coarse, colon, _ = label.partition(":")
        if not blank or not colon:
            raise DataError(f"{where}: expected 'coarse:fine question', got {line[:60]!r}")
        return question, "", coarse
    columns = line.split("\t")
    wanted = 2 if task == "SST2" else 5
    if len(columns) != wanted:
        raise DataError(f"{where}: {len(columns)} columns instead of {wanted}, separated by tabs")
    first, second, label = (columns[0], "", columns[1]) if task == "SST2" else (*columns[3:5], columns[0])
    if label not in ("0", "1"):
        raise DataError(f"{where}: the label {label!r} is neither 0 nor 1")
    return first, second, label
