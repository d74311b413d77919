"""Clusters of rows: k-means with the k-means++ start (Arthur and Vassilvitskii 2007), the same for the same seed."""

from __future__ import annotations

import warnings

import numpy as np

#: Lloyd's iterations.
ITERATIONS = 100


def k_means(x_ND: np.ndarray, clusters: int, seed: int, *, iterations: int = ITERATIONS) -> np.ndarray:
    """The cluster (N,), 0 .. clusters - 1, of each row: k-means++ start, then Lloyd's iterations; Euclidean distance.

    Of unit vectors, squared distance is 2 - 2 cosine. Where fewer rows differ than there are clusters, some clusters
    stay empty.

    >>> group_N = k_means(np.array([[0.0, 1.0], [0.1, 1.0], [1.0, 0.0], [1.0, 0.1]]), 2, seed=0)
    >>> bool(group_N[0] == group_N[1] != group_N[2] == group_N[3])
    True
    """
    from scipy.cluster.vq import kmeans2

    # scipy warns of an empty cluster by way of 0 / 0.
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.simplefilter("ignore", UserWarning)
        _, cluster_N = kmeans2(
            x_ND, clusters, minit="++", iter=iterations, missing="warn", rng=np.random.default_rng(seed)
        )
    return np.asarray(cluster_N)
