"""What must never reach the weights, and what a person must know: non-finite numbers, and collapse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from contrapose.errors import TrainingDiverged
from contrapose.train.step import Computed

#: Mean cosine of different sentences above which the encoder says nearly the same of everything ...
COLLAPSED_COSINE = 0.95
#: ... or uniformity above this (0 = one point, -4 = spread evenly) ...
COLLAPSED_UNIFORMITY = -0.2
#: ... for so many steps in a row.
COLLAPSE_PATIENCE = 20


def what_is_not_finite(
    result: Computed, grad_norm: torch.Tensor, parameters: Iterable[tuple[str, nn.Parameter]]
) -> str:
    """In words, where a step went wrong; '' for a sound step. One wait for the device where all is well."""
    sound = torch.isfinite(result.loss.total) & torch.isfinite(grad_norm)
    if bool(sound):
        return ""
    if words := result.problem():
        return words
    names = [name for name, p in parameters if p.grad is not None and not torch.isfinite(p.grad).all()]
    return f"the gradient is not finite in {len(names)} tensors ({', '.join(names[:3])})"


@dataclass
class SkipCounter:
    """Counts steps whose gradient was not used, and gives up after too many in a row."""

    limit: int
    in_a_row: int = 0
    total: int = 0

    def skipped(self, step: int, why: str) -> None:
        self.in_a_row += 1
        self.total += 1
        if self.in_a_row >= self.limit:
            raise TrainingDiverged(
                f"step {step}: {why}; that is {self.in_a_row} steps in a row, and nothing was learnt from any of them. "
                "Begin a new run in another --out with a lower --learning-rate, or with --precision fp32; checkpoints "
                "that this one saved are kept, but --resume goes on with its own settings."
            )


@dataclass
class CollapseAlarm:
    """Says once, in plain words, when all sentences get nearly the same vector."""

    in_a_row: int = 0
    rung: bool = False

    def look(self, step: int, stats: Mapping[str, float]) -> str:
        """The alarm's words at the step where it goes off, '' at every other."""
        cosine, uniformity = stats.get("mean_cosine", 0.0), stats.get("uniformity", -4.0)
        collapsed = cosine > COLLAPSED_COSINE or uniformity > COLLAPSED_UNIFORMITY
        self.in_a_row = self.in_a_row + 1 if collapsed else 0
        if self.rung or self.in_a_row < COLLAPSE_PATIENCE:
            return ""
        self.rung = True
        return (
            f"Collapse at step {step}: different sentences get nearly the same vector (mean cosine {cosine:.2f}, "
            f"uniformity {uniformity:.2f}), and a loss that falls now means nothing. Stop, and begin again in "
            "another --out with a lower --learning-rate, a lower temperature (--set temperature=...), or a larger "
            "--batch-size."
        )
