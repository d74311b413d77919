"""SSCL as loops over rows, layers and views; lists of numbers, no torch."""

from __future__ import annotations

from collections.abc import Sequence

from tests.reference.loops import Struck, Vector, cosine, minus_log_share


def sscl(
    anchors: Sequence[Vector],
    positives: Sequence[Vector],
    inner: Sequence[Sequence[Vector]],
    *,
    temperature: float = 0.05,
    scope: str = "all",
    average_with_base: bool = True,
    struck: Struck = frozenset(),
) -> list[float]:
    """One loss per row. ``inner[b][j]`` is row j's vector in block b, a layer and a view."""
    losses = []
    for i, anchor in enumerate(anchors):
        own = cosine(anchor, positives[i]) / temperature
        others = []
        for j, positive in enumerate(positives):
            if j != i and (i, j) not in struck:
                others.append(cosine(anchor, positive) / temperature)
        beside = []
        for block in inner:
            for j, vector in enumerate(block):
                counts = j == i or (scope == "all" and (i, j) not in struck)
                if counts:
                    beside.append(cosine(anchor, vector) / temperature)
        with_layers = minus_log_share(own, [*others, *beside])
        plain = minus_log_share(own, others)
        losses.append((with_layers + plain) / 2 if average_with_base else with_layers)
    return losses
