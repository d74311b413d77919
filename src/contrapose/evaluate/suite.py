"""Several tasks at once: read all, encode every distinct sentence once, score all.

A task whose data is missing or damaged is reported and the others still run.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from contrapose.errors import DataError, UsageError, nearest
from contrapose.evaluate.encoding import Encodes, Encodings, encode_once, fingerprint_of, name_of
from contrapose.evaluate.geometry import GeometryTask
from contrapose.evaluate.results import Average, Result, average
from contrapose.evaluate.senteval import STS_TASKS, read_sts, splits_of, task_name
from contrapose.evaluate.sts import StsTask, check_protocol

logger = logging.getLogger(__name__)

#: Words for ``tasks``: the group of all STS tasks, geometry, and each STS task by its name.
TASKS: tuple[str, ...] = ("sts", "geometry", *STS_TASKS)
SPLITS = ("test", "dev", "train")

#: The mean that is printed for zero-shot encoders beside the mean of all seven.
YEARS_OF_STS = ("STS12", "STS13", "STS14", "STS15", "STS16")


class Task(Protocol):
    """A task is data and a metric: which texts it needs, and how their vectors are scored."""

    @property
    def name(self) -> str: ...

    @property
    def texts(self) -> list[str]: ...

    def score(self, encodings: Encodings) -> list[Result]: ...


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A task that could not be evaluated, and why."""

    task: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """All numbers of one call. ``sentences``: how many distinct ones were encoded, in ``precision``."""

    model: str
    fingerprint: str
    results: tuple[Result, ...]
    averages: tuple[Average, ...]
    problems: tuple[Problem, ...]
    sentences: int
    precision: str | None = None

    @property
    def exit_code(self) -> int:
        """0 all done, 3 some tasks left out, 1 nothing could be evaluated."""
        if not self.problems:
            return 0
        return 3 if self.results else 1

    def value(self, task: str, metric: str | None = None) -> float:
        """The value of one result, by task and, where a task has several, metric. KeyError if it is not here."""
        for result in self.results:
            if result.task == task and metric in (None, result.metric):
                return result.value
        raise KeyError(f"no result for {task} {metric or ''}".strip())

    def to_json(self) -> dict[str, Any]:
        """What ``contrapose evaluate --json`` prints; ``json.dumps(..., allow_nan=False)`` accepts it."""
        return {
            "model": self.model,
            "fingerprint": self.fingerprint,
            "precision": self.precision,
            "results": [result.to_json() for result in self.results],
            "averages": [mean.to_json() for mean in self.averages],
            "problems": [vars(problem) for problem in self.problems],
            "sentences": self.sentences,
        }


def evaluate(
    encoder: Encodes,
    tasks: Sequence[str] = ("sts", "geometry"),
    data: str | Path | Sequence[str | Path] | None = None,
    *,
    protocol: str = "senteval-all",
    precision: str | None = None,
    split: str = "test",
    texts: Sequence[str] | None = None,
    pairs: Sequence[tuple[str, str]] = (),
    progress: Callable[[int], None] | None = None,
    announce: Callable[[int], None] | None = None,
) -> Evaluation:
    """Evaluate ``encoder`` (an Encoder, or a function from texts to vectors) on ``tasks``.

    tasks: "sts" for all seven, their single names (STS12 ... STS-B, SICK-R), "geometry".
    data: SentEval data folder, or several; a task is taken from the first that holds it.
    protocol: "senteval-all" or "senteval-mean", see :mod:`contrapose.evaluate.sts`.
    split: "test" for numbers to report, "dev" or "train" for choosing; "sts" then means the tasks that have it.
    texts, pairs: the user's own for "geometry", in place of STS-B.
    progress, announce: called with the sentences just finished, and once before with the number of all.

    A task without its data becomes a :class:`Problem`. Raises :class:`UsageError` for an unknown task, protocol or
    split and for a data folder that is missing.
    """
    check_protocol(protocol)
    names = expand_tasks(tasks, split)
    own_texts = texts is not None or bool(pairs)
    if own_texts and "geometry" not in names:
        raise UsageError("own texts are used by the task 'geometry' only; add it to the tasks")
    if data is None and any(name != "geometry" or not own_texts for name in names):
        raise UsageError("these tasks need the folder of SentEval's data: give data=FOLDER (--data FOLDER)")
    prepared: list[Task] = []
    problems = []
    for name in names:
        try:
            if name == "geometry":
                prepared.append(_geometry(data, split, texts, pairs))
            else:
                prepared.append(StsTask(data=read_sts(data or (), name, split), protocol=protocol))
        except DataError as error:
            logger.warning("%s left out: %s", name, error)
            problems.append(Problem(task=name, message=str(error)))
    if not prepared:
        return _evaluation(
            encoder, Encodings([], np.zeros((0, 0)), model=fingerprint_of(encoder)), [], problems
        )
    if split == "test":
        logger.info("reading test splits: %s", ", ".join(task.name for task in prepared))
    wanted = chain.from_iterable(task.texts for task in prepared)
    encodings = encode_once(encoder, wanted, precision=precision, progress=progress, announce=announce)
    results = list(chain.from_iterable(task.score(encodings) for task in prepared))
    return replace(_evaluation(encoder, encodings, results, problems), precision=precision)


def _geometry(
    data: str | Path | Sequence[str | Path] | None,
    split: str,
    texts: Sequence[str] | None,
    pairs: Sequence[tuple[str, str]],
) -> GeometryTask:
    if texts is not None or pairs:
        return GeometryTask.on_texts(texts or (), pairs)
    return GeometryTask.on_sts_b(data or (), split)


def expand_tasks(tasks: Sequence[str], split: str = "test") -> tuple[str, ...]:
    """Groups written out, spellings unified, repetitions dropped; in the order asked for.

    >>> expand_tasks(["geometry", "stsb"]), expand_tasks(["sts"], split="dev")
    (('geometry', 'STS-B'), ('STS-B', 'SICK-R'))
    """
    if split not in SPLITS:
        raise UsageError(f"unknown split '{split}'{nearest(split, SPLITS)} Known: {', '.join(SPLITS)}")
    if isinstance(tasks, str) or not tasks:
        raise UsageError(f"tasks must be a list of names, got {tasks!r}. Known: {', '.join(TASKS)}")
    names: list[str] = []
    for task in tasks:
        if task.lower() == "sts":
            names += [name for name in STS_TASKS if split in splits_of(name)]
        elif task.lower() == "geometry":
            names.append("geometry")
        else:
            names.append(_single(task, split))
    return tuple(dict.fromkeys(names))


def _single(task: str, split: str) -> str:
    try:
        name = task_name(task)
    except UsageError:
        hint = nearest(task.lower(), tuple(name.lower() for name in TASKS))
        raise UsageError(f"unknown task '{task}'{hint} Known: {', '.join(TASKS)}") from None
    if split not in splits_of(name):
        raise UsageError(f"{name} has no split '{split}'; it has: {', '.join(splits_of(name))}")
    return name


def averages_of(results: Sequence[Result]) -> tuple[Average, ...]:
    """The means that papers print: over STS12-16 where all five are here, and over all STS tasks of the call."""
    by_task: Mapping[str, Result] = {result.task: result for result in results if result.metric == "spearman"}
    groups = [tuple(name for name in YEARS_OF_STS if name in by_task), tuple(by_task)]
    wanted = [group for i, group in enumerate(groups) if len(group) > 1 and (i > 0 or group == YEARS_OF_STS)]
    return tuple(average([by_task[name] for name in group]) for group in dict.fromkeys(wanted))


def _evaluation(
    encoder: Encodes, encodings: Encodings, results: Sequence[Result], problems: Sequence[Problem]
) -> Evaluation:
    undefined = [result.task for result in results if math.isnan(result.value)]
    if undefined:
        logger.warning("undefined for this encoder (see details): %s", ", ".join(dict.fromkeys(undefined)))
    return Evaluation(
        model=name_of(encoder),
        fingerprint=encodings.model,
        results=tuple(results),
        averages=averages_of(results),
        problems=tuple(problems),
        sentences=len(encodings),
    )
