"""The questions that the demo asks of an encoder, and what its answers are worth.

Two tasks on held-out objects: find the rest of a description by its first line, find a first line by the name in words.
Each query has one right answer among all answers of its task. Beside them, the shape of the space on the same texts,
and a few searches over a library of first lines, for a person to look at; those have no right answer and no score.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from contrapose.data.held_out import Pair, Split
from contrapose.errors import EmptyCorpus
from contrapose.evaluate.encoding import Encodes, Encodings, encode_once
from contrapose.evaluate.retrieval_pairs import accuracy_at_1, mrr_at_10, pair_retrieval
from contrapose.evaluate.statistics import Interval, PairedTest, bootstrap_interval, paired_test
from contrapose.evaluate.vectors import unit_rows

#: The tasks in the words of the tables.
TASKS = {"description": "first line -> rest of the description", "name": "name in words -> first line"}
METRICS = {"mrr_at_10": mrr_at_10, "accuracy_at_1": accuracy_at_1}

#: What the demo searches for. Fixed before any result was looked at.
SEARCHES = (
    "sort a list in place",
    "open a file for reading",
    "run a command and capture its output",
    "remove whitespace from both ends",
    "parse a date from text",
    "make a temporary folder that deletes itself",
)
#: Answers kept per search.
ANSWERS = 3


@dataclass(frozen=True)
class Exam:
    """Everything that is asked: pairs per task, searches, and the library that is searched."""

    tasks: dict[str, tuple[Pair, ...]]
    searches: tuple[str, ...]
    library: tuple[Pair, ...]

    @classmethod
    def of(cls, split: Split, searches: Sequence[str] = SEARCHES) -> Exam:
        """The held-out questions of a split; the library is every public object's first line, trained on or not.

        Raises :class:`EmptyCorpus` where too little is held out to ask anything.
        """
        tasks = {"description": split.description_questions, "name": split.name_questions}
        for task, pairs in tasks.items():
            if len(pairs) < 2:
                raise EmptyCorpus(f"too few documented objects: {len(pairs)} questions '{TASKS[task]}'")
        library: dict[str, Pair] = {}
        for pair in (*split.name_pairs, *split.name_questions):
            if not any(part.startswith("_") for part in pair.name.split(".")):
                library.setdefault(pair.positive, pair)
        return cls(tasks, tuple(searches), tuple(sorted(library.values(), key=lambda pair: pair.name)))

    @property
    def texts(self) -> list[str]:
        """Every distinct text that must be encoded."""
        pairs = [pair for task in self.tasks.values() for pair in task]
        asked = [text for pair in pairs for text in (pair.anchor, pair.positive)]
        return list(dict.fromkeys([*asked, *self.searches, *(pair.positive for pair in self.library)]))


@dataclass(frozen=True)
class Answer:
    """One found object of a search."""

    name: str
    text: str
    cosine: float

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "text": self.text, "cosine": round(self.cosine, 4)}


@dataclass(frozen=True)
class Sheet:
    """What one encoder answered: a rank (N,) per question of each task, the geometry, and the searches."""

    ranks: dict[str, np.ndarray]
    geometry: dict[str, float]
    answers: dict[str, tuple[Answer, ...]]
    model: str

    def scores(self, task: str, metric: str) -> np.ndarray:
        """(N,) the metric per question."""
        return METRICS[metric](self.ranks[task])

    def interval(self, task: str, metric: str) -> Interval:
        """The mean with its 95% bootstrap interval."""
        return bootstrap_interval(self.scores(task, metric))

    def compared_with(self, other: Sheet, task: str, metric: str) -> PairedTest:
        """This encoder against ``other`` on the same questions; positive means that this one is better."""
        return paired_test(other.scores(task, metric), self.scores(task, metric))


def sit(
    encoder: Encodes,
    exam: Exam,
    *,
    precision: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> Sheet:
    """Let an encoder answer; every distinct text is encoded once. ``progress`` is told of texts just encoded."""
    encodings = encode_once(encoder, exam.texts, precision=precision, progress=progress)
    return Sheet(
        ranks={task: _ranks(encodings, pairs) for task, pairs in exam.tasks.items()},
        geometry=_geometry(encodings, exam),
        answers=_search(encodings, exam),
        model=encodings.model,
    )


def verdict(test: PairedTest) -> str:
    """A comparison in a word: "better" or "worse" where the interval leaves out zero, else "within noise".

    >>> verdict(paired_test(np.zeros(30), np.ones(30))), verdict(paired_test(np.zeros(30), np.zeros(30)))
    ('better', 'within noise')
    """
    if test.low > 0:
        return "better"
    return "worse" if test.high < 0 else "within noise"


def _ranks(encodings: Encodings, pairs: Sequence[Pair]) -> np.ndarray:
    """Ranks among the distinct answers: an answer that two objects share is one candidate."""
    answers = list(dict.fromkeys(pair.positive for pair in pairs))
    place = {answer: row for row, answer in enumerate(answers)}
    return pair_retrieval(
        encodings.of([pair.anchor for pair in pairs]),
        encodings.of(answers),
        true_target=np.array([place[pair.positive] for pair in pairs]),
    )


def _geometry(encodings: Encodings, exam: Exam) -> dict[str, float]:
    """On the description task: a first line and its description mean the same, all their texts are the space."""
    from contrapose.evaluate.geometry import GeometryTask

    pairs = [(pair.anchor, pair.positive) for pair in exam.tasks["description"]]
    task = replace(GeometryTask.on_texts([], pairs), intervals=False)
    return {result.metric: result.value for result in task.score(encodings)}


def _search(encodings: Encodings, exam: Exam) -> dict[str, tuple[Answer, ...]]:
    if not exam.searches or not exam.library:
        return {}
    library_ND = unit_rows(encodings.of([pair.positive for pair in exam.library]))
    cosines = unit_rows(encodings.of(exam.searches)) @ library_ND.T
    found = {}
    for search, row in zip(exam.searches, cosines, strict=True):
        best = np.argsort(-row, kind="stable")[:ANSWERS]
        found[search] = tuple(
            Answer(exam.library[place].name, exam.library[place].positive, float(row[place]))
            for place in best
        )
    return found
