"""What the demo asks of an encoder, and what its answers are worth.

Two tasks on held-out objects: find the rest of a description by its first line, find a first line by the name in words.
Each query has one right answer among all answers of its task. Beside them, the shape of the space on the same texts,
and a few searches over a library of first lines, for a person to look at; those have no right answer and no score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from contrapose.errors import EmptyCorpus

if TYPE_CHECKING:
    import numpy as np

    from contrapose.data.held_out import Pair, Split
    from contrapose.evaluate.encoding import Encodes, Encodings
    from contrapose.listening import Listener

#: Task -> what it is called. Each query has one right answer among all answers of its task.
TASKS = {"description": "first line -> rest of the description", "name": "name in words -> first line"}
METRICS = {"mrr_at_10": "MRR@10", "accuracy_at_1": "accuracy@1"}
#: What the demo searches for, and how many hits it shows. Fixed before any result was looked at.
SEARCHES = (
    "sort a list in place",
    "open a file for reading",
    "run a command and capture its output",
    "remove whitespace from both ends",
    "parse a date from text",
    "make a temporary folder that deletes itself",
)
HITS = 3


@dataclass(frozen=True)
class DemoQueries:
    """tasks: pairs of query and right answer; searches: queries without one; library: what those search in."""

    tasks: Mapping[str, tuple[Pair, ...]]
    searches: tuple[str, ...]
    library: tuple[Pair, ...]

    @property
    def texts(self) -> list[str]:
        """Every distinct text that must be encoded."""
        pairs = [pair for task in self.tasks.values() for pair in task]
        asked = [text for pair in pairs for text in (pair.anchor, pair.positive)]
        return list(dict.fromkeys([*asked, *self.searches, *(pair.positive for pair in self.library)]))


def demo_queries(split: Split, searches: Sequence[str] = SEARCHES) -> DemoQueries:
    """Held-out objects are asked about; the library is every public object's first line, trained on or not.

    Raises :class:`EmptyCorpus` where too little is held out to ask anything.
    """
    tasks = {"description": split.description_questions, "name": split.name_questions}
    for task, pairs in tasks.items():
        if len(pairs) < 2:
            raise EmptyCorpus(f"too few documented objects: {len(pairs)} queries '{TASKS[task]}'")
    library: dict[str, Pair] = {}
    for pair in (*split.name_pairs, *split.name_questions):
        if not any(part.startswith("_") for part in pair.name.split(".")):
            library.setdefault(pair.positive, pair)
    return DemoQueries(tasks, tuple(searches), tuple(sorted(library.values(), key=lambda pair: pair.name)))


@dataclass(frozen=True)
class Answers:
    """What one encoder answered: the rank (N,) of each right answer, the geometry of the texts, hits of searches."""

    ranks: Mapping[str, np.ndarray]
    geometry: Mapping[str, float]
    hits: Mapping[str, list[dict[str, Any]]]
    fingerprint: str

    def scores(self, task: str, metric: str = "mrr_at_10") -> np.ndarray:
        """(N,) the metric of each query."""
        from contrapose.evaluate import retrieval_pairs

        scores: np.ndarray = getattr(retrieval_pairs, metric)(self.ranks[task])
        return scores


def ask(encoder: Encodes, queries: DemoQueries, progress: Listener | None = None) -> Answers:
    """Let an encoder answer; every distinct text is encoded once, in bf16 where the machine computes in it."""
    from contrapose.evaluate.encoding import encode_once
    from contrapose.evaluate.geometry import GeometryTask
    from contrapose.train.environment import pick_precision

    device = getattr(encoder, "device", None)  # a plain function has none, and no precision either
    precision = None if device is None else "bf16" if pick_precision("auto", device) else "fp32"
    encodings = encode_once(encoder, queries.texts, precision=precision, progress=progress)
    pairs = [(pair.anchor, pair.positive) for pair in queries.tasks["description"]]
    geometry = replace(GeometryTask.on_texts([], pairs), intervals=False).score(encodings)
    return Answers(
        ranks={task: _ranks(encodings, asked) for task, asked in queries.tasks.items()},
        geometry={result.metric: result.value for result in geometry},
        hits={query: _hits(encodings, query, queries.library) for query in queries.searches},
        fingerprint=encodings.model,
    )


def _ranks(encodings: Encodings, pairs: Sequence[Pair]) -> np.ndarray:
    """Ranks among the distinct answers: an answer that two objects share is one candidate."""
    import numpy as np

    from contrapose.evaluate.retrieval_pairs import pair_retrieval

    row_of = {answer: row for row, answer in enumerate(dict.fromkeys(pair.positive for pair in pairs))}
    right = np.array([row_of[pair.positive] for pair in pairs])
    return pair_retrieval(
        encodings.of([pair.anchor for pair in pairs]), encodings.of(list(row_of)), true_target=right
    )


def _hits(encodings: Encodings, query: str, library: Sequence[Pair]) -> list[dict[str, Any]]:
    from contrapose.maths.nearest import nearest

    best = nearest(encodings.of([query]), encodings.of([pair.positive for pair in library]), HITS)
    return [
        {"name": library[row].name, "text": library[row].positive, "cosine": round(float(cosine), 4)}
        for row, cosine in zip(best.rows_QK[0], best.scores_QK[0], strict=True)
    ]


def verdict(low: float, high: float) -> str:
    """A comparison in a word, by its interval: "better" or "worse" where that leaves out zero.

    >>> verdict(0.1, 0.2), verdict(-0.1, 0.2)
    ('better', 'within noise')
    """
    return "better" if low > 0 else "worse" if high < 0 else "within noise"
