"""FedRCL as loops over layers, views and pairs. Numbers may be floats, or tensors where gradients are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def penalty(
    views: Sequence[Any],
    texts: Sequence[int],
    *,
    cosine: Callable[[Any, Any], Any],
    exp: Callable[[Any], Any],
    log: Callable[[Any], Any],
    threshold: float,
    temperature: float,
    least_similar: bool,
) -> Any:
    """The mean of PEN over all views of one layer; view v is of the text ``texts[v]``."""
    total = 0.0
    for v, view in enumerate(views):
        pairs = [cosine(view, other) for w, other in enumerate(views) if w != v and texts[w] == texts[v]]
        if least_similar:
            pairs = pairs and [min(pairs)]
        summed = 0.0
        for pair in pairs:
            if pair > threshold:
                summed = summed + exp((pair - 1) / temperature)
        if pairs and not isinstance(summed, float):
            total = total + log(1 + summed)
    return total / len(views)


def hardest_contrast(
    cosines: Sequence[Sequence[Any]], count: int | None, temperature: float, exp: Any, log: Any
) -> Any:
    """The sum over rows of InfoNCE with each row's hardest negatives; the positive is on the diagonal."""
    total = 0.0
    for i, row in enumerate(cosines):
        negatives = sorted((c for j, c in enumerate(row) if j != i), reverse=True)
        if count is not None:
            negatives = negatives[:count]
        denominator = exp(row[i] / temperature)
        for negative in negatives:
            denominator = denominator + exp(negative / temperature)
        total = total + log(denominator) - row[i] / temperature
    return total
