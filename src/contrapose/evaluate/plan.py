"""From words to tasks: groups written out, spellings unified, each task bound to the folder that holds it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from contrapose.errors import DataError, UsageError, nearest
from contrapose.evaluate.found import Protocols, Source, senteval_task, sources_in
from contrapose.evaluate.senteval import STS_TASKS, splits_of
from contrapose.evaluate.senteval_transfer import TRANSFER_TASKS
from contrapose.evaluate.task import Task

#: Group -> what it measures.
GROUPS = {
    "sts": "cosine against human scores: STS12-16, STS-B, SICK-R",
    "transfer": "a linear classifier on frozen vectors: MR, CR, SUBJ, MPQA, SST2, TREC, MRPC",
    "crosslingual": "STS across languages",
    "retrieval": "ranking documents for queries: nDCG@10, MRR@10, recall@100",
    "pairs": "scored pairs (Spearman), or duplicates (average precision)",
    "clustering": "k-means against the classes of texts: v-measure",
    "geometry": "how the vectors lie: alignment, uniformity, ...",
}
#: Groups whose tasks are known by name before any folder is looked at.
_FIXED = {"sts": STS_TASKS, "transfer": TRANSFER_TASKS}
SPLITS = ("test", "dev", "train")


@dataclass(frozen=True)
class Planned:
    """One task to be read. ``read`` raises :class:`DataError` where the data is missing or damaged."""

    name: str
    read: Callable[[str, Protocols], Task]


def plan(tasks: Sequence[str], folders: Sequence[Path], split: str = "test") -> list[Planned]:
    """The tasks that ``tasks`` mean, in the order asked for, each once.

    Raises :class:`UsageError` for a word that is neither a group nor a task, or that lacks the split.
    """
    sources = sources_in(folders, split)
    return [Planned(name, _reader(name, sources, folders)) for name in expand_tasks(tasks, split, sources)]


def expand_tasks(
    tasks: Sequence[str], split: str = "test", sources: Sequence[Source] = ()
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
        if group in ("sts", "transfer"):
            names += [name for name in _FIXED[group] if split in _splits(name, sources)] or [group]
        elif group == "geometry":
            names.append(group)
        elif group in GROUPS:
            here = [each.task for each in sources if each.group == group and split in each.splits]
            names += here or [group]
        else:
            names.append(_single(task, split, sources))
    return tuple(dict.fromkeys(names))


def _single(task: str, split: str, sources: Sequence[Source]) -> str:
    known = [*(name for names in _FIXED.values() for name in names), *(source.task for source in sources)]
    by_letters = {_letters(name): name for name in reversed(known)} | {"sst": "SST2"}
    if _letters(task) not in by_letters:
        words = [*GROUPS, *known]
        hint = nearest(task.lower(), tuple(word.lower() for word in words))
        raise UsageError(f"unknown task '{task}'{hint} Known: {_known(sources)}")
    name = by_letters[_letters(task)]
    if split not in _splits(name, sources):
        raise UsageError(
            f"{name} has no split '{split}'; it has: {', '.join(_splits(name, sources)) or 'none here'}"
        )
    return name


def _splits(name: str, sources: Sequence[Source]) -> tuple[str, ...]:
    if name in STS_TASKS:
        return splits_of(name)
    if name in TRANSFER_TASKS:
        return ("test",)
    return next((source.splits for source in sources if source.task == name), ())


def _reader(
    name: str, sources: Sequence[Source], folders: Sequence[Path]
) -> Callable[[str, Protocols], Task]:
    for source in sources:
        if source.task == name and source.group not in _FIXED:
            return source.read
    if name in STS_TASKS or name in TRANSFER_TASKS:
        return partial(senteval_task, name, folders)
    return partial(_nothing_found, name, folders)


def _nothing_found(group: str, folders: Sequence[Path], split: str, protocols: Protocols) -> Task:
    shown = ", ".join(map(str, folders)) or "no folder"
    raise DataError(
        f"no {group} task with a {split} split in {shown}; `contrapose evaluate --list` says what is"
    )


def _known(sources: Sequence[Source]) -> str:
    return ", ".join(
        (*GROUPS, *STS_TASKS, *TRANSFER_TASKS, *(s.task for s in sources if s.group not in _FIXED))
    )


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
