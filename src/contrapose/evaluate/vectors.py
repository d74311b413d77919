"""Rows of vectors outside of training: to unit length, all their cosines, and whether they are all one."""

from __future__ import annotations

from typing import Any

import numpy as np

#: What differs by less than this over a whole task is one number: fp32 rounds unit vectors at 1e-7, and a ranking
#: would rank that rounding.
SPREAD_OF_COLLAPSE = 1e-6
#: Rows that are brought to fp64 at a time.
ROWS = 50_000


def unit_rows(vectors_ND: np.ndarray, dtype: Any = np.float32) -> np.ndarray:
    """Rows of length 1; a zero row stays zero.

    >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]]), np.float64).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    length_N1 = np.linalg.norm(np.asarray(vectors_ND, np.float64), axis=1, keepdims=True)
    return (vectors_ND / np.where(length_N1 > 0, length_N1, 1.0)).astype(dtype)


def all_cosines(queries_QD: np.ndarray, vectors_ND: np.ndarray) -> np.ndarray:
    """(Q, N) fp64, a zero vector having cosine 0 with everything. Equal rows have cosines equal to 1e-15.

    For scores that are combined with others; the nearest are found by :mod:`contrapose.maths.nearest`.

    >>> all_cosines(np.eye(2), np.array([[2.0, 0.0], [0.0, 0.0]])).tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    queries_QD = unit_rows(queries_QD, np.float64)
    tiles = (vectors_ND[start : start + ROWS] for start in range(0, len(vectors_ND), ROWS))
    return np.concatenate([queries_QD @ unit_rows(tile, np.float64).T for tile in tiles], axis=1)


def is_one_point(vectors_ND: np.ndarray) -> bool:
    """Whether all rows are the same vector, up to rounding.

    >>> is_one_point(np.ones((3, 2))), is_one_point(np.eye(2))
    (True, False)
    """
    return float(np.ptp(vectors_ND, axis=0).max()) < SPREAD_OF_COLLAPSE
