"""The sampler of debcse as plain loops: n-grams in sets, a weight for each pair."""

from __future__ import annotations

import math
from collections.abc import Sequence


def grams(text: str, unit: str) -> set[str]:
    low = text.casefold()
    if unit == "words":
        return set(low.split())
    around = f" {low} "
    return {around[start : start + 3] for start in range(len(around) - 2)}


def jaccard(one: str, other: str, unit: str) -> float:
    a, b = grams(one, unit), grams(other, unit)
    return len(a & b) / len(a | b)


def clipped(weight: float, limit: float) -> float:
    return min(max(weight, 1 / limit), limit)


def quantile(values: Sequence[float], share: float) -> float:
    """With linear interpolation between the two nearest values."""
    ordered = sorted(values)
    at = share * (len(ordered) - 1)
    low = math.floor(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])


def weights(
    texts: Sequence[str],
    candidates: Sequence[Sequence[int]],
    cosines: Sequence[Sequence[float]],
    quantiles: tuple[float, float, float],
    *,
    floor: float,
    limit: float,
    unit: str,
    even_lengths: bool = False,
) -> tuple[list[list[float]], list[list[float]]]:
    """Of each row's candidates the weights as positives, and as negatives; 0 where they are none."""
    every = [(1 + cosine) / 2 for row in cosines for cosine in row]
    low, high, top = (quantile(every, share) for share in quantiles)

    def apart(row: int, other: int) -> int:
        return min(abs(len(texts[row].split()) - len(texts[other].split())), 64)

    seen: dict[int, int] = {}
    for row, others in enumerate(candidates):
        for other in others:
            seen[apart(row, other)] = seen.get(apart(row, other), 0) + 1
    number = sum(seen.values())
    positives, negatives = [], []
    for row, others in enumerate(candidates):
        as_positive, as_negative = [], []
        for other, cosine in zip(others, cosines[row], strict=True):
            a, b = jaccard(texts[row], texts[other], unit), (1 + cosine) / 2
            further = number / seen[apart(row, other)] / len(seen) if even_lengths else 1.0
            as_positive.append(clipped(further * b / max(a, floor), limit) if b >= top else 0.0)
            is_negative = low <= b < high and a < 1
            as_negative.append(clipped(further * a / max(b, floor), limit) if is_negative else 0.0)
        positives.append(as_positive)
        negatives.append(as_negative)
    return positives, negatives
