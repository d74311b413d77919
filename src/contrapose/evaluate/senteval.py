"""Reads the STS tasks from the folder layout that SentEval's download script leaves.

::

    STS/STS12-en-test/STS.input.MSRpar.txt    sentence, tab, sentence
    STS/STS12-en-test/STS.gs.MSRpar.txt       the score of the same line; an empty line is not scored and left out
    STS/STSBenchmark/sts-test.csv             genre, file, year, id, score, sentence, sentence [, sources]; no quoting
    SICK/SICK_test_annotated.txt              header; sentence_A, sentence_B, relatedness_score among its columns

Nothing is skipped in silence: a line that does not fit is a :class:`DataError` with file and line.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from contrapose.errors import DataError, UsageError, nearest
from contrapose.evaluate.files import read_lines

#: The parts of each year. STS13's fourth part (SMT) is not free and not part of SentEval.
YEARS: dict[str, tuple[str, ...]] = {
    "STS12": ("MSRpar", "MSRvid", "SMTeuroparl", "surprise.OnWN", "surprise.SMTnews"),
    "STS13": ("FNWN", "headlines", "OnWN"),
    "STS14": ("deft-forum", "deft-news", "headlines", "images", "OnWN", "tweet-news"),
    "STS15": ("answers-forums", "answers-students", "belief", "headlines", "images"),
    "STS16": ("answer-answer", "headlines", "plagiarism", "postediting", "question-question"),
}
#: File of each split. Years have a test split only.
SINGLE_FILES: dict[str, dict[str, str]] = {
    "STS-B": {split: f"STS/STSBenchmark/sts-{split}.csv" for split in ("train", "dev", "test")},
    "SICK-R": {
        "train": "SICK/SICK_train.txt",
        "dev": "SICK/SICK_trial.txt",
        "test": "SICK/SICK_test_annotated.txt",
    },
}
#: In the order in which papers print them.
STS_TASKS: tuple[str, ...] = (*YEARS, *SINGLE_FILES)
SICK_COLUMNS = ("sentence_A", "sentence_B", "relatedness_score")


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Scored sentence pairs of one file: ``gold[i]`` belongs to ``first[i]`` and ``second[i]``."""

    name: str
    first: tuple[str, ...]
    second: tuple[str, ...]
    gold: np.ndarray
    unscored: int = 0

    def __len__(self) -> int:
        return len(self.first)


@dataclass(frozen=True, kw_only=True)
class StsData:
    """One split of one task. ``fingerprint`` is a sha256 over the files it was read from."""

    task: str
    split: str
    subsets: tuple[Pairs, ...]
    text: str
    folder: str
    fingerprint: str

    def __len__(self) -> int:
        return sum(len(subset) for subset in self.subsets)

    @property
    def texts(self) -> list[str]:
        """Every sentence, with repetitions."""
        return list(chain.from_iterable((*subset.first, *subset.second) for subset in self.subsets))


def task_name(name: str) -> str:
    """The task that a user means: ``stsb``, ``STS-B`` and ``sts_b`` are one. Unknown: :class:`UsageError`.

    >>> task_name("stsb"), task_name("sick_r")
    ('STS-B', 'SICK-R')
    """
    known = {letters_of(task): task for task in STS_TASKS}
    if letters_of(name) not in known:
        raise UsageError(
            f"unknown STS task '{name}'{nearest(name.upper(), STS_TASKS)} Known: {', '.join(STS_TASKS)}"
        )
    return known[letters_of(name)]


def letters_of(name: str) -> str:
    """A name as it is compared: ``STS-B``, ``sts_b`` and ``stsb`` are one."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def splits_of(task: str) -> tuple[str, ...]:
    """The splits a task has: the years of STS have a test split only."""
    return tuple(SINGLE_FILES[task]) if task in SINGLE_FILES else ("test",)


def files_of(task: str, split: str) -> list[str]:
    """The files of a split, relative to the data folder: input and score files in turn, or the one file."""
    if split not in splits_of(task):
        raise UsageError(f"{task} has no split '{split}'; it has: {', '.join(splits_of(task))}")
    if task in SINGLE_FILES:
        return [SINGLE_FILES[task][split]]
    return [f"STS/{task}-en-test/STS.{kind}.{part}.txt" for part in YEARS[task] for kind in ("input", "gs")]


def read_sts(folder: str | Path | Sequence[str | Path], task: str, split: str = "test") -> StsData:
    """Read one split of one task. Of several folders the first that holds any file of the task is used.

    folder: what SentEval calls ``data/downstream``; its parent is understood too. Raises :class:`DataError` for a
    missing or malformed file, :class:`UsageError` for an unknown task or split.
    """
    task = task_name(task)
    relative = files_of(task, split)
    folders = [Path(folder)] if isinstance(folder, (str, Path)) else [Path(item) for item in folder]
    root = find_root(folders, relative, task)
    contents = [read_lines(root / name) for name in relative]
    if task in YEARS:
        subsets = tuple(
            _scored_lines(
                part,
                (root / relative[2 * i], contents[2 * i]),
                (root / relative[2 * i + 1], contents[2 * i + 1]),
            )
            for i, part in enumerate(YEARS[task])
        )
    else:
        subsets = ((_benchmark if task == "STS-B" else _sick)(root / relative[0], contents[0]),)
    digest = hashlib.sha256()
    for name, lines in zip(relative, contents, strict=True):
        digest.update("\n".join((name, *lines, "")).encode())
    data = StsData(
        task=task, split=split, subsets=subsets, text="", folder=root.name, fingerprint=digest.hexdigest()
    )
    for part, path in zip(subsets, relative[:: len(relative) // len(subsets)], strict=True):
        check_enough(part, root / path)
    return StsData(**{**vars(data), "text": text_form(data.texts)})


def text_form(texts: Sequence[str]) -> str:
    """Whether punctuation stands apart from words, as tokenisers leave it: "tokenised", else "raw".

    >>> text_form(["a dog runs , then stops ."]), text_form(["A dog runs, then stops."])
    ('tokenised', 'raw')
    """
    apart = sum(len(re.findall(r"\s[.,?!](?=\s|$)", text)) for text in texts)
    attached = sum(len(re.findall(r"\w[.,?!](?=\s|$)", text)) for text in texts)
    return "tokenised" if apart > attached else "raw"


def find_root(folders: Sequence[Path], relative: Sequence[str], task: str) -> Path:
    """The first folder below which any of the files is. Raises :class:`DataError` where none holds one."""
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"data folder not found: {folder}")
        if root := root_in(folder, relative):
            return root
    shown = ", ".join(str(folder) for folder in folders)
    raise DataError(f"{task} is not in {shown}: no file {relative[0]}. Expected is SentEval's folder layout.")


def root_in(folder: Path, relative: Sequence[str]) -> Path | None:
    """Where in ``folder`` SentEval's data begins, if any of the files is there."""
    roots = (folder, folder / "downstream", folder / "data" / "downstream", folder.parent)
    for root in roots if folder.name == "STS" else roots[:3]:
        if any((root / name).is_file() for name in relative):
            return root
    return None


def _scored_lines(name: str, inputs: tuple[Path, list[str]], scores: tuple[Path, list[str]]) -> Pairs:
    (input_path, input_lines), (score_path, score_lines) = inputs, scores
    if len(input_lines) != len(score_lines):
        first_alone = min(len(input_lines), len(score_lines)) + 1
        raise DataError(
            f"{score_path}:{first_alone}: {len(score_lines)} lines of scores for {len(input_lines)} lines of sentences "
            f"in {input_path.name}; each line of sentences needs one line, empty if not scored"
        )
    rows = []
    for number, columns in tab_rows(input_path, input_lines, 2, "2 (sentence, tab, sentence)", exactly=True):
        if (score := score_lines[number - 1]).strip():
            sentences = _sentences(columns[0], columns[1], f"{input_path}:{number}")
            rows.append((*sentences, _score(score, f"{score_path}:{number}")))
    return pairs_of(name, rows, unscored=len(input_lines) - len(rows))


def _benchmark(path: Path, lines: list[str]) -> Pairs:
    rows = tab_rows(path, lines, 7, "7 or more, separated by tabs")
    return pairs_of("STS-B", [scored_pair(c[5], c[6], c[4], f"{path}:{number}") for number, c in rows])


def _sick(path: Path, lines: list[str]) -> Pairs:
    if not lines:
        raise DataError(f"{path}: the file is empty")
    header = lines[0].split("\t")
    missing = [name for name in SICK_COLUMNS if name not in header]
    if missing:
        raise DataError(
            f"{path}:1: the header lacks {', '.join(missing)}; its columns are: {', '.join(header)}"
        )
    at = [header.index(name) for name in SICK_COLUMNS]
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        columns = line.split("\t")
        if len(columns) != len(header):
            raise DataError(f"{path}:{number}: {len(columns)} columns where the header has {len(header)}")
        first, second, score = (columns[i] for i in at)
        rows.append(scored_pair(first, second, score, f"{path}:{number}"))
    return pairs_of("SICK-R", rows)


def tab_rows(
    path: Path, lines: Sequence[str], columns: int, expected: str, *, exactly: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of lines with so many columns or more; :class:`DataError` says what was ``expected``."""
    for number, line in enumerate(lines, start=1):
        cells = line.split("\t")
        if len(cells) < columns or (exactly and len(cells) > columns):
            raise DataError(f"{path}:{number}: {len(cells)} columns instead of {expected}")
        yield number, cells


def scored_pair(first: str, second: str, score: str, where: str) -> tuple[str, str, float]:
    """Two sentences and their score; :class:`DataError` for an empty sentence, and for what is no number."""
    return *_sentences(first, second, where), _score(score, where)


def _sentences(first: str, second: str, where: str) -> tuple[str, str]:
    if not (first.strip() and second.strip()):
        raise DataError(f"{where}: an empty sentence")
    return first, second


def _score(text: str, where: str) -> float:
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise DataError(f"{where}: the score {text!r} is not a number")
    return score


def check_enough(pairs: Pairs, path: Path) -> None:
    """Raise :class:`DataError` below two scored pairs: nothing can be ranked."""
    if len(pairs) < 2:
        raise DataError(f"{path}: {len(pairs)} scored pairs; at least two are needed")


def pairs_of(name: str, rows: list[tuple[str, str, float]], unscored: int = 0) -> Pairs:
    first, second, gold = zip(*rows, strict=True) if rows else ((), (), ())
    return Pairs(
        name=name, first=first, second=second, gold=np.array(gold, dtype=np.float64), unscored=unscored
    )
