"""Core-tuning as loops over rows and columns; lists of numbers, no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tests.reference.loops import Struck, Vector, add, cosine, minus_log_share, unit

Labels = Sequence[int]


def hardest(
    i: int, anchors: Sequence[Vector], positives: Sequence[Vector], struck: Struck, labels: Labels | None
) -> int | None:
    """The negative that is nearest to anchor i; None where it has none."""
    others = [
        j
        for j in range(len(positives))
        if j != i and (i, j) not in struck and (labels is None or labels[i] != labels[j])
    ]
    return max(others, key=lambda j: cosine(anchors[i], positives[j])) if others else None


def core_tuning(
    anchors: Sequence[Vector],
    positives: Sequence[Vector],
    *,
    positive_shares: Sequence[float],
    negative_shares: Sequence[float],
    partners: Sequence[int | None],
    temperature: float,
    labels: Labels | None = None,
    weight: float = 1.0,
    over_columns: bool = False,
    struck: Struck = frozenset(),
) -> list[float]:
    """One loss per row. The shares and the partners of hard negatives are those that were drawn."""
    losses = []
    for i, anchor in enumerate(anchors):
        own = unit(positives[i])
        near = hardest(i, anchors, positives, struck, labels)
        if near is not None:
            own = add(positive_shares[i], own, 1 - positive_shares[i], unit(positives[near]))
        logits = {}
        for j, positive in enumerate(positives):
            if (i, j) not in struck:
                logits[j] = cosine(anchor, own if j == i else positive) / temperature
        partner = partners[i]
        if partner is not None:
            share = negative_shares[i]
            mixed = add(1 - share, unit(anchor), share, unit(positives[partner]))
            logits[-1] = cosine(anchor, mixed) / temperature
        alike = [j for j in logits if j == i or (labels is not None and j >= 0 and labels[j] == labels[i])]
        total = 0.0
        for j in alike:
            surprise = minus_log_share(logits[j], [value for k, value in logits.items() if k != j])
            total += (1 - math.exp(-surprise)) * surprise
        losses.append(weight * total / (len(positives) + 1 if over_columns else len(alike)))
    return losses


def mined(vectors: Sequence[Vector], labels: Labels) -> list[tuple[int, int]]:
    """Of each row the least similar row of its class and the most similar of another; itself where there is none."""
    pairs = []
    for i, vector in enumerate(vectors):
        same = [j for j in range(len(vectors)) if j != i and labels[j] == labels[i]]
        other = [j for j in range(len(vectors)) if labels[j] != labels[i]]
        least = min(same, key=lambda j: cosine(vector, vectors[j])) if same else i
        most = max(other, key=lambda j: cosine(vector, vectors[j])) if other else i
        pairs.append((least, most))
    return pairs


def classification(
    vectors: Sequence[Vector],
    labels: Labels,
    weights: Sequence[Vector],
    *,
    positive_shares: Sequence[float] | None = None,
    negative_shares: Sequence[float] | None = None,
    partners: Sequence[int] | None = None,
) -> float:
    """The mean soft cross entropy over originals and, where shares are given, hard positives and hard negatives."""
    classes = len(weights)
    hot = [[float(label == number) for number in range(classes)] for label in labels]
    rows = list(zip(vectors, hot, strict=True))
    if positive_shares is not None and negative_shares is not None and partners is not None:
        for i, (least, most) in enumerate(mined(vectors, labels)):
            share = positive_shares[i]
            both = [add(share, side[least], 1 - share, side[most]) for side in (vectors, hot)]
            rows.append((both[0], both[1]))
        for i, partner in enumerate(partners):
            share = negative_shares[i]
            both = [add(1 - share, side[i], share, side[partner]) for side in (vectors, hot)]
            rows.append((both[0], both[1]))
    total = 0.0
    for vector, target in rows:
        logits = [sum(a * b for a, b in zip(vector, weight, strict=True)) for weight in weights]
        for number, share in enumerate(target):
            others = [value for place, value in enumerate(logits) if place != number]
            total += share * minus_log_share(logits[number], others)
    return total / len(rows)
