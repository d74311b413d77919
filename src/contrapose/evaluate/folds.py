"""Which rows are learnt from and which are held back: drawn once, alike for every classifier of a task."""

from __future__ import annotations

import numpy as np

from contrapose.errors import DataError
from contrapose.seeds import numpy_generator


def set_aside(learn_FN: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Of the rows of each classifier the first in one drawn order, ``share`` of them and at least one.

    >>> set_aside(np.array([[True] * 10, [True, True] + [False] * 8]), 0.3, seed=0).sum(axis=1).tolist()
    [3, 1]
    """
    order = numpy_generator(seed, "set-aside").permutation(learn_FN.shape[1])
    wanted_F1 = np.maximum(1, np.round(share * learn_FN.sum(axis=1)))[:, None]
    drawn_FN = learn_FN[:, order]
    aside_FN = np.zeros_like(learn_FN)
    aside_FN[:, order] = drawn_FN & (np.cumsum(drawn_FN, axis=1) <= wanted_F1)
    return aside_FN


def stratified_folds(labels_N: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """The fold of each row, so that every fold has its share of each class; which row goes where is drawn.

    Raises :class:`DataError` if a class has fewer rows than there are folds.

    >>> folds = stratified_folds(np.array([0] * 6 + [1] * 4), 2, seed=0)
    >>> [int((folds[:6] == fold).sum()) for fold in (0, 1)], [int((folds[6:] == fold).sum()) for fold in (0, 1)]
    ([3, 3], [2, 2])
    """
    generator = numpy_generator(seed, "folds", len(labels_N))
    fold_N = np.empty(len(labels_N), np.int64)
    dealt = 0
    for label in np.unique(labels_N):
        rows = generator.permutation(np.flatnonzero(labels_N == label))
        if len(rows) < folds:
            raise DataError(f"class {label} has {len(rows)} rows, too few for {folds} folds")
        fold_N[rows] = (np.arange(len(rows)) + dealt) % folds
        dealt += len(rows)
    return fold_N
