"""From folders and words to tasks: each folder is recognised by its layout, each task bound to the folder it lies in.

    SentEval           STS/..., SICK/..., MR/..., TREC/...            sts, transfer
    cross-lingual      [folder/]test.en-de.tsv, track2.ar-en.tsv      crosslingual
    BEIR               corpus.jsonl, queries.jsonl, qrels/test.tsv    retrieval
    a judged table     test.tsv, mine.csv: score, text, text          pairs
                       test.tsv, mine.csv: label, text                clustering

A folder of such folders is understood as well. A further task is a module beside this one with a function ``sources``,
named in :data:`LAYOUTS`, and its group in :data:`contrapose.evaluate.groups.GROUPS`; see docs/adding-a-task.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from contrapose.errors import DataError, UsageError, nearest
from contrapose.evaluate import crosslingual, judged, retrieval, sts, transfer
from contrapose.evaluate.geometry import GeometryTask
from contrapose.evaluate.groups import GROUPS
from contrapose.evaluate.senteval import STS_TASKS, letters_of, splits_of
from contrapose.evaluate.senteval_transfer import TRANSFER_TASKS
from contrapose.evaluate.task import DatasetSource, Protocols, Task

#: Layout -> the tasks of a folder; a function of the folder and the split that will be read.
LAYOUTS: tuple[Callable[[Path, str], Iterator[DatasetSource]], ...] = (
    sts.sources,
    transfer.sources,
    crosslingual.sources,
    retrieval.sources,
    judged.sources,
)
#: Groups whose tasks are known by name before any folder is looked at, and how one is found in the folders.
_FIXED = {"sts": (STS_TASKS, sts.source_of), "transfer": (TRANSFER_TASKS, transfer.source_of)}
_FIXED_NAMES = (*STS_TASKS, *TRANSFER_TASKS)
SPLITS = ("test", "dev", "train")


def dataset_sources(folders: Sequence[Path], split: str = "test") -> list[DatasetSource]:
    """Every task in the folders, by group and name; of a task in several folders the first.

    split: what will be read. No test file is opened for another: a table that has a test split only is then not looked
    into, and left out.

    Raises :class:`UsageError` for a folder that is not there.
    """
    sources: dict[tuple[str, str], DatasetSource] = {}
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"data folder not found: {folder}")
        for layout in LAYOUTS:
            for source in layout(folder, split):
                sources.setdefault((source.group, source.task), source)
    return list(sources.values())


def sources_of(tasks: Sequence[str], folders: Sequence[Path], split: str = "test") -> list[DatasetSource]:
    """The tasks that the words ``tasks`` mean, in the order asked for, each once.

    Raises :class:`UsageError` for a word that is neither a group nor a task, or that lacks the split.
    """
    sources = dataset_sources(folders, split)
    return [_source_of(name, sources, folders) for name in expand_tasks(tasks, split, sources)]


def own_sources(
    *, pairs: Sequence[Path] = (), labels: Sequence[Path] = (), retrieval_sets: Sequence[Path] = ()
) -> list[DatasetSource]:
    """The user's own files as tasks: scored pairs, texts with a class, folders in BEIR's layout."""
    return [
        *(judged.own_source(path, "pairs") for path in pairs),
        *(judged.own_source(path, "clustering") for path in labels),
        *(replace(retrieval.source_of(path), task=str(path)) for path in retrieval_sets),
    ]


def expand_tasks(
    tasks: Sequence[str], split: str = "test", sources: Sequence[DatasetSource] = ()
) -> tuple[str, ...]:
    """Groups written out, spellings unified, repetitions dropped; in the order asked for.

    A group of which no folder holds a task stands for itself: reading it says what is missing.

    >>> expand_tasks(["geometry", "stsb"]), expand_tasks(["sts"], split="dev")
    (('geometry', 'STS-B'), ('STS-B', 'SICK-R'))
    """
    if split not in SPLITS:
        raise UsageError(f"unknown split '{split}'{nearest(split, SPLITS)} Known: {', '.join(SPLITS)}")
    if isinstance(tasks, str) or not tasks:
        raise UsageError(f"tasks must be a list of names, got {tasks!r}. Known: {_known(sources)}")
    names: list[str] = []
    for task in tasks:
        group = task.lower()
        if group in _FIXED:
            names += [name for name in _FIXED[group][0] if split in _splits(name, sources)] or [group]
        elif group == "geometry":
            names.append(group)
        elif group in GROUPS:
            here = [each.task for each in sources if each.group == group and split in each.splits]
            names += here or [group]
        else:
            names.append(_single(task, split, sources))
    return tuple(dict.fromkeys(names))


def _single(task: str, split: str, sources: Sequence[DatasetSource]) -> str:
    known = [*_FIXED_NAMES, *(source.task for source in sources)]
    by_letters = {letters_of(name): name for name in reversed(known)} | {"sst": "SST2"}
    if letters_of(task) not in by_letters:
        words = [*GROUPS, *known]
        hint = nearest(task.lower(), tuple(word.lower() for word in words))
        raise UsageError(f"unknown task '{task}'{hint} Known: {_known(sources)}")
    name = by_letters[letters_of(task)]
    if split not in _splits(name, sources):
        raise UsageError(
            f"{name} has no split '{split}'; it has: {', '.join(_splits(name, sources)) or 'none here'}"
        )
    return name


def _splits(name: str, sources: Sequence[DatasetSource]) -> tuple[str, ...]:
    if name in STS_TASKS:
        return splits_of(name)
    if name in TRANSFER_TASKS:
        return ("test",)
    return next((source.splits for source in sources if source.task == name), ())


def _source_of(name: str, sources: Sequence[DatasetSource], folders: Sequence[Path]) -> DatasetSource:
    for source in sources:
        if source.task == name and source.group not in _FIXED:
            return source
    for names, source_of in _FIXED.values():
        if name in names:
            return source_of(name, folders)
    read = partial(_geometry if name == "geometry" else _none_here, name, folders)
    return DatasetSource(task=name, group=name, splits=(), where=Path(), read=read)


def _geometry(name: str, folders: Sequence[Path], split: str, protocols: Protocols) -> Task:
    return GeometryTask.on_sts_b(folders, split)


def _none_here(group: str, folders: Sequence[Path], split: str, protocols: Protocols) -> Task:
    shown = ", ".join(map(str, folders)) or "no folder"
    raise DataError(
        f"no {group} task with a {split} split in {shown}; `contrapose evaluate --list` says what is"
    )


def _known(sources: Sequence[DatasetSource]) -> str:
    return ", ".join((*GROUPS, *_FIXED_NAMES, *(s.task for s in sources if s.group not in _FIXED)))
