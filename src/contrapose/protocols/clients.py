"""Whose text is whose, in a federation that is tried on one machine: clients with topics of their own.

    topic of a row     k-means over the vectors of the pretrained model
    shares of a topic  p ~ Dirichlet(alpha, .., alpha) over the clients: so large a part of its rows each one has

A small alpha gives a topic to few clients, a large one to all alike (Hsu, Qi, Brown 2019, arXiv 1909.06335). What is
drawn is drawn again, by the same seed, until every client has as many rows as a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from contrapose.errors import UsageError
from contrapose.maths.k_means import k_means
from contrapose.seeds import derive

#: Rows that the topics are found on; the others are given the nearest topic.
ROWS_OF_TOPICS = 20_000
#: Rows encoded together, so that memory does not grow with the corpus.
ROWS_PER_BLOCK = 8_192
#: Draws of shares before giving up.
DRAWS = 1_000

#: Numbers of rows -> their vectors (N, D), of length 1 or 0.
VectorsOf = Callable[[np.ndarray], np.ndarray]


def topics_of(num_rows: int, vectors_of: VectorsOf, topics: int, seed: int) -> np.ndarray:
    """The topic (N,) of each row: its nearest of ``topics`` centres, found by k-means on at most 20,000 rows.

    >>> two = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.1], [0.1, 1.0]])
    >>> topic_N = topics_of(4, lambda rows: two[rows], 2, seed=0)
    >>> bool(topic_N[0] == topic_N[2] != topic_N[1] == topic_N[3])
    True
    """
    random = np.random.default_rng(derive(seed, "topics"))
    some = np.sort(random.permutation(num_rows)[:ROWS_OF_TOPICS])
    vectors_ND = np.concatenate([vectors_of(some[block]) for block in _blocks(len(some))])
    group_N = k_means(vectors_ND, min(topics, len(some)), derive(seed, "k-means"))
    centre_KD = np.stack([vectors_ND[group_N == group].mean(0) for group in np.unique(group_N)])
    topic_N = np.empty(num_rows, dtype=np.int32)
    for block in _blocks(num_rows):
        # |x - c|^2 without |x|^2, which is the same for every centre.
        distance_NK = (centre_KD**2).sum(1) - 2 * vectors_of(np.arange(num_rows)[block]) @ centre_KD.T
        topic_N[block] = distance_NK.argmin(1)
    return topic_N


def require_rows(num_rows: int, clients: int, fewest: int) -> None:
    """Raise UsageError where not every client can have ``fewest`` rows."""
    if num_rows < clients * fewest:
        raise UsageError(
            f"{num_rows} rows to train on are too few for {clients} clients of at least {fewest} rows, a batch: give "
            "more text, fewer clients, or a smaller --batch-size"
        )


def clients_of(topic_N: np.ndarray, clients: int, alpha: float, *, fewest: int, seed: int) -> np.ndarray:
    """The client (N,) of each row. fewest: rows that every client must have.

    Raises UsageError where there are too few rows, or where no draw leaves enough to every client.
    """
    require_rows(len(topic_N), clients, fewest)
    counts_K = np.bincount(topic_N)
    for draw in range(DRAWS):
        random = np.random.default_rng(derive(seed, "clients", draw))
        shares_KC = random.dirichlet(np.full(clients, alpha), size=len(counts_K))
        ends_KC = np.floor(shares_KC.cumsum(1) * counts_K[:, None] + 0.5).astype(np.int64)
        ends_KC[:, -1] = counts_K
        sizes_C = np.diff(ends_KC, axis=1, prepend=0).sum(0)
        if sizes_C.min() >= fewest:
            return _dealt(topic_N, ends_KC, random)
    raise UsageError(
        f"in {DRAWS} draws some of {clients} clients had fewer than {fewest} of {len(topic_N)} rows, a batch: give a "
        f"larger alpha than {alpha:g}, fewer clients, more text, or a smaller --batch-size"
    )


def _dealt(topic_N: np.ndarray, ends_KC: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The rows of each topic, shuffled, and cut where the shares of the clients end."""
    client_N = np.empty(len(topic_N), dtype=np.int32)
    for topic, ends_C in enumerate(ends_KC):
        rows = random.permutation(np.flatnonzero(topic_N == topic))
        client_N[rows] = np.searchsorted(ends_C, np.arange(len(rows)), side="right")
    return client_N


def heterogeneity(topic_N: np.ndarray, client_N: np.ndarray) -> float:
    """How unlike the clients are: the share of rows that would have to change their topic for all to be alike.

        sum_c  (rows of c / rows)  *  1/2 sum_k | share of topic k in c  -  share of topic k in all |

    0: every client's topics are those of all text; towards 1: each has topics of its own.

    >>> heterogeneity(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]))
    0.0
    >>> heterogeneity(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]))
    0.5
    """
    counts_CK = topic_counts(topic_N, client_N)
    rows_C = counts_CK.sum(1, keepdims=True)
    expected_CK = rows_C * counts_CK.sum(0) / len(topic_N)
    return float(np.abs(counts_CK - expected_CK).sum() / 2 / len(topic_N))


def topic_counts(topic_N: np.ndarray, client_N: np.ndarray) -> np.ndarray:
    """(C, K) rows of each client in each topic."""
    counts_CK = np.zeros((int(client_N.max()) + 1, int(topic_N.max()) + 1), dtype=np.int64)
    np.add.at(counts_CK, (client_N, topic_N), 1)
    return counts_CK


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, start + ROWS_PER_BLOCK) for start in range(0, count, ROWS_PER_BLOCK))
