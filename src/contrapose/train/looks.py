"""Looks at held-out text: the one before a run's first step, and what is told of all of them."""

from __future__ import annotations

import time
from typing import Any

from contrapose.encoder.encoder import Encoder
from contrapose.listening import Listener
from contrapose.selection.budget import EvaluationPlan
from contrapose.selection.criterion import Criterion, Monitor


def evaluate_pretrained(
    monitor: Monitor | None, looks: EvaluationPlan, encoder: Encoder, precision: str, listener: Listener
) -> float:
    """Measure the model as it is before the first step, the baseline of all that follows; the seconds it took."""
    if monitor is None:
        return 0.0
    monitor.keep(looks.rows)
    with listener.task("evaluating the pretrained model"), encoder.in_mode(training=False):
        began = time.perf_counter()
        monitor.begin(encoder, precision)
        return time.perf_counter() - began


def facts_of_looks(criterion: Criterion | None, looks: EvaluationPlan, num_steps: int) -> dict[str, Any]:
    """What chooses the checkpoint, on how much text, and how often that is looked at."""
    if criterion is None:
        return {"criterion": "the last step", "eval_every": num_steps, "evaluations": 0, "closing_looks": 0}
    return {
        "criterion": criterion.about,
        "eval_every": looks.eval_every,
        "evaluations": looks.num_evaluations(num_steps),
        "closing_looks": looks.between,
        "look_in_steps": looks.in_steps,
    }
