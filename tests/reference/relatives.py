"""The close relatives of SimCSE as plain loops: decoupled, debiased, hard negatives weighed, a mixed negative.

Nothing here imports contrapose or torch. Vectors are lists of floats.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from tests.reference.loops import Vector, add, cosine, minus_log_share, unit

Rows = Sequence[Vector]


def negatives(anchors: Rows, positives: Rows, *, with_anchors: bool = False) -> list[list[float]]:
    """Row i's cosines with the other rows' positives, and with their anchors."""
    table = []
    for i, anchor in enumerate(anchors):
        others = [cosine(anchor, other) for j, other in enumerate(positives) if j != i]
        if with_anchors:
            others += [cosine(anchor, other) for j, other in enumerate(anchors) if j != i]
        table.append(others)
    return table


def dcl(
    anchors: Rows,
    positives: Rows,
    *,
    temperature: float = 0.05,
    positive_width: float | None = None,
    with_anchors: bool = False,
) -> list[float]:
    own = [cosine(anchor, positive) for anchor, positive in zip(anchors, positives, strict=True)]
    weights = [1.0] * len(own)
    if positive_width is not None:
        total = sum(math.exp(value / positive_width) for value in own)
        weights = [2 - len(own) * math.exp(value / positive_width) / total for value in own]
    losses = []
    for i, others in enumerate(negatives(anchors, positives, with_anchors=with_anchors)):
        denominator = sum(math.exp(value / temperature) for value in others)
        losses.append(math.log(denominator) - weights[i] * own[i] / temperature if others else 0.0)
    return losses


def hcl(
    anchors: Rows,
    positives: Rows,
    *,
    temperature: float = 0.05,
    hardness: float = 1.0,
    false_negative_share: float = 0.1,
    with_anchors: bool = False,
) -> list[float]:
    """With a hardness of 0: the debiased loss."""
    losses = []
    for i, others in enumerate(negatives(anchors, positives, with_anchors=with_anchors)):
        if not others:
            losses.append(0.0)
            continue
        positive = math.exp(cosine(anchors[i], positives[i]) / temperature)
        values = [math.exp(value / temperature) for value in others]
        weights = [value**hardness for value in values]
        mean_weight = sum(weights) / len(weights)
        mean = sum(w / mean_weight * value for w, value in zip(weights, values, strict=True)) / len(values)
        estimate = (mean - false_negative_share * positive) / (1 - false_negative_share)
        estimate = max(estimate, math.exp(-1 / temperature))
        losses.append(-math.log(positive / (positive + len(values) * estimate)))
    return losses


def mixcse(
    anchors: Rows,
    positives: Rows,
    partners: Sequence[int],
    *,
    temperature: float = 0.05,
    positive_share: float = 0.2,
    scope: str = "own",
    mixed_anchors: bool = False,
    raw_vectors: bool = False,
) -> list[float]:
    """``partners[i]``: the row whose positive is mixed with row i's."""

    def mixture(vectors: Rows, j: int) -> list[float]:
        one, other = vectors[j], vectors[partners[j]]
        if not raw_vectors:
            one, other = unit(one), unit(other)
        return add(positive_share, one, 1 - positive_share, other)

    losses = []
    for i, anchor in enumerate(anchors):
        others = [cosine(anchor, other) for j, other in enumerate(positives) if j != i]
        for j in range(len(anchors)):
            if j == i or (scope == "all" and partners[j] != i):
                others.append(cosine(anchor, mixture(positives, j)))
        if mixed_anchors:
            mixed = mixture(anchors, i)
            for j, other in enumerate(positives):
                if j == i or j != partners[i]:
                    others.append(cosine(mixed, other))
        own = cosine(anchor, positives[i]) / temperature
        losses.append(minus_log_share(own, [value / temperature for value in others]))
    return losses
