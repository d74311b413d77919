"""KDMCSE's contrast, filter and distillation as loops with the arc cosine, as the paper writes them; no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tests.reference.loops import Vector, cosine, minus_log_share


def adaptive_contrast(
    rows: Sequence[Vector],
    columns: Sequence[Vector],
    teacher: Sequence[Vector],
    *,
    temperature: float = 0.05,
    margin: float = 0.125,
    adaptive: bool = True,
    threshold: float | None = None,
) -> list[float]:
    """One loss per row. ``threshold``: columns that the teacher finds more alike are left out."""
    losses = []
    for i, row in enumerate(rows):
        negatives = []
        for j, column in enumerate(columns):
            alike = cosine(teacher[i], teacher[j])
            if j == i or (threshold is not None and alike > threshold):
                continue
            theta = math.acos(max(-1.0, min(1.0, cosine(row, column))))
            if theta > margin:
                theta -= (abs(1 - alike) if adaptive else 1.0) * margin
            negatives.append(math.cos(theta) / temperature)
        losses.append(minus_log_share(cosine(row, columns[i]) / temperature, negatives))
    return losses


def through(weight: Sequence[Vector], bias: Vector, vectors: Sequence[Vector]) -> list[list[float]]:
    """tanh(W v + b) of every vector."""
    return [
        [
            math.tanh(sum(w * v for w, v in zip(line, vector, strict=True)) + shift)
            for line, shift in zip(weight, bias, strict=True)
        ]
        for vector in vectors
    ]
