"""Several tasks at once: read all, encode every distinct sentence once, score all.

A task whose data is missing or damaged is reported and the others still run. Which tasks there are:
:mod:`contrapose.evaluate.dataset_sources`.
"""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

from contrapose.errors import DataError, UsageError
from contrapose.evaluate.dataset_sources import sources_of
from contrapose.evaluate.encoding import Encodes, Encodings, encode_once, fingerprint_of, name_of
from contrapose.evaluate.geometry import GeometryTask
from contrapose.evaluate.results import Average, Result, average
from contrapose.evaluate.sts import check_protocol
from contrapose.evaluate.task import DatasetSource, Protocols, Task
from contrapose.evaluate.transfer import transfer_protocol as known_transfer_protocol
from contrapose.ledger import record, why_not_recorded
from contrapose.listening import Progress

logger = logging.getLogger(__name__)

#: The mean that is printed for zero-shot encoders beside the mean of all seven.
YEARS_OF_STS = ("STS12", "STS13", "STS14", "STS15", "STS16")


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A task that could not be evaluated, and why."""

    task: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """All numbers of one call. ``sentences``: how many distinct ones were encoded, in ``precision``.

    entry: the id under which the ledger holds them.
    """

    model: str
    fingerprint: str
    results: tuple[Result, ...]
    averages: tuple[Average, ...]
    problems: tuple[Problem, ...]
    sentences: int
    precision: str | None = None
    entry: str | None = None

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
            "entry": self.entry,
        }


def evaluate(
    encoder: Encodes | str | PathLike[str],
    tasks: Sequence[str] = ("sts", "geometry"),
    data: str | Path | Sequence[str | Path] | None = None,
    *,
    protocol: str = "senteval-all",
    transfer_protocol: str = "senteval-transfer",
    precision: str | None = None,
    split: str = "test",
    texts: Sequence[str] | None = None,
    pairs: Sequence[tuple[str, str]] = (),
    own: Sequence[Task | DatasetSource] = (),
    hybrid: bool = False,
    progress: Progress = None,
) -> Evaluation:
    """Evaluate ``encoder`` (an Encoder, a model's folder or name, or a function from texts to vectors) on ``tasks``.

    tasks: groups ("sts", "transfer", "crosslingual", "retrieval", "pairs", "clustering", "geometry")
    and single names (STS12, TREC, STSB.en-de, a folder's name ...).
    data: a data folder, or several, each recognised by its layout; a task is taken from the first that holds it.
    protocol: "senteval-all" or "senteval-mean", see :mod:`contrapose.evaluate.sts`.
    transfer_protocol: "senteval-transfer", "senteval-transfer-official" (stopped as SentEval stops) or
        "senteval-transfer-fast", see :mod:`contrapose.evaluate.transfer`.
    split: "test" for numbers to report, "dev" or "train" for choosing; a group then means its tasks that have it.
    texts, pairs: the user's own for "geometry", in place of STS-B.
    own: further tasks, read by the caller or still to be read.
    hybrid: retrieval sets are ranked by BM25 as well, and by cosine and BM25 together.
    progress: a function called with the number of sentences just finished, or a Listener.

    A task without its data becomes a :class:`Problem`. Raises :class:`UsageError` for an unknown task, protocol or
    split and for a data folder that is missing.
    """
    check_protocol(protocol)
    known_transfer_protocol(transfer_protocol)
    folders = _folders(data)
    own_texts = texts is not None or bool(pairs)
    sources = sources_of(tasks, folders, split) if tasks or not own else []
    if hybrid and not any(
        isinstance(each, DatasetSource) and each.group == "retrieval" for each in (*sources, *own)
    ):
        raise UsageError(
            "hybrid ranks the documents of retrieval sets, and no task is one: give --retrieval DIR"
        )
    names = [source.task for source in sources]
    if own_texts and "geometry" not in names:
        raise UsageError("own texts are used by the task 'geometry' only; add it to the tasks")
    if data is None and any(name != "geometry" or not own_texts for name in names):
        raise UsageError("these tasks need the folder of SentEval's data: give data=FOLDER (--data FOLDER)")
    if obstacle := why_not_recorded():
        logger.warning("this evaluation will not be recorded in the ledger: %s", obstacle)
    if isinstance(encoder, str | PathLike):
        from contrapose.encoder.encoder import Encoder

        encoder = Encoder.load(fspath(encoder))
    protocols = Protocols(sts=protocol, transfer=transfer_protocol, hybrid=hybrid)
    prepared: list[Task] = []
    problems = []
    for each in (*sources, *own):
        if not isinstance(each, DatasetSource):
            prepared.append(each)
            continue
        try:
            own_geometry = own_texts and each.task == "geometry"
            prepared.append(
                GeometryTask.on_texts(texts or (), pairs) if own_geometry else each.read(split, protocols)
            )
        except DataError as error:
            problems.append(_left_out(each.task, error))
    if not prepared:
        return _evaluation(
            encoder, Encodings([], np.zeros((0, 0)), model=fingerprint_of(encoder)), [], problems
        )
    if split == "test":
        logger.info("reading test splits: %s", ", ".join(task.name for task in prepared))
    wanted = chain.from_iterable(task.texts for task in prepared)
    encodings = encode_once(encoder, wanted, precision=precision, progress=progress)
    results: list[Result] = []
    for task in prepared:
        try:
            results += task.score(encodings)
        except DataError as error:  # too few rows of a class for the folds
            problems.append(_left_out(task.name, error))
    evaluation = replace(_evaluation(encoder, encodings, results, problems), precision=precision)
    body = {**evaluation.to_json(), "split": split, "test_splits_read": _test_splits(results)}
    entry = record("evaluation", body, per_example_arrays(results))
    return replace(evaluation, entry=entry.id if entry else None)


def _left_out(task: str, error: DataError) -> Problem:
    logger.warning("%s left out: %s", task, error)
    return Problem(task=task, message=str(error))


def _test_splits(results: Sequence[Result]) -> dict[str, str]:
    """Task -> fingerprint of its data, of every test split that was read: who looked at it can be asked later."""
    return {
        result.task: str(result.details.get("data_fingerprint", ""))
        for result in results
        if result.split == "test"
    }


def per_example_arrays(results: Sequence[Result]) -> dict[str, np.ndarray]:
    """The per-example scores of all results, as the ledger keeps them."""
    arrays: dict[str, np.ndarray] = {}
    for result in results:
        if result.per_example is not None:
            arrays |= result.per_example.to_arrays(result.task, result.metric)
    return arrays


def _folders(data: str | Path | Sequence[str | Path] | None) -> list[Path]:
    if data is None:
        return []
    return [Path(data)] if isinstance(data, (str, Path)) else [Path(item) for item in data]


def averages_of(results: Sequence[Result]) -> tuple[Average, ...]:
    """The means that papers print: STS12-16 where all five are here, and all tasks of a kind and protocol.

    Cross-lingual tasks are averaged within their collection (STS17, STSB, ...); other protocols are never mixed.
    """
    kinds: dict[tuple[str, str, str], list[Result]] = defaultdict(list)
    for result in results:
        if result.protocol.startswith("senteval"):
            kinds[result.protocol, result.metric, ""].append(result)
        elif result.protocol == "crosslingual":
            kinds[result.protocol, result.metric, result.task.split(".")[0]].append(result)
    averages = []
    for kind in kinds.values():
        years = [result for result in kind if result.task in YEARS_OF_STS]
        if len(years) == len(YEARS_OF_STS) < len(kind):
            averages.append(average(years))
        if len(kind) > 1:
            averages.append(average(kind))
    return tuple(averages)


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
