"""The twins' margin as loops over rows; lists of numbers, no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.reference.loops import Vector, cosine


def twins_term(
    trained: Mapping[str, Sequence[Vector]],
    before: Mapping[str, Sequence[Vector]],
    *,
    weight: float,
    limit: float,
    penalty: str,
) -> float:
    """``trained`` and ``before``: the views anchor, positive and fraternal, now and by the model before training."""
    total = 0.0
    for i in range(len(trained["anchor"])):
        margins = []
        for views in (trained, before):
            anchor = views["anchor"][i]
            margins.append(cosine(anchor, views["positive"][i]) - cosine(anchor, views["fraternal"][i]))
        now, innate = margins
        innate = min(max(innate, 0.0), limit)
        if penalty == "squared":
            total += (now - innate) ** 2
        elif now < innate:
            total += innate - now
    return weight * total / len(trained["anchor"])
