"""IFND as loops over rows and clusterings; lists of numbers, no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from tests.reference.loops import Struck, Vector, cosine, minus_log_share

#: Of each clustering, the cluster of every row.
Clusterings = Sequence[Sequence[int]]


def confidence(row: Vector, centroids: Sequence[Vector], kappa: float) -> tuple[int, float]:
    """The cluster of a row, and the softmax over the centroids at it."""
    cosines = [cosine(row, centroid) for centroid in centroids]
    nearest = cosines.index(max(cosines))
    total = sum(math.exp(value / kappa) for value in cosines)
    return nearest, math.exp(cosines[nearest] / kappa) / total


def accepted(confidences: Sequence[float], share: float) -> set[int]:
    """The rows of largest confidence: a row where fewer than share x N are surer than it."""
    return {
        n
        for n, own in enumerate(confidences)
        if sum(other > own for other in confidences) < share * len(confidences)
    }


def false_negatives(
    i: int, others: Sequence[int], clusters: Clusterings, believed: Sequence[set[int]], agree: str
) -> list[int]:
    """Those of the rows ``others`` that say what row i says."""
    alike = []
    for j in others:
        same = [
            i in known and j in known and cluster[i] == cluster[j]
            for cluster, known in zip(clusters, believed, strict=True)
        ]
        if j != i and (any(same) if agree == "any" else all(same)):
            alike.append(j)
    return alike


def ifnd(
    anchors: Sequence[Vector],
    positives: Sequence[Vector],
    alike_of: Callable[[int], Sequence[int]],
    *,
    temperature: float,
    attract: bool = False,
    struck: Struck = frozenset(),
) -> list[float]:
    """One loss per row; ``alike_of(i)`` are the columns of its false negatives."""
    losses = []
    for i, anchor in enumerate(anchors):
        logits = [cosine(anchor, positive) / temperature for positive in positives]
        others = [j for j in range(len(positives)) if j != i and (i, j) not in struck]
        alike = [j for j in alike_of(i) if j in others]
        if not attract:
            losses.append(minus_log_share(logits[i], [logits[j] for j in others if j not in alike]))
            continue
        every = [i, *others]
        shares = [minus_log_share(logits[p], [logits[j] for j in every if j != p]) for p in (i, *alike)]
        losses.append(sum(shares) / len(shares))
    return losses
