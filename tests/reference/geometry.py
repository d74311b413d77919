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


def iso_score(rows: np.ndarray) -> float:
    """Rudman et al. 2022, step by step: principal components, their variances, the defect, the score."""
    units = np.array([unit(row) for row in rows])
    centred = units - units.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=True)
    width = units.shape[1]
    variances = [float(np.mean((centred @ direction) ** 2)) for direction in directions]
    length = math.sqrt(sum(variance**2 for variance in variances))
    scaled = [math.sqrt(width) * variance / length for variance in variances]
    defect = math.sqrt(sum((value - 1) ** 2 for value in scaled)) / math.sqrt(2 * (width - math.sqrt(width)))
    share = (width - defect**2 * (width - math.sqrt(width))) ** 2 / width**2
    return (width * share - 1) / (width - 1)


def hubness(rows: np.ndarray, k: int = 10) -> float:
    counts = [0] * len(rows)
    for i in range(len(rows)):
        others = [
            (sum(float(a) * float(b) for a, b in zip(unit(rows[i]), unit(rows[j]), strict=True)), j)
            for j in range(len(rows))
            if j != i
        ]
        for _, j in sorted(others, reverse=True)[:k]:
            counts[j] += 1
    mean = sum(counts) / len(counts)
    second = sum((count - mean) ** 2 for count in counts) / len(counts)
    third = sum((count - mean) ** 3 for count in counts) / len(counts)
    return third / second**1.5 if second else 0.0
