"""Sums over the columns that count, one number after the other, in fp64."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np


def log_sums(
    rows: np.ndarray,
    columns: np.ndarray,
    logit: Callable[[float], float],
    counts: Callable[[int, int], bool],
    weight: Callable[[int, int], float],
) -> tuple[list[float | None], list[int], list[float | None]]:
    """Of each row: log of the sum of exponentials, how many columns count, the largest cosine; None where none does."""
    found: list[float | None] = []
    number, nearest = [], []
    for i, row in enumerate(rows):
        logits, cosines = [], []
        for j, column in enumerate(columns):
            if counts(i, j):
                cosine = float(sum(a * b for a, b in zip(row, column, strict=True)))
                cosines.append(cosine)
                logits.append(logit(cosine) + weight(i, j))
        number.append(len(logits))
        nearest.append(max(cosines, default=None))
        found.append(_log_sum(logits) if logits else None)
    return found, number, nearest


def _log_sum(logits: Sequence[float]) -> float:
    most = max(logits)
    return most + math.log(sum(math.exp(value - most) for value in logits))
