"""Exact nearest neighbours: of every query the k rows with the largest cosine (or dot product), with flat memory.

One rule of order for the whole package: scores are computed in fp64 and compared as fp32 (or rounded to ``decimals``);
of equal scores the row with the lower number comes first. A matrix product in fp32 rounds a score by its place in the
table, so it only finds the candidates: the order depends neither on tiles nor on the machine's matrix product.

A protocol that orders equals otherwise (trec_eval: the greater id first) sorts its rows beforehand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from contrapose.maths.exact_search import CELLS, GATHERED, ExactSearch, Measure, as_table, products, tiles


class Nearest(NamedTuple):
    """``rows_QK``: numbers of the nearest rows, nearest first, -1 where there are no more; ``scores_QK``: their scores.

    A score is what was compared; -inf where there is no row.
    """

    rows_QK: Any
    scores_QK: Any


def nearest(
    queries_QD: Any,
    rows_ND: Any,
    k: int,
    *,
    measure: Measure = "cosine",
    query_keys_Q: Any = None,
    row_keys_N: Any = None,
    decimals: int | None = None,
) -> Nearest:
    """The ``k`` nearest of ``rows_ND`` (N, D) for each of ``queries_QD`` (Q, D); K = min(k, N).

        score = q . r / (|q| |r|)        measure "cosine"; a zero vector scores 0 with everything
        score = q . r                    measure "dot", and "unit": vectors known to be finite and of length 1 or 0

    query_keys_Q, row_keys_N: whole numbers; a row whose key is the query's is left out (the query itself, its copies,
    its cluster). decimals: compare scores rounded to so many decimals instead of as fp32.
    Takes tensors, or NumPy arrays and then gives such. No gradient. Memory does not grow with Q x N: a tile of the
    table, and the candidates of :data:`QUERY_TILE` queries. Raises :class:`ValueError` for values that are not finite,
    shapes that do not fit, or k below 1.

    >>> near = nearest(torch.eye(2), torch.tensor([[0.0, 3.0], [2.0, 0.0], [1.0, 0.0]]), 2)
    >>> near.rows_QK.tolist(), near.scores_QK.tolist()
    ([[1, 2], [0, 1]], [[1.0, 1.0], [1.0, 0.0]])
    """
    check = measure != "unit"
    queries, rows = as_table(queries_QD, "queries", check=check), as_table(rows_ND, "rows", check=check)
    if queries.shape[1] != rows.shape[1] or k < 1:
        raise ValueError(f"{tuple(queries.shape)} queries, {tuple(rows.shape)} rows and k={k} do not fit")
    if (query_keys_Q is None) != (row_keys_N is None):
        raise ValueError("keys are needed of queries and rows, or of neither")
    if not len(queries) or not len(rows):
        none = torch.zeros(len(queries), min(k, len(rows)), dtype=torch.int64)
        return _like(queries_QD, none, none.to(torch.float32 if decimals is None else torch.float64))
    keys = (None if each is None else torch.as_tensor(each) for each in (query_keys_Q, row_keys_N))
    with torch.no_grad():
        numbers, scores = ExactSearch(queries, rows, min(k, len(rows)), measure, decimals).run(*keys)
    return _like(queries_QD, numbers, scores)


def nearest_others(x_ND: Any, k: int, *, keys_N: Any = None, measure: Measure = "cosine") -> Nearest:
    """The ``k`` nearest other rows of each row, K = min(k, N - 1). keys_N: rows of an equal key are not others.

    >>> nearest_others(torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]), 1).rows_QK.flatten().tolist()
    [1, 0, 1]
    """
    if keys_N is None:
        keys_N = as_table(x_ND, "rows", check=False).new_tensor(range(len(x_ND)), dtype=torch.int64)
    k = max(0, min(k, len(x_ND) - 1))
    near = nearest(x_ND, x_ND, max(k, 1), measure=measure, query_keys_Q=keys_N, row_keys_N=keys_N)
    return Nearest(near.rows_QK[:, :k], near.scores_QK[:, :k])


def among_candidates(queries_QD: Any, rows_ND: Any, candidates_QW: Any, k: int) -> Nearest:
    """The ``k`` nearest among the candidates that some other search gave, (Q, W) numbers of rows with -1 for none, as
    :func:`nearest` scores and orders them (by cosine).

    >>> among_candidates(torch.eye(2), torch.eye(2), torch.tensor([[1, -1], [0, 1]]), 1).rows_QK.tolist()
    [[1], [1]]
    """
    queries, rows = (as_table(x, "vectors", check=False) for x in (queries_QD, rows_ND))
    numbers_QW = torch.as_tensor(candidates_QW).sort(dim=1).values
    search = ExactSearch(queries, rows, min(k, numbers_QW.shape[1]), "cosine", None)
    size = max(1, GATHERED // max(1, numbers_QW.shape[1] * rows.shape[1]))
    numbers_QK, scores_QK = search.room(len(queries), search.k, torch.float32)
    for block in tiles(len(queries), size):
        exact_QW = search.exact(block, numbers_QW[block].clamp(min=0))
        exact_QW = exact_QW.masked_fill(numbers_QW[block] < 0, -torch.inf)
        numbers_QK[block], scores_QK[block] = search.in_order(numbers_QW[block], exact_QW)
    return _like(queries_QD, numbers_QK, scores_QK)


def score_blocks(queries_QD: Any, rows_ND: Any, *, cells: int | None = None) -> Iterator[tuple[slice, Any]]:
    """(queries, their scores with all rows), at most about ``cells`` scores at a time; for what needs whole rows.

    >>> [(block.start, tuple(table.shape)) for block, table in score_blocks(torch.eye(3), torch.eye(3), cells=6)]
    [(0, (2, 3)), (2, (1, 3))]
    """
    size = max(1, (cells or CELLS) // max(1, len(rows_ND)))
    for start in range(0, len(queries_QD), size):
        block = slice(start, start + size)
        yield block, products(queries_QD[block], rows_ND)


def _like(given: Any, numbers: Tensor, scores: Tensor) -> Nearest:
    return Nearest(numbers, scores) if isinstance(given, Tensor) else Nearest(numbers.numpy(), scores.numpy())
