"""Geometry of embeddings written with loops over pairs, as the definitions read."""

from __future__ import annotations

import math

import numpy as np


def unit(vector: np.ndarray) -> np.ndarray:
    length = math.sqrt(sum(float(value) ** 2 for value in vector))
    return vector / length if length > 0 else vector * 0.0


def squared_distance(u: np.ndarray, v: np.ndarray) -> float:
    return sum((float(a) - float(b)) ** 2 for a, b in zip(u, v, strict=True))


def alignment(first: np.ndarray, second: np.ndarray) -> float:
    return sum(squared_distance(unit(u), unit(v)) for u, v in zip(first, second, strict=True)) / len(first)


def uniformity(rows: np.ndarray, t: float = 2.0) -> float:
    total, pairs = 0.0, 0
    for i in range(len(rows)):
        for j in range(i + 1, len(rows)):
            total += math.exp(-t * squared_distance(unit(rows[i]), unit(rows[j])))
            pairs += 1
    return math.log(total / pairs)


def mean_cosine(rows: np.ndarray) -> float:
    total, pairs = 0.0, 0
    for i in range(len(rows)):
        for j in range(i + 1, len(rows)):
            total += sum(float(a) * float(b) for a, b in zip(unit(rows[i]), unit(rows[j]), strict=True))
            pairs += 1
    return total / pairs


def effective_rank(rows: np.ndarray) -> float:
    """Through the singular values of the centred matrix, whose squares are the covariance's eigenvalues times N."""
    units = np.array([unit(row) for row in rows])
    squares = np.linalg.svd(units - units.mean(axis=0), compute_uv=False) ** 2
    entropy = 0.0
    for square in squares:
        share = float(square) / float(squares.sum())
        if share > 0:
            entropy -= share * math.log(share)
    return math.exp(entropy)
