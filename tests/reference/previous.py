"""PNR as loops over rows and models; lists of numbers, no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tests.reference.loops import NOTHING, Struck, Vector, cosine, inner, minus_log_share

Matrix = Sequence[Vector]


def first_loss(
    rows: Matrix, columns: Matrix, earlier: Matrix, *, temperature: float = 0.05, struck: Struck = NOTHING
) -> list[float]:
    """L1 of one direction: row i finds column i among the columns and the earlier model's vectors of others."""
    losses = []
    for i, row in enumerate(rows):
        negatives = []
        for block in (columns, earlier):
            for j, vector in enumerate(block):
                if j != i and (i, j) not in struck:
                    negatives.append(cosine(row, vector) / temperature)
        losses.append(minus_log_share(cosine(row, columns[i]) / temperature, negatives))
    return losses


def second_loss(
    predicted: Matrix,
    targets: Matrix,
    current: Matrix,
    *,
    temperature: float = 0.05,
    in_denominator: bool = True,
    struck: Struck = NOTHING,
) -> list[float]:
    """L2 of one direction: what is predicted of row i finds its target among targets and current vectors of others."""
    losses = []
    for i, vector in enumerate(predicted):
        negatives = []
        for j in range(len(targets)):
            if j != i and (i, j) not in struck:
                negatives.append(cosine(vector, targets[j]) / temperature)
                negatives.append(cosine(vector, current[j]) / temperature)
        own = cosine(vector, targets[i]) / temperature
        if in_denominator:
            losses.append(minus_log_share(own, negatives))
        else:
            losses.append(math.log(sum(math.exp(logit) for logit in negatives)) - own if negatives else 0.0)
    return losses


def predicted(
    vectors: Matrix,
    first: Matrix,
    norm: tuple[Vector, Vector],
    last: tuple[Matrix, Vector],
    eps: float = 1e-5,
) -> list[list[float]]:
    """Linear without biases, batch norm over the rows, ReLU, linear; the last two as (weights, biases)."""
    hidden = [linear(vector, first, [0.0] * len(first)) for vector in vectors]
    scale, shift = norm
    for unit in range(len(scale)):
        values = [row[unit] for row in hidden]
        mean = sum(values) / len(values)
        variance = sum((value - mean) ** 2 for value in values) / len(values)
        for row in hidden:
            normal = (row[unit] - mean) / math.sqrt(variance + eps)
            row[unit] = max(0.0, scale[unit] * normal + shift[unit])
    return [linear(row, *last) for row in hidden]


def linear(vector: Vector, weights: Matrix, biases: Vector) -> list[float]:
    return [inner(row, vector) + bias for row, bias in zip(weights, biases, strict=True)]
