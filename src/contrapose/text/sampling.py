"""Inverse propensity weights of pairs, and draws from them: pure functions of two similarities.

a_QK: similarity on the surface, in [0, 1]. b_QK: similarity in meaning, in [0, 1], NaN where there is no candidate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

#: Values that a quantile is taken of; of more, rows at equal distances.
VALUES = 1_000_000
#: Differences in length, in words, from which on all count alike.
LONGEST_DIFFERENCE = 64


class Bands(NamedTuple):
    """Where candidates are negatives, low <= b < high, and where positives, b >= positive."""

    low: float
    high: float
    positive: float

    @classmethod
    def of(cls, b_NK: np.ndarray, quantiles: tuple[float, float, float]) -> Bands:
        """The quantiles of all similarities.

        >>> Bands.of(np.arange(11.0)[None] / 10, (0.0, 0.5, 0.9))
        Bands(low=0.0, high=0.5, positive=0.9)
        """
        every = max(1, b_NK.size // VALUES)
        return cls(*(float(value) for value in np.nanquantile(b_NK[::every], quantiles)))


def positive_weights(
    a_QK: np.ndarray,
    b_QK: np.ndarray,
    bands: Bands,
    *,
    floor: float,
    limit: float,
    further: np.ndarray | float = 1.0,
) -> np.ndarray:
    """b / max(a, floor), clipped, where b is in the positives' band; 0 elsewhere. further: multiplies it before.

    >>> bands = Bands(0.0, 0.5, 0.9)
    >>> positive_weights(np.array([0.5, 0.01, 0.5]), np.array([1.0, 1.0, 0.8]), bands, floor=0.1, limit=5.0)
    array([2., 5., 0.])
    """
    with np.errstate(invalid="ignore"):
        return np.where(b_QK >= bands.positive, _clipped_ratio(b_QK, a_QK, floor, limit, further), 0.0)


def negative_weights(
    a_QK: np.ndarray,
    b_QK: np.ndarray,
    bands: Bands,
    *,
    floor: float,
    limit: float,
    further: np.ndarray | float = 1.0,
) -> np.ndarray:
    """a / max(b, floor), clipped, where b is in the negatives' band and the texts differ; 0 elsewhere.

    >>> bands = Bands(0.0, 0.5, 0.9)
    >>> negative_weights(np.array([0.4, 1.0, 0.4]), np.array([0.4, 0.4, 0.5]), bands, floor=0.1, limit=10.0)
    array([1., 0., 0.])
    """
    with np.errstate(invalid="ignore"):
        in_band_QK = (b_QK >= bands.low) & (b_QK < bands.high) & (a_QK < 1)
        return np.where(in_band_QK, _clipped_ratio(a_QK, b_QK, floor, limit, further), 0.0)


def _clipped_ratio(
    wanted_QK: np.ndarray, propensity_QK: np.ndarray, floor: float, limit: float, further: np.ndarray | float
) -> np.ndarray:
    """The weight by inverse propensity; the clip keeps one candidate from taking every draw."""
    ratio_QK: np.ndarray = np.clip(further * wanted_QK / np.maximum(propensity_QK, floor), 1 / limit, limit)
    return ratio_QK


def length_weights(num_words: Sequence[int], candidates_NK: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Rows (Q,) -> (Q, K): one over the share of candidates, of all rows, that differ as much in length. Their mean
    over all candidates is 1."""
    words_N = np.asarray(num_words, dtype=np.int64)

    def difference(rows_Q: np.ndarray) -> np.ndarray:
        apart_QK = np.abs(words_N[rows_Q][:, None] - words_N[candidates_NK[rows_Q]])
        capped_QK: np.ndarray = np.minimum(apart_QK, LONGEST_DIFFERENCE)
        return capped_QK

    counts = np.zeros(LONGEST_DIFFERENCE + 1)
    for start in range(0, len(candidates_NK), 8_192):
        rows = np.arange(start, min(start + 8_192, len(candidates_NK)))
        counts += np.bincount(difference(rows)[candidates_NK[rows] >= 0], minlength=len(counts))
    weight: np.ndarray = counts.sum() / np.maximum(counts, 1) / max(1, np.count_nonzero(counts))
    return lambda rows_Q: weight[difference(rows_Q)]


def draw(weights_BK: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(B,) one column of each row, drawn in proportion to its weights; -1 where all are 0.

    >>> draw(np.array([[0.0, 2.0], [0.0, 0.0]]), np.random.default_rng(0)).tolist()
    [1, -1]
    """
    summed_BK = np.cumsum(weights_BK, axis=1, dtype=np.float64)
    point_B = rng.random(len(weights_BK)) * summed_BK[:, -1]
    return np.where(summed_BK[:, -1] > 0, (summed_BK > point_B[:, None]).argmax(axis=1), -1)


def expected(weights_QK: np.ndarray, cosine_QK: np.ndarray, a_QK: np.ndarray) -> np.ndarray:
    """Sums over rows: rows, rows with a candidate; and over those: candidates, mean weight, and what a draw from them
    is expected to have as cosine and as surface similarity."""
    number_Q, total_Q = (weights_QK > 0).sum(1), weights_QK.sum(1)
    some = number_Q > 0
    number_Q, total_Q = number_Q[some], total_Q[some]
    of_draw = (float(((weights_QK * x_QK).sum(1)[some] / total_Q).sum()) for x_QK in (cosine_QK, a_QK))
    return np.array([len(some), some.sum(), number_Q.sum(), (total_Q / number_Q).sum(), *of_draw])
