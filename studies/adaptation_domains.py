"""The text that a user of a domain has, and the labelled task that says in the end what adapting to it did.

Read from a folder of evaluation data (``senteval/``, ``corpora/<domain>/``); the Python documentation is harvested from
the standard library. The tasks are whole test splits. Settings of ``contrapose adapt`` were tried on text of these
domains.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import t as student_t

from contrapose.evaluate.encoding import encode_once
from contrapose.evaluate.results import Result
from contrapose.evaluate.task import Task
from studies.selection_domains import read_domain

if TYPE_CHECKING:
    from contrapose.encoder.encoder import Encoder

STS_TASKS = ("STS12", "STS13", "STS14", "STS15", "STS16")
#: Clusterings of each model: the v-measure of one is 1.5 points from the next, and a point is what is asked about.
CLUSTERINGS = 30


@dataclass(frozen=True, kw_only=True)
class Adapting:
    """columns: the text, shuffled with a fixed seed; metric: of the results of the tasks, the one that counts."""

    name: str
    columns: Mapping[str, list[str]]
    tasks: tuple[Task, ...]
    metric: str

    def write(self, path: Path, rows: int) -> Path:
        """The first rows as json lines."""
        kept = zip(*(texts[:rows] for texts in self.columns.values()), strict=True)
        lines = [json.dumps(dict(zip(self.columns, row, strict=True))) + "\n" for row in kept]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines), encoding="utf-8")
        return path

    def measured(self, encoder: Encoder, precision: str) -> list[Result]:
        """All results of all tasks."""
        encodings = encode_once(encoder, [t for task in self.tasks for t in task.texts], precision=precision)
        return [result for task in self.tasks for result in task.score(encodings)]

    def value(self, results: list[Result], metric: str | None = None) -> float | None:
        """The mean over the tasks of the metric that counts, or of another; None where there is none."""
        values = [result.value for result in results if result.metric == (metric or self.metric)]
        return float(np.mean(values)) if values else None

    def change(self, before: list[Result], after: list[Result]) -> dict[str, float]:
        """The difference of the metric that counts and its 95% interval: over the rows of the tests, or, of clusters,
        over clusterings, the luck of their starts."""
        differences, halves = [], []
        for old, new in zip(before, after, strict=True):
            if old.metric != self.metric:
                continue
            if old.per_example is not None and new.per_example is not None:
                test = old.per_example.change_to(new.per_example)
                differences.append(test.difference)
                halves.append((test.high - test.low) / 2)
            else:
                moved = np.array(new.details["seeds"]) - np.array(old.details["seeds"])
                differences.append(float(moved.mean()))
                halves.append(
                    float(student_t.ppf(0.975, len(moved) - 1) * moved.std(ddof=1) / np.sqrt(len(moved)))
                )
        difference = float(np.mean(differences))
        half = float(np.sqrt(np.sum(np.square(halves)))) / len(halves)
        return {"difference": difference, "low": difference - half, "high": difference + half}


def read_adapting(name: str, data: Path) -> Adapting:
    """One of :data:`ADAPTED`."""
    tasks, metric = ADAPTED[name](data)
    return Adapting(name=name, columns=read_domain(name, data).rows, tasks=tasks, metric=metric)


def _sts(data: Path) -> tuple[tuple[Task, ...], str]:
    from contrapose.evaluate.senteval import read_sts
    from contrapose.evaluate.sts import StsTask

    return tuple(StsTask(data=read_sts([data / "senteval"], task, "test")) for task in STS_TASKS), "spearman"


def _retrieval(name: str) -> Callable[[Path], tuple[tuple[Task, ...], str]]:
    def read(data: Path) -> tuple[tuple[Task, ...], str]:
        from contrapose.evaluate.beir import read_beir
        from contrapose.evaluate.retrieval import RetrievalTask

        return (RetrievalTask(data=read_beir(data / "corpora" / name, "test"), hybrid=True),), "ndcg@10"

    return read


def _python(data: Path) -> tuple[tuple[Task, ...], str]:
    (task,) = read_domain("python-docs", data).tasks
    hybrid: Any = replace(task, hybrid=True)  # type: ignore[type-var]
    return (hybrid,), "mrr@10"


def _judged(name: str, table: str, metric: str) -> Callable[[Path], tuple[tuple[Task, ...], str]]:
    def read(data: Path) -> tuple[tuple[Task, ...], str]:
        from contrapose.evaluate.judged import ClusteringTask, PairsTask
        from contrapose.evaluate.labelled import read_judged

        judged = read_judged(data / "corpora" / name / table, name)
        task: Task = (
            PairsTask(data=judged) if judged.second else ClusteringTask(data=judged, seeds=CLUSTERINGS)
        )
        return (task,), metric

    return read


#: Domain -> reader of its labelled tasks, and the metric that counts.
ADAPTED: dict[str, Callable[[Path], tuple[tuple[Task, ...], str]]] = {
    "cranfield": _retrieval("cranfield"),
    "scifact": _retrieval("scifact"),
    "python-docs": _python,
    "sts": _sts,
    "stackoverflow-titles": _judged("stackoverflow-titles", "test.tsv", "v_measure"),
    "banking77": _judged("banking77", "test.tsv", "v_measure"),
    "twitter-url": _judged("twitter-url", "test.tsv", "average_precision"),
    "medical-questions": _judged("medical-questions", "mqp.tsv", "average_precision"),
}
#: What a domain is judged by, in words for a page.
METRICS = {
    "cranfield": "nDCG@10",
    "scifact": "nDCG@10",
    "python-docs": "MRR@10",
    "sts": "Spearman of STS12-16",
    "stackoverflow-titles": "v-measure",
    "banking77": "v-measure",
    "twitter-url": "average precision",
    "medical-questions": "average precision",
}
