"""SparseCSE's scores as loops over weights, batches and pairs of sentences; slopes are finite differences; no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from tests.reference.geometry import alignment, uniformity

#: Half of the step of a central difference: its error is about 1e-9 for measures of this size, in double precision.
STEP = 1e-5

#: A batch: the inputs of the first view and of the second, row by row.
Batch = tuple[np.ndarray, np.ndarray]
Measure = Callable[[np.ndarray, Batch], float]


def encode(matrix: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """u = W x of every row."""
    return np.array(
        [[sum(w * x for w, x in zip(row, given, strict=True)) for row in matrix] for given in inputs]
    )


def alignment_of(matrix: np.ndarray, batch: Batch) -> float:
    return alignment(encode(matrix, batch[0]), encode(matrix, batch[1]))


def uniformity_of(matrix: np.ndarray, batch: Batch) -> float:
    return uniformity(encode(matrix, batch[0]))


def slope(measure: Measure, matrix: np.ndarray, batch: Batch, at: tuple[int, int]) -> float:
    above, below = matrix.copy(), matrix.copy()
    above[at] += STEP
    below[at] -= STEP
    return (measure(above, batch) - measure(below, batch)) / (2 * STEP)


def scores(matrix: np.ndarray, batches: Sequence[Batch], *, reduction: str = "abs_mean") -> list[list[float]]:
    """The score of every weight of one matrix that encodes by ``u = W x``."""
    total = [[0.0] * matrix.shape[1] for _ in range(matrix.shape[0])]
    for measure in (alignment_of, uniformity_of):
        parts = {}
        for row in range(matrix.shape[0]):
            for column in range(matrix.shape[1]):
                slopes = [slope(measure, matrix, batch, (row, column)) for batch in batches]
                weight = float(matrix[row, column])
                if reduction == "abs_mean":
                    parts[row, column] = abs(weight * sum(slopes) / len(slopes))
                else:
                    parts[row, column] = sum(abs(weight * each) for each in slopes) / len(slopes)
        mean = sum(parts.values()) / len(parts)
        for (row, column), part in parts.items():
            total[row][column] += part / mean
    return total


def kept(scores: Sequence[float], sparsity: float) -> list[bool]:
    """False for the lowest share: taken one after the other, the first of equals first."""
    mask = [True] * len(scores)
    for _ in range(math.floor(sparsity * len(scores))):
        lowest = None
        for number, score in enumerate(scores):
            if mask[number] and (lowest is None or score < scores[lowest]):
                lowest = number
        assert lowest is not None
        mask[lowest] = False
    return mask
