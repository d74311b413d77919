"""The rows behind the numbers of a trial, read back from its ledger; each is resampled once, however often compared."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace

import numpy as np

from contrapose.evaluate.per_example import PerExampleScores
from contrapose.ledger import Entry, Ledger


@dataclass(frozen=True, eq=False)
class TaskEvidence(PerExampleScores):
    """Per-example scores of a named task. Its draws depend on the name alone, so that all comparisons share them.

    >>> task = TaskEvidence("mean", np.array([0.0, 1.0]), task="T")
    >>> task.resampled(seed=1) is task.resampled(seed=2)
    True
    """

    task: str = ""
    _drawn: dict[int, np.ndarray] = field(default_factory=dict, repr=False)

    def resampled(self, *, resamples: int | None = None, seed: int = 0) -> np.ndarray:
        resamples = resamples or self.resamples
        if resamples not in self._drawn:
            of_task = zlib.crc32(self.task.encode())
            self._drawn[resamples] = super().resampled(resamples=resamples, seed=of_task)
        return self._drawn[resamples]


def evidence_of(ledger: Ledger, entry: Entry) -> dict[str, TaskEvidence]:
    """Task -> evidence, for the numbers of a trial that are defined and have rows behind them."""
    arrays = ledger.evidence(entry)
    found = {}
    for task, value in entry.body.get("values", {}).items():
        metric = value["metric"]
        scores = TaskEvidence.from_arrays(arrays, task, metric)
        if scores is not None and value["value"] is not None:
            found[task] = replace(scores, task=task)
    return found
