"""Tasks on a table of judged texts: scored pairs, duplicates or not, texts with a class.

scored pairs      Spearman x 100 between cosine and score
duplicates        average precision x 100 of the cosine
texts with a class   v-measure x 100 of k-means on the unit vectors, as many clusters as classes, mean over seeds
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from contrapose.evaluate.encoding import Encodings
from contrapose.evaluate.labelled import JudgedTexts, kind_of, read_judged
from contrapose.evaluate.metrics import v_measure
from contrapose.evaluate.over_seeds import spread
from contrapose.evaluate.per_example import PerExampleScores
from contrapose.evaluate.results import Result
from contrapose.evaluate.senteval import text_form
from contrapose.evaluate.statistics import percentiles, resampled
from contrapose.evaluate.sts import row_cosine
from contrapose.evaluate.task import DatasetSource, OnData, Protocols, Task, with_subfolders
from contrapose.evaluate.vectors import SPREAD_OF_COLLAPSE, is_one_point, unit_rows
from contrapose.maths.k_means import k_means
from contrapose.seeds import derive

PROTOCOLS = {
    "scored-pairs": "Spearman x 100 between cosine and score over all pairs",
    "duplicate-pairs": "average precision x 100 of the cosine; 1 is a true pair",
    "clustering": "v-measure x 100 of k-means (k-means++ start) on unit vectors, k = classes, mean over seeds",
}
#: Seeds of k-means, and resamples of the texts with the clusters they were given.
CLUSTERING_SEEDS, CLUSTERING_RESAMPLES = 10, 200


@dataclass(frozen=True, kw_only=True)
class PairsTask(OnData):
    """Pairs with a score, or with 1 (same) and 0 (not)."""

    data: JudgedTexts
    split: str = "test"

    def score(self, encodings: Encodings) -> list[Result]:
        cosine_N = row_cosine(encodings.of(self.data.first), encodings.of(self.data.second))
        gold_N = self.data.gold_N
        metric = "average_precision" if self.data.is_binary else "spearman"
        protocol = "duplicate-pairs" if self.data.is_binary else "scored-pairs"
        details: dict[str, Any] = {
            "data_fingerprint": self.data.fingerprint,
            "definition": PROTOCOLS[protocol],
            **_notices(self.data),
        }
        if self.data.is_binary:
            details["chance"] = 100 * float(gold_N.mean())
        collapsed = np.ptp(cosine_N) < SPREAD_OF_COLLAPSE
        if collapsed:
            details["collapsed"] = True
        return [
            Result.of_scores(
                None if collapsed else PerExampleScores(metric, cosine_N, gold_N),
                task=self.name,
                metric=metric,
                protocol=protocol,
                rows=len(self.data),
                model=encodings.model,
                split=self.split,
                text=text_form(self.data.first),
                details=details,
            )
        ]


@dataclass(frozen=True, kw_only=True)
class ClusteringTask(OnData):
    """Texts with a class: are the classes clusters?"""

    data: JudgedTexts
    split: str = "test"
    seeds: int = CLUSTERING_SEEDS

    def score(self, encodings: Encodings) -> list[Result]:
        unit_ND = unit_rows(encodings.of(self.data.first), np.float64)
        names, class_N = np.unique(self.data.labels, return_inverse=True)
        details: dict[str, Any] = {
            "data_fingerprint": self.data.fingerprint,
            "definition": PROTOCOLS["clustering"],
            "classes": len(names),
            **_notices(self.data),
        }
        if is_one_point(unit_ND):
            details["collapsed"] = True
            value = float("nan")
        else:
            clusterings = [
                k_means(unit_ND, len(names), derive(seed, "k-means")) for seed in range(self.seeds)
            ]
            details["seeds"] = [round(100 * v_measure(class_N, cluster_N), 4) for cluster_N in clusterings]
            value, details["interval"] = _with_interval(class_N, clusterings)
        return [
            Result(
                task=self.name,
                metric="v_measure",
                value=value,
                protocol="clustering",
                rows=len(self.data),
                model=encodings.model,
                split=self.split,
                text=text_form(self.data.first),
                details=details,
            )
        ]


def _notices(data: JudgedTexts) -> dict[str, Any]:
    return {"notices": list(data.notices)} if data.notices else {}


def _with_interval(class_N: np.ndarray, clusterings: Sequence[np.ndarray]) -> tuple[float, list[float]]:
    """The mean over seeds, and how far other texts and other seeds would put it.

    Texts are resampled with the clusters they were given. A resample holds fewer distinct texts, and the v-measure of
    fewer texts is higher (chance looks like agreement): so the reach is taken around the resamples' own mean, and laid
    around the value. To it comes the reach of the mean over seeds, as independent errors add.
    """
    luck = spread([100 * v_measure(class_N, cluster_N) for cluster_N in clusterings])
    drawn = resampled(
        np.stack([class_N, *clusterings], axis=1),
        statistic=lambda rows: 100 * float(np.mean([v_measure(rows[:, 0], c) for c in rows[:, 1:].T])),
        resamples=CLUSTERING_RESAMPLES,
    )
    low, high = percentiles(drawn, luck.level)
    of_seeds = 0.0 if luck.high is None else luck.high - luck.mean
    below, above = (math.hypot(drawn.mean() - side, of_seeds) for side in (low, high))
    return luck.mean, [max(0.0, luck.mean - below), min(100.0, luck.mean + above)]


def own_source(path: Path, kind: str) -> DatasetSource:
    """A table of the user's own: ``kind`` "pairs" or "clustering"."""

    def read(split: str, protocols: Protocols) -> Task:
        return _task(read_judged(path, pairs=kind == "pairs"), split)

    return DatasetSource(task=str(path), group=kind, splits=("test",), where=path.parent, read=read)


def sources(folder: Path, split: str) -> Iterator[DatasetSource]:
    """The tables of a folder and the folders right in it."""
    for each in with_subfolders(folder):
        yield from _tables(each, split)


def _tables(folder: Path, split: str) -> Iterator[DatasetSource]:
    """Tables right in a folder. ``test``, ``dev`` and ``train`` are splits of one task that has the folder's name."""
    by_task: dict[str, dict[str, Path]] = {}
    for path in sorted([*folder.glob("*.tsv"), *folder.glob("*.csv")]):
        # test.en-de.tsv is a language pair; a pipe of such a name would be waited for.
        if "." in path.stem or not path.is_file():
            continue
        is_split = path.stem in ("test", "dev", "train")
        task, of_split = (folder.name, path.stem) if is_split else (path.stem, "test")
        by_task.setdefault(task, {})[of_split] = path
    for task, paths in by_task.items():
        # Its kind is read off the rows of another split where there is one: a test split is for testing.
        first, path = sorted(paths.items(), key=lambda item: item[0] == "test")[0]
        kind = kind_of(path) if first != "test" or split == "test" else ""
        if kind:
            splits = tuple(sorted(paths, reverse=True))
            read = partial(_read, task, paths)
            yield DatasetSource(task=task, group=kind, splits=splits, where=folder, read=read)


def _read(task: str, paths: Mapping[str, Path], split: str, protocols: Protocols) -> Task:
    return _task(read_judged(paths[split], task), split)


def _task(data: JudgedTexts, split: str) -> Task:
    return PairsTask(data=data, split=split) if data.second else ClusteringTask(data=data, split=split)
