"""What can be evaluated with the folders at hand: each folder is recognised by its layout.

    SentEval           STS/..., SICK/..., MR/..., TREC/...            sts, transfer
    cross-lingual      [folder/]test.en-de.tsv, track2.ar-en.tsv      crosslingual
    BEIR               corpus.jsonl, queries.jsonl, qrels/test.tsv    retrieval
    a judged table     test.tsv, mine.csv: score, text, text          pairs
                       test.tsv, mine.csv: label, text                clustering

A folder of such folders is understood as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from contrapose.errors import UsageError
from contrapose.evaluate.beir import is_beir, read_beir
from contrapose.evaluate.crosslingual import crosslingual_files, read_crosslingual
from contrapose.evaluate.judged import ClusteringTask, PairsTask
from contrapose.evaluate.labelled import kind_of, read_judged
from contrapose.evaluate.retrieval import RetrievalTask
from contrapose.evaluate.senteval import STS_TASKS, files_of, read_sts, root_in, splits_of
from contrapose.evaluate.senteval_transfer import CLASS_FILES, SPLIT_FILES, TRANSFER_TASKS, read_transfer
from contrapose.evaluate.sts import StsTask
from contrapose.evaluate.task import Task
from contrapose.evaluate.transfer import TransferTask, transfer_protocol


@dataclass(frozen=True, kw_only=True)
class Source:
    """One task that a folder holds, not read yet. ``read(split, protocols)`` reads it."""

    task: str
    group: str
    splits: tuple[str, ...]
    where: Path
    read: Callable[[str, Protocols], Task]


@dataclass(frozen=True, kw_only=True)
class Protocols:
    """How the tasks that know several protocols are scored."""

    sts: str = "senteval-all"
    transfer: str = "senteval-transfer"


def sources_in(folders: Sequence[Path], split: str = "test") -> list[Source]:
    """Every task in the folders, by group and name; of a task in several folders the first.

    split: what will be read. No test file is opened for another: a table that has a test split only is then not looked
    into, and not found.

    Raises :class:`UsageError` for a folder that is not there.
    """
    found: dict[tuple[str, str], Source] = {}
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"data folder not found: {folder}")
        for source in _sources(folder, split):
            found.setdefault((source.group, source.task), source)
    return list(found.values())


def _sources(folder: Path, split: str) -> Iterator[Source]:
    yield from _senteval(folder)
    yield from _crosslingual(folder)
    for each in (folder, *sorted(child for child in folder.iterdir() if child.is_dir())):
        if is_beir(each):
            splits = tuple(sorted(path.stem for path in each.glob("qrels/*.tsv")))
            yield Source(
                task=each.name, group="retrieval", splits=splits, where=each, read=partial(_retrieval, each)
            )
        yield from _tables(each, split)


def _senteval(folder: Path) -> Iterator[Source]:
    for task in STS_TASKS:
        splits = tuple(split for split in splits_of(task) if root_in(folder, files_of(task, split)))
        if splits:
            yield Source(
                task=task,
                group="sts",
                splits=splits,
                where=folder,
                read=partial(senteval_task, task, [folder]),
            )
    for task in TRANSFER_TASKS:
        files = CLASS_FILES.get(task) or tuple(SPLIT_FILES[task].values())
        if root_in(folder, files):
            yield Source(
                task=task,
                group="transfer",
                splits=("test",),
                where=folder,
                read=partial(senteval_task, task, [folder]),
            )


def _crosslingual(folder: Path) -> Iterator[Source]:
    by_split = {split: crosslingual_files(folder, split) for split in ("test", "dev", "train")}
    for task in sorted({task for files in by_split.values() for task in files}):
        paths = {split: files[task] for split, files in by_split.items() if task in files}
        yield Source(
            task=task,
            group="crosslingual",
            splits=tuple(paths),
            where=next(iter(paths.values())),
            read=partial(_pairs_across, task, paths),
        )


def _tables(folder: Path, split: str) -> Iterator[Source]:
    """Tables right in a folder. ``test``, ``dev`` and ``train`` are splits of one task that has the folder's name."""
    by_task: dict[str, dict[str, Path]] = {}
    for path in sorted([*folder.glob("*.tsv"), *folder.glob("*.csv")]):
        # test.en-de.tsv is a language pair; a pipe of such a name would be waited for.
        if "." in path.stem or not path.is_file():
            continue
        is_split = path.stem in ("test", "dev", "train")
        by_task.setdefault(folder.name if is_split else path.stem, {})[path.stem if is_split else "test"] = (
            path
        )
    for task, paths in by_task.items():
        # Its kind is read off the rows of another split where there is one: a test split is for testing.
        first, path = sorted(paths.items(), key=lambda item: item[0] == "test")[0]
        kind = kind_of(path) if first != "test" or split == "test" else ""
        if kind:
            yield Source(
                task=task,
                group=kind,
                splits=tuple(sorted(paths, reverse=True)),
                where=folder,
                read=partial(_judged, task, paths),
            )


def senteval_task(task: str, folders: Sequence[Path], split: str, protocols: Protocols) -> Task:
    """A task of SentEval, from the first folder that holds it."""
    if task in STS_TASKS:
        return StsTask(data=read_sts(folders, task, split), protocol=protocols.sts)
    return TransferTask(data=read_transfer(folders, task), protocol=transfer_protocol(protocols.transfer))


def _pairs_across(task: str, paths: dict[str, Path], split: str, protocols: Protocols) -> Task:
    return StsTask(data=read_crosslingual(paths[split], task, split), protocol="crosslingual")


def _retrieval(folder: Path, split: str, protocols: Protocols) -> Task:
    return RetrievalTask(data=read_beir(folder, split))


def _judged(task: str, paths: dict[str, Path], split: str, protocols: Protocols) -> Task:
    data = read_judged(paths[split], task)
    return PairsTask(data=data, split=split) if data.second else ClusteringTask(data=data, split=split)
