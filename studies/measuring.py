"""How an encoder is measured in a study: the usual evaluation, how far it moved, and the way there.

A row has the usual values of an evaluation, and these facts:

    gain     task -> difference to the pretrained model, with the interval of a paired bootstrap over its pairs
    moved    shift, cka, neighbours_kept on the probe, see contrapose.maths.movement
    geometry the shape of the space of the probe
    curve    the rows of metrics.jsonl, as means over a dozen stretches of the run
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.errors import ModelError, TrainingDiverged, UsageError
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
    "loss", "alignment", "uniformity", "mean_cosine", "positive_cosine", "hardest_negative_cosine", "accuracy",
    "grad_norm", "share_near", "mixing_share", "share_over", "mixture_difficulty", "mixture_diversity",
)  # fmt: skip
#: What a row keeps of a run's summary.
KEPT = ("steps", "skipped_steps", "precision", "rows", "view_cosine", "collapse_alarm")


@dataclass(frozen=True)
class Measuring:
    """Measures encoders in one setting; what the pretrained model says is computed once.

    may_refuse: a run whose options the model cannot serve is recorded with the reason, and not an error.
    """

    setting: Setting
    probe: Sequence[str]
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    may_refuse: bool = False

    def measure(self, trial: Trial, folder: Path, listener: Listener | None = None) -> TrialResult:
        """Train as the trial says, and judge. A run that diverges is recorded with the steps that led there."""
        pretrained, before_ND = self.pretrained
        if trial.options["method"] == UNTRAINED:
            return trial_result(pretrained, geometry(before_ND))
        try:
            run = run_of(self.setting, trial, folder, listener)
        except TrainingDiverged as error:
            return TrialResult(facts={"failed": str(error), "curve": curve(_metrics(folder))})
        except (UsageError, ModelError) as error:
            # What another error caused, or what came after the first step, may pass: the trial is run again.
            if not self.may_refuse or error.__cause__ is not None or _metrics(folder):
                raise
            return TrialResult(facts={"refused": self._without_places(str(error))})
        evaluation, after_ND = self.judged(run.encoder)
        facts = {
            **{name: run.summary[name] for name in KEPT},
            "gain": gains(pretrained, evaluation),
            "moved": moved(before_ND, after_ND),
            **geometry(after_ND),
            "curve": curve(run.metrics),
        }
        return trial_result(evaluation, facts)

    def _without_places(self, words: str) -> str:
        """A row names the model, and not where it lies."""
        model = self.setting.model
        return words.replace(model, Path(model).name)

    @cached_property
    def pretrained(self) -> tuple[Evaluation, np.ndarray]:
        from contrapose.encoder.encoder import Encoder

        return self.judged(Encoder.load(self.setting.model))

    def judged(self, encoder: Encoder) -> tuple[Evaluation, np.ndarray]:
        """The tasks of the setting, each on its split, and the vectors of the probe."""
        from contrapose.evaluate.suite import evaluate
        from contrapose.train.environment import pick_precision

        fast = "bf16" if pick_precision("auto", encoder.device) else "fp32"
        by_split: dict[str, list[str]] = {}
        for task in self.setting.tasks:
            by_split.setdefault(self.elsewhere.get(task, self.setting.split), []).append(task)
        first, *others = [
            evaluate(
                encoder,
                tasks,
                self.setting.data or None,
                split=split,
                precision=self.setting.precision or fast,
            )
            for split, tasks in by_split.items()
        ]
        whole = replace(
            first,
            results=tuple(result for each in (first, *others) for result in each.results),
            problems=tuple(problem for each in (first, *others) for problem in each.problems),
        )
        return whole, encoder.encode(list(self.probe), normalize=True)


def moved(before_ND: np.ndarray, after_ND: np.ndarray) -> dict[str, float]:
    """How far the space of the probe moved."""
    import torch

    from contrapose.maths.movement import linear_cka, neighbours_kept, shift

    before, after = torch.from_numpy(before_ND.copy()), torch.from_numpy(after_ND.copy())
    measures = {"shift": shift, "cka": linear_cka, "neighbours_kept": neighbours_kept}
    return {name: rounded(float(of(before, after))) for name, of in measures.items()}


def geometry(vectors_ND: np.ndarray) -> dict[str, Any]:
    """The shape of the space of the probe."""
    import torch

    from contrapose.maths.geometry import effective_rank, mean_cosine, uniformity

    spread = torch.from_numpy(vectors_ND.copy())
    measures = {"uniformity": uniformity, "mean_cosine": mean_cosine, "effective_rank": effective_rank}
    return {"geometry": {name: rounded(float(of(spread))) for name, of in measures.items()}}


def gains(before: Evaluation, after: Evaluation) -> dict[str, dict[str, float]]:
    """task -> difference, low, high; tasks without per-example scores are left out."""
    old = {(result.task, result.metric): result.per_example for result in before.results}
    by_task = {}
    for result in after.results:
        scores = old.get((result.task, result.metric))
        if scores is not None and result.per_example is not None and not math.isnan(result.value):
            test = scores.change_to(result.per_example)
            by_task[result.task] = {
                name: rounded(getattr(test, name)) for name in ("difference", "low", "high")
            }
    return by_task


def curve(metrics: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Means over stretches of the run; steps without a finite number are left out of theirs.

    >>> curve([{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.23456e-7}])["loss"]
    [2.0, 1.235e-07]
    """
    size = max(1, -(-len(metrics) // STRETCHES))
    stretches = [metrics[first : first + size] for first in range(0, len(metrics), size)]
    means: dict[str, list[Any]] = {"step": [stretch[-1]["step"] for stretch in stretches]}
    for name in WATCHED:
        if any(name in row for row in metrics):
            means[name] = [_mean([row.get(name) for row in stretch]) for stretch in stretches]
    return means


def rounded(value: float) -> float:
    """Four decimals are more than any of these numbers means."""
    return round(value, 4)


def _mean(values: Sequence[Any]) -> float | None:
    finite = [value for value in values if isinstance(value, int | float) and math.isfinite(value)]
    # Four digits, not four decimals: the loss of an encoder that solves its task is far below 0.0001.
    return float(f"{sum(finite) / len(finite):.4g}") if finite else None


def _metrics(folder: Path) -> list[dict[str, Any]]:
    from contrapose.train.run_folder import read_rows

    path = folder / "run" / "metrics.jsonl"
    return read_rows(path) if path.exists() else []
