"""The nearest among candidates of another search, such as an index: scored and ordered as ``nearest.py`` does."""

from __future__ import annotations

from typing import Any

import torch

from contrapose.maths.nearest import GATHERED, Nearest, _like, _Search, _table, _tiles


def among_candidates(queries_QD: Any, rows_ND: Any, candidates_QW: Any, k: int) -> Nearest:
    """The ``k`` nearest among the candidates that some other search gave, (Q, W) numbers of rows with -1 for none, as
    :func:`nearest` scores and orders them (by cosine).

    >>> among_candidates(torch.eye(2), torch.eye(2), torch.tensor([[1, -1], [0, 1]]), 1).rows_QK.tolist()
    [[1], [1]]
    """
    queries, rows = (_table(x, "vectors", check=False) for x in (queries_QD, rows_ND))
    numbers_QW = torch.as_tensor(candidates_QW).sort(dim=1).values
    search = _Search(queries, rows, min(k, numbers_QW.shape[1]), "cosine", None)
    size = max(1, GATHERED // max(1, numbers_QW.shape[1] * rows.shape[1]))
    numbers_QK, scores_QK = search._room(len(queries), search.k, torch.float32)
    for block in _tiles(len(queries), size):
        exact_QW = search._exact(block, numbers_QW[block].clamp(min=0))
        exact_QW = exact_QW.masked_fill(numbers_QW[block] < 0, -torch.inf)
        numbers_QK[block], scores_QK[block] = search._in_order(numbers_QW[block], exact_QW)
    return _like(queries_QD, numbers_QK, scores_QK)
