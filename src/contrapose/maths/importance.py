"""How much every weight contributes to alignment and uniformity, and the mask that leaves the least of them out.

To first order, a measure m changes by theta g when a weight theta is set to zero, g = dm / dtheta: its Taylor
importance (Molchanov et al. 2019, https://arxiv.org/abs/1906.10771, for filters of images). Alignment A and uniformity
U (:mod:`contrapose.maths.geometry`) are measures of two scales, so each is divided by its mean over the group of
weights that are compared, a matrix or all of them:

    score = |theta g_A| / mean |theta g_A|  +  |theta g_U| / mean |theta g_U|

The size counts, not the sign: a weight whose removal would change nothing goes, whichever way the others point.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

#: Whether gradients of several batches are averaged before their size is taken, or after.
Reduction = Literal["abs_mean", "mean_abs"]
#: Which weights are compared with each other.
Scope = Literal["matrix", "global"]


class ImportanceSums:
    """|theta g| of several measures over batches, summed up as they come.

    abs_mean  |theta mean_b g_b|: batches that disagree on the direction cancel out
    mean_abs  mean_b |theta g_b|: a weight that matters in every batch, one way or the other, counts

    >>> sums = ImportanceSums({"w": torch.tensor([2.0])}, "abs_mean")
    >>> sums.add("alignment", {"w": torch.tensor([3.0])})
    >>> sums.add("alignment", {"w": torch.tensor([-1.0])})
    >>> sums.importance("alignment")["w"]
    tensor([2.])
    """

    def __init__(self, weights: Mapping[str, Tensor], reduction: Reduction) -> None:
        self.weights, self.reduction = weights, reduction
        self.sums: dict[str, dict[str, Tensor]] = {}
        self.batches: dict[str, int] = {}

    def add(self, measure: str, gradients: Mapping[str, Tensor]) -> None:
        """The gradients of one batch; a weight that a measure does not reach has none."""
        sums = self.sums.setdefault(measure, {})
        for name, weight in self.weights.items():
            if name in gradients:
                gradient = gradients[name].detach()
                share = gradient if self.reduction == "abs_mean" else taylor_importance(weight, gradient)
                sums[name] = share.clone() if name not in sums else sums[name].add_(share)
        self.batches[measure] = self.batches.get(measure, 0) + 1

    def importance(self, measure: str) -> dict[str, Tensor]:
        """|theta g| of every weight that the measure reaches, as the reduction says."""
        mean = {name: total / self.batches[measure] for name, total in self.sums[measure].items()}
        if self.reduction == "mean_abs":
            return mean
        return {name: taylor_importance(self.weights[name], gradient) for name, gradient in mean.items()}


def taylor_importance(weight: Tensor, gradient: Tensor) -> Tensor:
    """|theta g|, elementwise: by how much a measure changes, to first order, where the weight becomes zero.

    >>> taylor_importance(torch.tensor([2.0, 0.0]), torch.tensor([-3.0, 5.0]))
    tensor([6., 0.])
    """
    return (weight.detach() * gradient).abs()


def scores(measures: Mapping[str, Mapping[str, Tensor]], scope: Scope) -> dict[str, Tensor]:
    """Weight name -> the sum over measures of the importance relative to its mean over the group, in fp32.

    measures: measure -> weight name -> importance (any shape). Only weights that every measure reaches have a score.
    scope: ``matrix``: the mean is that of the weight's own matrix; ``global``: of all of them together.
    A measure that nothing in the group contributes to (mean 0) adds nothing.

    >>> importance = {"a": torch.tensor([1.0, 3.0])}
    >>> scores({"alignment": importance, "uniformity": importance}, "matrix")["a"]
    tensor([1., 3.])
    """
    reached = [name for name in next(iter(measures.values())) if all(name in by for by in measures.values())]
    total: dict[str, Tensor] = {}
    for by_name in measures.values():
        everywhere = _mean([by_name[name] for name in reached]) if scope == "global" and reached else None
        for name in reached:
            mean = _mean([by_name[name]]) if everywhere is None else everywhere
            # A mean that is no number is not hidden: it gives scores that are none.
            relative = torch.zeros_like(by_name[name]).float() if mean == 0 else by_name[name].float() / mean
            total[name] = relative if name not in total else total[name] + relative
    return total


def keep_masks(scores: Mapping[str, Tensor], sparsity: float, scope: Scope) -> dict[str, Tensor]:
    """Weight name -> bool, False for the ``sparsity`` share of the group with the lowest scores, rounded down.

    Of equal scores the one that stands first goes first, so that the mask is the same on every machine.

    >>> keep_masks({"a": torch.tensor([3.0, 1.0]), "b": torch.tensor([2.0, 9.0])}, 0.5, "global")
    {'a': tensor([ True, False]), 'b': tensor([False,  True])}
    >>> keep_masks({"a": torch.tensor([3.0, 1.0]), "b": torch.tensor([2.0, 9.0])}, 0.5, "matrix")
    {'a': tensor([ True, False]), 'b': tensor([False,  True])}
    """
    if scope == "matrix":
        return {name: _without_lowest(score, sparsity) for name, score in scores.items()}
    if not scores:
        return {}
    kept = _without_lowest(torch.cat([score.flatten() for score in scores.values()]), sparsity)
    parts = torch.split(kept, [score.numel() for score in scores.values()])
    return {name: part.view_as(score) for (name, score), part in zip(scores.items(), parts, strict=True)}


def _without_lowest(score: Tensor, sparsity: float) -> Tensor:
    flat = score.flatten()
    kept = torch.ones_like(flat, dtype=torch.bool)
    kept[flat.argsort(stable=True)[: int(sparsity * flat.numel())]] = False
    return kept.view_as(score)


def _mean(tensors: list[Tensor]) -> float:
    count = sum(tensor.numel() for tensor in tensors)
    return sum(float(tensor.sum(dtype=torch.float64)) for tensor in tensors) / max(1, count)
