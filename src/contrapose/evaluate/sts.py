"""Semantic textual similarity: does the cosine of two sentences rise with the score that people gave them?

Spearman's rank correlation x 100 between cosine and gold score, no regressor on top. Two protocols for a year of STS,
which is made of three to six parts (Gao et al. 2021, appendix B, on why this matters):

``senteval-all``   one correlation over all pairs of the year together; what SimCSE and its successors print
``senteval-mean``  the mean of the parts' correlations (its interval resamples pairs within their part); the mean
                   weighted by pairs is in ``details``

The two differ by points, so every number carries its protocol. Test splits are read by the suite;
selecting a checkpoint reads :func:`sts_dev` and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contrapose.errors import UsageError, nearest
from contrapose.evaluate.encoding import Encodes, Encodings, encode_once
from contrapose.evaluate.per_example import PerExampleScores
from contrapose.evaluate.published import other_rows_than_published
from contrapose.evaluate.results import Result
from contrapose.evaluate.senteval import STS_TASKS, Pairs, StsData, files_of, read_sts, root_in, splits_of
from contrapose.evaluate.statistics import spearman
from contrapose.evaluate.task import DatasetSource, OnData, Protocols
from contrapose.evaluate.vectors import SPREAD_OF_COLLAPSE
from contrapose.listening import Progress

PROTOCOLS = {
    "senteval-all": "Spearman x 100 between cosine and gold score over all pairs of the task together",
    "senteval-mean": "mean over the task's parts of Spearman x 100 between cosine and gold score",
    "crosslingual": "Spearman x 100 between cosine and gold score over all pairs of one language pair",
}
#: Those that one chooses between; cross-lingual files have no parts.
CHOICES = ("senteval-all", "senteval-mean")


@dataclass(frozen=True, kw_only=True)
class StsTask(OnData):
    """One split of one task under one protocol: its texts, and how vectors are scored."""

    data: StsData
    protocol: str = "senteval-all"

    def __post_init__(self) -> None:
        if self.protocol != "crosslingual":
            check_protocol(self.protocol)

    def evaluate(
        self, encoder: Encodes, *, precision: str | None = None, progress: Progress = None
    ) -> Result:
        """Encode and score this task alone."""
        return self.score(encode_once(encoder, self.texts, precision=precision, progress=progress))[0]

    def score(self, encodings: Encodings) -> list[Result]:
        """The result for vectors of all texts; one, in a list as every task returns it."""
        cosines = [
            row_cosine(encodings.of(part.first), encodings.of(part.second)) for part in self.data.subsets
        ]
        parts = {
            part.name: {"value": 100 * spearman(cosine, part.gold), "rows": len(part)}
            for part, cosine in zip(self.data.subsets, cosines, strict=True)
        }
        values = np.array([part["value"] for part in parts.values()])
        rows = np.array([part["rows"] for part in parts.values()])
        details: dict[str, Any] = {"folder": self.data.folder, "data_fingerprint": self.data.fingerprint}
        if len(parts) > 1:
            details["subsets"] = parts
        gold_N = np.concatenate([part.gold for part in self.data.subsets])
        parts_N = None
        if self.protocol == "senteval-mean":
            parts_N = np.repeat(np.arange(len(rows)), rows)
            details["weighted_mean"] = float(values @ rows / rows.sum())
        details["unscored_lines_left_out"] = sum(part.unscored for part in self.data.subsets)
        why_undefined = _undefined(cosines, self.data.subsets, pooled=self.protocol != "senteval-mean")
        rows_here = {self.data.split: len(self.data)}
        details |= why_undefined | other_rows_than_published(self.name, rows_here, "scored pairs", exact=True)
        scores = PerExampleScores("spearman", np.concatenate(cosines), gold_N, parts_N)
        return [
            Result.of_scores(
                None if why_undefined else scores,
                task=self.name,
                metric="spearman",
                protocol=self.protocol,
                rows=len(self.data),
                model=encodings.model,
                split=self.data.split,
                text=self.data.text,
                details=details,
            )
        ]


def source_of(task: str, folders: Sequence[Path], splits: tuple[str, ...] = ()) -> DatasetSource:
    """One task of SentEval's STS data, from the first folder that holds it."""

    def read(split: str, protocols: Protocols) -> StsTask:
        return StsTask(data=read_sts(folders, task, split), protocol=protocols.sts)

    return DatasetSource(
        task=task, group="sts", splits=splits, where=folders[0] if folders else Path(), read=read
    )


def sources(folder: Path, split: str) -> Iterator[DatasetSource]:
    """The STS tasks in SentEval's layout."""
    for task in STS_TASKS:
        splits = tuple(each for each in splits_of(task) if root_in(folder, files_of(task, each)))
        if splits:
            yield source_of(task, [folder], splits)


def sts_dev(data: str | Path | Sequence[str | Path]) -> StsTask:
    """The development pairs of STS-B, for choosing a checkpoint; no test file is opened."""
    return StsTask(data=read_sts(data, "STS-B", "dev"))


def check_protocol(protocol: str) -> None:
    """Raise :class:`UsageError` for a protocol that does not exist, with the nearest that does."""
    if protocol not in CHOICES:
        raise UsageError(
            f"unknown protocol '{protocol}'{nearest(protocol, CHOICES)} Known: {', '.join(CHOICES)}"
        )


def row_cosine(first_ND: np.ndarray, second_ND: np.ndarray) -> np.ndarray:
    """The cosine of each row of one matrix with the same row of the other, in fp64; 0 where a vector is zero.

    >>> row_cosine(np.array([[3.0, 4.0], [0.0, 0.0]]), np.array([[4.0, 3.0], [1.0, 0.0]])).tolist()
    [0.96, 0.0]
    """
    first_ND, second_ND = np.asarray(first_ND, np.float64), np.asarray(second_ND, np.float64)
    dot_N = np.einsum("nd,nd->n", first_ND, second_ND)
    length_N = np.linalg.norm(first_ND, axis=1) * np.linalg.norm(second_ND, axis=1)
    cosine_N: np.ndarray = np.divide(dot_N, length_N, out=np.zeros_like(dot_N), where=length_N > 0)
    return cosine_N


def _undefined(cosines: Sequence[np.ndarray], subsets: Sequence[Pairs], *, pooled: bool) -> dict[str, Any]:
    """Why no rank correlation exists, or {}: all cosines equal (the encoder collapsed), or all gold scores equal."""
    golds = [subset.gold for subset in subsets]
    groups = [np.concatenate(cosines)] if pooled else list(cosines)
    if any(np.ptp(group) < SPREAD_OF_COLLAPSE for group in groups):
        return {"collapsed": True}
    if any(np.ptp(group) == 0 for group in ([np.concatenate(golds)] if pooled else golds)):
        return {"undefined": "all gold scores are equal"}
    return {}
