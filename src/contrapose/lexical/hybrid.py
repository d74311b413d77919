"""Two searches in one: by meaning, which finds other words, and by words, which finds names and numbers."""

from __future__ import annotations

import numpy as np

#: Standard deviations of BM25 for one of the cosine: better than 1, and than reciprocal ranks, on both collections of
#: docs/how-to/hybrid-search.md.
WORDS_WEIGHT = 0.5


def hybrid_scores(cosines_QN: np.ndarray, bm25_QN: np.ndarray, weight: float = WORDS_WEIGHT) -> np.ndarray:
    """(Q, N) fp64: both scores of every query in standard deviations over the N texts, added up.

        score(q, t) = (cos(q, t) - mean_t) / sd_t  +  weight * (bm25(q, t) - mean_t) / sd_t

    A query whose words are in no text is ranked by its cosines alone.

    >>> hybrid_scores(np.array([[0.9, 0.8, 0.1]]), np.array([[0.0, 4.0, 0.0]])).argmax(), WORDS_WEIGHT
    (np.int64(1), 0.5)
    """
    summed_QN: np.ndarray = standardized(cosines_QN) + weight * standardized(bm25_QN)
    return summed_QN


def standardized(scores_QN: np.ndarray) -> np.ndarray:
    """(Q, N) fp64: mean 0 and standard deviation 1 over the texts of each query; zeros where all are equal."""
    centred_QN = np.asarray(scores_QN, np.float64)
    centred_QN = centred_QN - centred_QN.mean(axis=1, keepdims=True)
    sd_Q1 = centred_QN.std(axis=1, keepdims=True)
    # Equal scores differ from their mean by rounding, which must not be blown up to a standard deviation.
    largest_Q1 = np.abs(np.asarray(scores_QN)).max(axis=1, keepdims=True, initial=0.0)
    flat_Q1 = sd_Q1 <= 1e-7 * largest_Q1
    standard_QN: np.ndarray = np.where(flat_Q1, 0.0, centred_QN / np.where(flat_Q1, 1.0, sd_Q1))
    return standard_QN
