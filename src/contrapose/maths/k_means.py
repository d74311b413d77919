"""Clusters of rows: k-means with the k-means++ start (Arthur and Vassilvitskii 2007), the same for the same seed.

Euclidean, by scipy, for a few thousand rows; spherical, in batches, for the vectors of a whole corpus.
"""

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


#: Rows up to which every iteration looks at all of them; of more, at a batch of so many.
ROWS_PER_ITERATION = 16_384
#: Rows for each cluster among which the start is chosen: so it costs what the clusters cost, not the corpus.
START_ROWS_PER_CLUSTER = 8
#: Rows compared with all centroids at once: this bounds memory and changes no result.
ROWS_PER_BLOCK = 4_096


def spherical_k_means(
    unit_ND: np.ndarray, num_clusters: int, seed: int, *, iterations: int = ITERATIONS
) -> np.ndarray:
    """Centroids (K, D), unit vectors, of rows of unit length: each row belongs to the one of largest cosine.

    The start is that of k-means++ with 1 - cosine as distance, on some rows of each cluster to be. Then a centroid
    becomes the direction of the sum of its rows: of all of them until none changes its cluster; of large data, of a
    batch of rows at a time, each centroid being the mean of all that were ever given to it (Dhillon and Modha 2001,
    "Concept decompositions for large sparse text data using clustering"; Sculley 2010, "Web-scale k-means
    clustering"). A cluster without rows keeps its centroid. The same bits for the same seed on the same machine.

    Raises ValueError where there are fewer rows than clusters.

    >>> rows_ND = np.array([[1.0, 0.0], [0.6, 0.8], [0.8, 0.6], [-1.0, 0.0]])
    >>> sorted(np.round(spherical_k_means(rows_ND, 2, seed=0), 2).tolist())
    [[-1.0, 0.0], [0.86, 0.5]]
    """
    num_rows = len(unit_ND)
    if num_rows < num_clusters:
        raise ValueError(f"{num_rows} rows cannot be put into {num_clusters} clusters")
    random = np.random.default_rng(seed)
    centroid_KD = _spread_out(unit_ND, num_clusters, random)
    total_KD = np.zeros_like(centroid_KD)
    before_B = np.empty(0, dtype=np.int64)
    whole = num_rows <= ROWS_PER_ITERATION
    for _ in range(iterations):
        rows_BD = unit_ND if whole else unit_ND[random.integers(0, num_rows, ROWS_PER_ITERATION)]
        cluster_B, _cosine_B = nearest_centroid(rows_BD, centroid_KD)
        if whole and np.array_equal(cluster_B, before_B):
            break
        before_B = cluster_B
        sum_KD = _sums(rows_BD, cluster_B, num_clusters)
        total_KD = sum_KD if whole else total_KD + sum_KD
        length_K1 = np.linalg.norm(total_KD, axis=1, keepdims=True)
        moved_KD = total_KD / np.maximum(length_K1, np.finfo(total_KD.dtype).tiny)
        centroid_KD = np.where(length_K1 > 0, moved_KD, centroid_KD)
    return centroid_KD


def nearest_centroid(unit_ND: np.ndarray, centroid_KD: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each row the centroid of largest cosine (N,), of equals the first, and that cosine (N,)."""
    cluster_N = np.empty(len(unit_ND), dtype=np.int64)
    cosine_N = np.empty(len(unit_ND), dtype=unit_ND.dtype)
    for start in range(0, len(unit_ND), ROWS_PER_BLOCK):
        block = slice(start, start + ROWS_PER_BLOCK)
        cosine_bK = unit_ND[block] @ centroid_KD.T
        cluster_N[block] = cosine_bK.argmax(1)
        cosine_N[block] = cosine_bK.max(1)
    return cluster_N, cosine_N


def doubts(rows_ND: np.ndarray, centroid_KD: np.ndarray, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Of each row its cluster (N,), and how unsure that is (N,): sum_{k != own} exp((cos_k - cos_own) / temperature).

    That is 1 / p - 1 for the softmax p over centroids at the own one: it tells rows apart where p is rounded to 1.

    >>> cluster_N, doubt_N = doubts(np.array([[2.0, 0.0]]), np.eye(2), 1.0)
    >>> cluster_N.tolist(), round(float(doubt_N[0]), 3)
    ([0], 0.368)
    """
    cluster_N, doubt_N = np.empty(len(rows_ND), dtype=np.int64), np.empty(len(rows_ND), dtype=np.float32)
    for start in range(0, len(rows_ND), ROWS_PER_BLOCK):
        block = slice(start, start + ROWS_PER_BLOCK)
        unit_bD = unit_rows(rows_ND[block])
        cluster_N[block], cosine_b = nearest_centroid(unit_bD, centroid_KD)
        odds_bK = np.exp((unit_bD @ centroid_KD.T - cosine_b[:, None]) / temperature)
        np.put_along_axis(odds_bK, cluster_N[block, None], 0, axis=1)
        doubt_N[block] = odds_bK.sum(1)
    return cluster_N, doubt_N


def unit_rows(rows_ND: np.ndarray) -> np.ndarray:
    """Rows of length 1 in fp32; a row of zeros stays one.

    >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])).round(1).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    rows_ND = np.asarray(rows_ND, dtype=np.float32)
    length_N1 = np.linalg.norm(rows_ND, axis=1, keepdims=True)
    unit_ND: np.ndarray = rows_ND / np.maximum(length_N1, np.finfo(np.float32).tiny)
    return unit_ND


def _spread_out(unit_ND: np.ndarray, num_clusters: int, random: np.random.Generator) -> np.ndarray:
    """(K, D) rows, each drawn with a probability that grows with its distance to those before it (k-means++)."""
    few = min(len(unit_ND), START_ROWS_PER_CLUSTER * num_clusters)
    among_FD = unit_ND[np.sort(random.choice(len(unit_ND), few, replace=False))]
    chosen = [int(random.integers(few))]
    distance_F = np.full(few, np.inf)
    for _ in range(num_clusters - 1):
        distance_F = np.minimum(distance_F, np.maximum(1 - among_FD @ among_FD[chosen[-1]], 0))
        cumulated_F = distance_F.cumsum(dtype=np.float64)
        drawn = int(np.searchsorted(cumulated_F, random.random() * cumulated_F[-1], side="right"))
        # Where all rows are equal to chosen ones, any will do: its cluster stays without rows.
        chosen.append(min(drawn, few - 1))
    return among_FD[chosen].copy()


def _sums(rows_BD: np.ndarray, cluster_B: np.ndarray, num_clusters: int) -> np.ndarray:
    """(K, D): the sum of each cluster's rows, added up in the order of the rows."""
    order_B = np.argsort(cluster_B, kind="stable")
    there_K, starts_K = np.unique(cluster_B[order_B], return_index=True)
    sum_KD = np.zeros((num_clusters, rows_BD.shape[1]), dtype=rows_BD.dtype)
    sum_KD[there_K] = np.add.reduceat(rows_BD[order_B], starts_K, axis=0)
    return sum_KD
