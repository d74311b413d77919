"""How the trials of the studies are measured: the usual numbers, how far the space moved, and the way there.

facts of a trained encoder, beside those of :func:`contrapose.experiment.measuring.encoder_of`:

    gain     task -> difference to the start, with the interval of a paired bootstrap over its pairs
    moved    shift, cka, neighbours_kept on the probe, see :mod:`contrapose.maths.movement`
    curve    the rows of metrics.jsonl, as means over a dozen stretches of the run
    alarm    the collapse alarm rang
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.errors import TrainingDiverged
from contrapose.experiment.measuring import UNTRAINED, Setting, run_of, trial_result
from contrapose.experiment.trials import Trial, TrialResult

if TYPE_CHECKING:
    import numpy as np

    from contrapose.encoder.encoder import Encoder
    from contrapose.evaluate.suite import Evaluation
    from contrapose.listening import Listener

#: Points of a recorded curve.
STRETCHES = 12
#: Columns of metrics.jsonl that are recorded.
WATCHED = (
    "loss",
    "alignment",
    "uniformity",
    "mean_cosine",
    "positive_cosine",
    "hardest_negative_cosine",
    "accuracy",
    "grad_norm",
    "share_near",
    "mixing_share",
    "share_over",
    "mixture_difficulty",
    "mixture_diversity",
)


@dataclass(frozen=True)
class Bench:
    """Measures encoders in one setting; what the start says is computed once.

    elsewhere: those of the setting's tasks that have no split of its kind -> the split that they are judged on.
    """

    setting: Setting
    probe: Sequence[str]
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    def measure(self, trial: Trial, place: Path, listener: Listener | None = None) -> TrialResult:
        """Train as the trial says, and judge. A run that diverges is told with the steps that led there."""
        if trial.options["method"] == UNTRAINED:
            return trial_result(self.start_evaluation, self.geometry(self.start_vectors))
        try:
            run = run_of(self.setting, trial, place, listener)
        except TrainingDiverged as error:
            return TrialResult(facts={"failed": str(error), "curve": curve(_rows(place))})
        kept = ("steps", "skipped_steps", "precision", "rows", "view_cosine", "collapse_alarm")
        facts = {name: run.summary[name] for name in kept}
        evaluation, vectors = self.evaluation(run.encoder), self.vectors(run.encoder)
        facts |= {"gain": gains(self.start_evaluation, evaluation), "moved": self.moved(vectors)}
        return trial_result(evaluation, {**facts, **self.geometry(vectors), "curve": curve(run.metrics)})

    def evaluation(self, encoder: Encoder) -> Evaluation:
        """On the tasks of the setting, each on its split."""
        from contrapose.evaluate.suite import evaluate

        data = self.setting.data or None
        precision = self.setting.precision or _precision(encoder)
        by_split: dict[str, list[str]] = {}
        for task in self.setting.tasks:
            by_split.setdefault(self.elsewhere.get(task, self.setting.split), []).append(task)
        found = [
            evaluate(encoder, tasks, data, split=split, precision=precision)
            for split, tasks in by_split.items()
        ]
        return replace(
            found[0],
            results=tuple(result for each in found for result in each.results),
            problems=tuple(problem for each in found for problem in each.problems),
        )

    @cached_property
    def start(self) -> Encoder:
        from contrapose.encoder.encoder import Encoder

        return Encoder.load(self.setting.model)

    @cached_property
    def start_evaluation(self) -> Evaluation:
        return self.evaluation(self.start)

    @cached_property
    def start_vectors(self) -> np.ndarray:
        return self.vectors(self.start)

    def vectors(self, encoder: Encoder) -> np.ndarray:
        return encoder.encode(list(self.probe), normalize=True)

    def moved(self, vectors: np.ndarray) -> dict[str, float]:
        import torch

        from contrapose.maths.movement import linear_cka, neighbours_kept, shift

        before, after = torch.from_numpy(self.start_vectors.copy()), torch.from_numpy(vectors.copy())
        measures = {"shift": shift, "cka": linear_cka, "neighbours_kept": neighbours_kept}
        return {name: rounded(float(of(before, after))) for name, of in measures.items()}

    def geometry(self, vectors: np.ndarray) -> dict[str, Any]:
        import torch

        from contrapose.maths.geometry import effective_rank, mean_cosine, uniformity

        spread = torch.from_numpy(vectors.copy())
        measures = {"uniformity": uniformity, "mean_cosine": mean_cosine, "effective_rank": effective_rank}
        return {"geometry": {name: rounded(float(of(spread))) for name, of in measures.items()}}


def gains(before: Evaluation, after: Evaluation) -> dict[str, dict[str, float]]:
    """task -> difference, low, high; tasks without evidence are left out."""
    old = {(result.task, result.metric): result.evidence for result in before.results}
    found = {}
    for result in after.results:
        start = old.get((result.task, result.metric))
        if start is None or result.evidence is None or math.isnan(result.value):
            continue
        test = start.change_to(result.evidence)
        found[result.task] = {
            "difference": rounded(test.difference),
            "low": rounded(test.low),
            "high": rounded(test.high),
        }
    return found


def curve(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Means over stretches of the run; steps without a finite number are left out of theirs.

    >>> curve([{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.23456e-7}])["loss"]
    [2.0, 1.235e-07]
    """
    size = max(1, -(-len(rows) // STRETCHES))
    stretches = [rows[start : start + size] for start in range(0, len(rows), size)]
    found: dict[str, list[Any]] = {"step": [stretch[-1]["step"] for stretch in stretches]}
    for name in WATCHED:
        if any(name in row for row in rows):
            found[name] = [_mean([row.get(name) for row in stretch]) for stretch in stretches]
    return found


def rounded(value: float) -> float:
    """Four decimals are more than any of these numbers means."""
    return round(value, 4)


def _mean(values: Sequence[Any]) -> float | None:
    finite = [value for value in values if isinstance(value, int | float) and math.isfinite(value)]
    # Four digits, not four decimals: the loss of an encoder that solves its task is far below 0.0001.
    return float(f"{sum(finite) / len(finite):.4g}") if finite else None


def _rows(place: Path) -> list[dict[str, Any]]:
    from contrapose.train.run_folder import read_rows

    path = place / "run" / "metrics.jsonl"
    return read_rows(path) if path.exists() else []


def _precision(encoder: Encoder) -> str:
    from contrapose.train.environment import pick_precision

    return "bf16" if pick_precision("auto", encoder.device) else "fp32"
