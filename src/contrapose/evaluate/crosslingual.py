"""STS across languages, as tab-separated files: score, sentence, sentence (more columns are ignored).

    sts17/track2.ar-en.tsv     -> STS17.track2.ar-en     no split of its own: test
    stsb/test.en-de.tsv        -> STSB.en-de             split in the name
    sick/trial.en-pt.tsv       -> SICK.en-pt             "trial" is the development split

Spearman x 100 over all pairs of a file. Any folder of such files is understood; its name becomes the task's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from contrapose.evaluate.files import read_lines
from contrapose.evaluate.senteval import StsData, check_enough, pairs_of, scored_pair, tab_rows, text_form
from contrapose.evaluate.sts import StsTask
from contrapose.evaluate.task import DatasetSource, Protocols

_SPLITS = {"train": "train", "dev": "dev", "trial": "dev", "validation": "dev", "test": "test"}
_LANGUAGES = re.compile(r"[a-z]{2,3}(-[a-z]{2,3})?")


def crosslingual_files(folder: str | Path, split: str = "test") -> dict[str, Path]:
    """Task -> file of that split, of every language pair in ``folder`` and the folders right below it."""
    files = {}
    for path in sorted([*Path(folder).glob("*.tsv"), *Path(folder).glob("*/*.tsv")]):
        first, _, languages = path.stem.partition(".")
        if not _LANGUAGES.fullmatch(languages) or not path.is_file():
            continue
        group = path.parent.name.upper()
        if first in _SPLITS:
            name, of = f"{group}.{languages}", _SPLITS[first]
        elif first.startswith("track"):
            name, of = f"{group}.{first}.{languages}", "test"
        else:
            continue
        if of == split:
            files[name] = path
    return files


def read_crosslingual(path: Path, task: str, split: str) -> StsData:
    """One file as one task. Raises :class:`DataError`, with file and line, for what does not fit."""
    lines = read_lines(path)
    cells = tab_rows(path, lines, 3, "3 (score, sentence, sentence)")
    rows = [scored_pair(c[1], c[2], c[0], f"{path}:{number}") for number, c in cells]
    subset = pairs_of(task, rows)
    check_enough(subset, path)
    return StsData(
        task=task,
        split=split,
        subsets=(subset,),
        text=text_form([*subset.first, *subset.second]),
        folder=path.parent.name,
        fingerprint=hashlib.sha256("\n".join((path.name, *lines, "")).encode()).hexdigest(),
    )


def sources(folder: Path, split: str) -> Iterator[DatasetSource]:
    """The language pairs of a folder and the folders right in it."""
    by_split = {each: crosslingual_files(folder, each) for each in ("test", "dev", "train")}
    for task in sorted({task for files in by_split.values() for task in files}):
        paths = {each: files[task] for each, files in by_split.items() if task in files}
        where = next(iter(paths.values()))
        read = partial(_read, task, paths)
        yield DatasetSource(task=task, group="crosslingual", splits=tuple(paths), where=where, read=read)


def _read(task: str, paths: Mapping[str, Path], split: str, protocols: Protocols) -> StsTask:
    return StsTask(data=read_crosslingual(paths[split], task, split), protocol="crosslingual")
