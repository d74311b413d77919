"""Metrics as pure functions of numbers: average precision, ranked retrieval, agreement of two groupings."""

from __future__ import annotations

import numpy as np


def average_precision(labels_N: np.ndarray, scores_N: np.ndarray) -> float:
    """The area under precision over recall in steps; rows of equal score enter together.

        AP = sum_k (R_k - R_{k-1}) P_k        over the distinct scores, highest first

    labels_N: 1 for a true pair, 0 for another. NaN if there is no true pair. Equal to scikit-learn's.

    >>> average_precision(np.array([1, 0, 1]), np.array([0.9, 0.8, 0.7])), average_precision(np.ones(2), np.ones(2))
    (0.8333333333333333, 1.0)
    """
    order = np.argsort(-np.asarray(scores_N), kind="stable")
    scores_N, true_N = np.asarray(scores_N)[order], np.asarray(labels_N)[order].astype(np.float64)
    if not true_N.sum():
        return float("nan")
    last = np.r_[np.flatnonzero(np.diff(scores_N)), len(scores_N) - 1]
    true_so_far = np.cumsum(true_N)[last]
    precision, recall = true_so_far / (last + 1), true_so_far / true_N.sum()
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def ndcg(gains_K: np.ndarray, judged_gains: np.ndarray, cutoff: int) -> float:
    """Normalised discounted cumulative gain as trec_eval has it: linear gain, discount log2(rank + 1).

        nDCG@k = sum_{r<=k} g_r / log2(r + 1)  /  the same of all judged gains in falling order

    gains_K: the gain of each retrieved document in its rank; judged_gains: all judged gains of the query. 0 where no
    judged document has a gain.

    >>> round(ndcg(np.array([0.0, 1.0]), np.array([1.0]), 10), 4)
    0.6309
    """
    ideal = _dcg(np.sort(np.asarray(judged_gains, np.float64))[::-1], cutoff)
    return _dcg(np.asarray(gains_K, np.float64), cutoff) / ideal if ideal > 0 else 0.0


def _dcg(gains_K: np.ndarray, cutoff: int) -> float:
    gains = np.maximum(gains_K[:cutoff], 0.0)
    return float((gains / np.log2(np.arange(2, len(gains) + 2))).sum())


def reciprocal_rank_of(gains_K: np.ndarray, cutoff: int) -> float:
    """1 / rank of the first document with a gain, or 0 beyond ``cutoff``.

    >>> reciprocal_rank_of(np.array([0, 0, 2]), 10) == 1 / 3, reciprocal_rank_of(np.array([0, 0, 2]), 2)
    (True, 0.0)
    """
    hits = np.flatnonzero(np.asarray(gains_K)[:cutoff] > 0)
    return float(1 / (hits[0] + 1)) if len(hits) else 0.0


def recall(gains_K: np.ndarray, judged_gains: np.ndarray, cutoff: int) -> float:
    """The share of the documents with a gain that are among the first ``cutoff``.

    >>> recall(np.array([1, 0, 1]), np.array([1, 1, 2, 0]), 3) == 2 / 3
    True
    """
    wanted = int((np.asarray(judged_gains) > 0).sum())
    return float((np.asarray(gains_K)[:cutoff] > 0).sum() / wanted) if wanted else 0.0


def v_measure(classes_N: np.ndarray, clusters_N: np.ndarray) -> float:
    """The harmonic mean of homogeneity and completeness (Rosenberg and Hirschberg 2007), in [0, 1].

        h = 1 - H(class | cluster) / H(class)        c = 1 - H(cluster | class) / H(cluster)        V = 2 h c / (h + c)

    >>> v_measure(np.array([0, 0, 1, 1]), np.array([5, 5, 3, 3])), v_measure(np.array([0, 0, 1, 1]), np.zeros(4))
    (1.0, 0.0)
    """
    _, classes = np.unique(classes_N, return_inverse=True)
    _, clusters = np.unique(clusters_N, return_inverse=True)
    table = np.zeros((classes.max() + 1, clusters.max() + 1))
    np.add.at(table, (classes, clusters), 1)
    of_class, of_cluster, together = (
        _entropy(counts) for counts in (table.sum(axis=1), table.sum(axis=0), table.ravel())
    )
    shared = of_class + of_cluster - together
    homogeneity = shared / of_class if of_class > 0 else 1.0
    completeness = shared / of_cluster if of_cluster > 0 else 1.0
    total = homogeneity + completeness
    return float(max(0.0, 2 * homogeneity * completeness / total)) if total > 0 else 0.0


def _entropy(counts: np.ndarray) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())
