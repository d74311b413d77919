"""What the demo asks an encoder: questions with one right answer about held-out objects, and free searches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from contrapose.errors import EmptyCorpus

if TYPE_CHECKING:
    from contrapose.data.docstring_split import Pair, Split
    from contrapose.evaluate.encoding import Encodes
    from contrapose.listening import Listener

#: Task -> what it is called. Each question is about a held-out object and has one right answer among all of its task.
TASKS = {"description": "first line -> rest of the description", "name": "name in words -> first line"}
METRICS = {"mrr_at_10": "MRR@10", "accuracy_at_1": "accuracy@1"}
#: Searches without a right answer, for a person to look at, and how many hits are shown. Fixed before any result was
#: looked at.
SEARCHES = (
    "sort a list in place",
    "open a file for reading",
    "run a command and capture its output",
    "remove whitespace from both ends",
    "parse a date from text",
    "make a temporary folder that deletes itself",
)
HITS = 3


def questions_of(split: Split) -> dict[str, tuple[Pair, ...]]:
    """Task -> pairs of a question and its right answer; raises :class:`EmptyCorpus` where too little is held out."""
    questions = {"description": split.description_questions, "name": split.name_questions}
    for task, pairs in questions.items():
        if len(pairs) < 2:
            raise EmptyCorpus(f"too few documented objects: {len(pairs)} queries '{TASKS[task]}'")
    return questions


def texts_of(questions: Mapping[str, Sequence[Pair]], library: Sequence[Pair]) -> list[str]:
    """Every distinct text that must be encoded."""
    asked = [text for pairs in questions.values() for pair in pairs for text in (pair.anchor, pair.positive)]
    return list(dict.fromkeys([*asked, *SEARCHES, *(pair.positive for pair in library)]))


def ask(
    encoder: Encodes,
    questions: Mapping[str, Sequence[Pair]],
    library: Sequence[Pair],
    view: Listener | None = None,
) -> dict[str, Any]:
    """Let an encoder answer; every distinct text is encoded once, in bf16 where the machine computes in it.

    scores: task -> metric -> (N,) one per question; geometry: of the held-out texts; hits: search -> the best of
    the library; fingerprint: of the encoder.
    """
    from contrapose.evaluate import retrieval_pairs
    from contrapose.evaluate.encoding import encode_once
    from contrapose.evaluate.geometry import GeometryTask
    from contrapose.maths.nearest import nearest
    from contrapose.train.environment import pick_precision

    device = getattr(encoder, "device", None)  # a plain function has none, and no precision either
    precision = None if device is None else "bf16" if pick_precision("auto", device) else "fp32"
    encodings = encode_once(encoder, texts_of(questions, library), precision=precision, progress=view)
    best = nearest(encodings.of(SEARCHES), encodings.of([pair.positive for pair in library]), HITS)
    pairs = {task: [(pair.anchor, pair.positive) for pair in asked] for task, asked in questions.items()}
    ranks = {task: retrieval_pairs.ranks_of_answers(encodings, asked) for task, asked in pairs.items()}
    geometry = replace(GeometryTask.on_texts([], pairs["description"]), intervals=False).score(encodings)
    return {
        "fingerprint": encodings.model,
        "scores": {
            task: {metric: getattr(retrieval_pairs, metric)(ranks_N) for metric in METRICS}
            for task, ranks_N in ranks.items()
        },
        "geometry": {each.metric: each.value for each in geometry},
        "hits": {
            query: [
                {"name": library[row].name, "text": library[row].positive, "cosine": round(float(cosine), 4)}
                for row, cosine in zip(rows, cosines, strict=True)
            ]
            for query, rows, cosines in zip(SEARCHES, best.rows_QK, best.scores_QK, strict=True)
        },
    }


def numbers_of(answers: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The answers of an encoder as plain data: every metric with its interval, and its paired test against ``before``.

    Both are what :func:`ask` gives.
    """
    from contrapose.evaluate.statistics import bootstrap_interval, in_words, paired_test

    tasks: dict[str, dict[str, Any]] = {}
    for task, metrics in answers["scores"].items():
        tasks[task] = {"questions": len(metrics["mrr_at_10"])}
        for metric, scores_N in metrics.items():
            interval = bootstrap_interval(scores_N)
            number: dict[str, Any] = {"value": interval.estimate, "low": interval.low, "high": interval.high}
            if before is not None:
                test = paired_test(before["scores"][task][metric], scores_N)
                versus = {name: getattr(test, name) for name in ("difference", "low", "high", "p_value")}
                number["vs_before"] = {**versus, "verdict": in_words(test)}
            tasks[task][metric] = number
    return {"fingerprint": answers["fingerprint"], **tasks, "geometry": answers["geometry"]}
