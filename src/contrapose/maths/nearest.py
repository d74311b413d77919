"""Exact nearest neighbours: of every query the k rows with the largest cosine (or dot product), with flat memory.

One rule of order for the whole package: scores are computed in fp64 and compared as fp32 (or rounded to ``decimals``);
of equal scores the row with the lower number comes first. A matrix product in fp32 rounds a score by its place in the
table, so it only finds the candidates: the order depends neither on tiles nor on the machine's matrix product.

A protocol that orders equals otherwise (trec_eval: the greater id first) sorts its rows beforehand.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from contrapose.maths.similarity import SMALLEST_NORM, at_least_fp32

Measure = Literal["cosine", "dot", "unit"]

#: Queries and rows of one tile: 512 x 16,384 scores are 32 MB in fp32.
QUERY_TILE, ROW_TILE = 512, 16_384
#: Cells of a table that holds all rows for some queries.
CELLS = 4_000_000
#: Candidates kept beyond k. Queries with more rows at the edge than that are computed again in fp64.
SPARE = 8
#: Numbers of candidates' vectors held at once: 2 MB in fp64, which stays in a processor's cache.
GATHERED = 250_000
#: More than a score of unit vectors from a matrix product in fp32 is wrong by.
ROUNDING = 1e-5


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

    >>> near = nearest(np.eye(2), np.array([[0.0, 3.0], [2.0, 0.0], [1.0, 0.0]]), 2)
    >>> near.rows_QK.tolist(), near.scores_QK.tolist()
    ([[1, 2], [0, 1]], [[1.0, 1.0], [1.0, 0.0]])
    """
    check = measure != "unit"
    queries, rows = _table(queries_QD, "queries", check=check), _table(rows_ND, "rows", check=check)
    if queries.shape[1] != rows.shape[1] or k < 1:
        raise ValueError(f"{tuple(queries.shape)} queries, {tuple(rows.shape)} rows and k={k} do not fit")
    if (query_keys_Q is None) != (row_keys_N is None):
        raise ValueError("keys are needed of queries and rows, or of neither")
    if not len(queries) or not len(rows):
        none = torch.zeros(len(queries), min(k, len(rows)), dtype=torch.int64)
        return _like(queries_QD, none, none.to(torch.float32 if decimals is None else torch.float64))
    keys = (None if each is None else torch.as_tensor(each) for each in (query_keys_Q, row_keys_N))
    with torch.no_grad():
        numbers, scores = _Search(queries, rows, min(k, len(rows)), measure, decimals).run(*keys)
    return _like(queries_QD, numbers, scores)


def nearest_others(x_ND: Any, k: int, *, keys_N: Any = None, measure: Measure = "cosine") -> Nearest:
    """The ``k`` nearest other rows of each row, K = min(k, N - 1). keys_N: rows of an equal key are not others.

    >>> nearest_others(torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]), 1).rows_QK.flatten().tolist()
    [1, 0, 1]
    """
    if keys_N is None:
        keys_N = _table(x_ND, "rows", check=False).new_tensor(range(len(x_ND)), dtype=torch.int64)
    k = max(0, min(k, len(x_ND) - 1))
    near = nearest(x_ND, x_ND, max(k, 1), measure=measure, query_keys_Q=keys_N, row_keys_N=keys_N)
    return Nearest(near.rows_QK[:, :k], near.scores_QK[:, :k])


def score_blocks(queries_QD: Any, rows_ND: Any, *, cells: int | None = None) -> Iterator[tuple[slice, Any]]:
    """(queries, their scores with all rows), at most about ``cells`` scores at a time; for what needs whole rows.

    >>> [(block.start, table.shape) for block, table in score_blocks(np.eye(3), np.eye(3), cells=6)]
    [(0, (2, 3)), (2, (1, 3))]
    """
    size = max(1, (cells or CELLS) // max(1, len(rows_ND)))
    for start in range(0, len(queries_QD), size):
        block = slice(start, start + size)
        yield block, products(queries_QD[block], rows_ND)


def products(queries_QD: Any, rows_ND: Any) -> Any:
    """All dot products, by the machine's matrix product: how it rounds a cell is the machine's own affair."""
    return queries_QD @ rows_ND.T


class _Search:
    """One search: queries, rows, their lengths, and how scores are compared."""

    def __init__(
        self, queries_QD: Tensor, rows_ND: Tensor, k: int, measure: Measure, decimals: int | None
    ) -> None:
        self.queries_QD, self.rows_ND, self.k, self.decimals = queries_QD, rows_ND, k, decimals
        self.query_length_Q, self.row_length_N = (_lengths(x, measure) for x in (queries_QD, rows_ND))
        self.cosine = measure == "cosine"

    def run(self, keys_Q: Tensor | None, keys_N: Tensor | None) -> tuple[Tensor, Tensor]:
        """Numbers and scores (Q, K)."""
        coarse_QW, numbers_QW = self._candidates(keys_Q, keys_N)
        reach_Q = 1.0 if self.cosine else self.query_length_Q * self.row_length_N.max()
        tie = 0.0 if self.decimals is None else 10.0**-self.decimals
        # Left out by chance, others may belong among the first k: where the last candidate is as good as the k-th.
        edge_Q = coarse_QW[:, self.k - 1] - ROUNDING * reach_Q - tie
        crowded_Q = coarse_QW[:, -1].isfinite() & (coarse_QW[:, -1] >= edge_Q)
        size = max(1, GATHERED // (coarse_QW.shape[1] * max(1, self.rows_ND.shape[1])))
        compared = torch.float32 if self.decimals is None else torch.float64
        numbers_QK, scores_QK = self._room(len(numbers_QW), self.k, compared)
        for block in _tiles(len(self.queries_QD), size):
            exact_QW = self._exact(block, numbers_QW[block])
            exact_QW = exact_QW.masked_fill(coarse_QW[block].isneginf(), -torch.inf)
            numbers, by_number = numbers_QW[block].sort(dim=1)
            numbers_QK[block], scores_QK[block] = self._in_order(numbers, exact_QW.gather(1, by_number))
        if len(self.rows_ND) > coarse_QW.shape[1] and bool(crowded_Q.any()):
            crowded = torch.nonzero(crowded_Q).flatten()
            numbers_QK[crowded], scores_QK[crowded] = self._among_all(crowded, keys_Q, keys_N)
        return numbers_QK, scores_QK

    def _room(self, queries: int, width: int, scores: torch.dtype) -> tuple[Tensor, Tensor]:
        """Numbers and scores, taken at once: small tensors that are kept one by one leave holes between large ones."""
        numbers_QW = torch.zeros(queries, width, dtype=torch.int64, device=self.rows_ND.device)
        return numbers_QW, torch.zeros_like(numbers_QW, dtype=scores)

    def _candidates(self, keys_Q: Tensor | None, keys_N: Tensor | None) -> tuple[Tensor, Tensor]:
        """fp32 scores and numbers (Q, W) of the k + SPARE best rows, in falling order of these scores."""
        width = min(self.k + SPARE, len(self.rows_ND))
        numbers_QW, scores_QW = self._room(len(self.queries_QD), width, torch.float32)
        scores_QW.fill_(-torch.inf)
        for tile in _tiles(len(self.rows_ND), ROW_TILE):
            rows_ND = self._rows(tile, torch.float32)
            for block in _tiles(len(self.queries_QD), QUERY_TILE):
                table_QN = products(self._queries(block, torch.float32), rows_ND)
                _leave_out(table_QN, keys_Q, keys_N, block, tile)
                scores, numbers = table_QN.topk(min(width, table_QN.shape[1]), dim=1)
                numbers = torch.cat([numbers_QW[block], numbers + tile.start], dim=1)
                scores_QW[block], order = torch.cat([scores_QW[block], scores], dim=1).topk(width, dim=1)
                numbers_QW[block] = numbers.gather(1, order)
        return scores_QW, numbers_QW

    def _exact(self, block: slice, numbers_QW: Tensor) -> Tensor:
        """fp64 scores, each summed in the same order wherever its row stands."""
        rows_QWD = self.rows_ND[numbers_QW].double()
        scores_QW = (rows_QWD * self._queries(block, torch.float64)[:, None]).sum(-1)
        return scores_QW / self.row_length_N[numbers_QW] if self.cosine else scores_QW

    def _among_all(
        self, crowded: Tensor, keys_Q: Tensor | None, keys_N: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """For queries with more rows at the edge than candidates were kept: all scores in fp64; copies share one."""
        first: dict[bytes, int] = {}
        rows = (
            row for tile in _tiles(len(self.rows_ND), ROW_TILE) for row in self.rows_ND[tile].cpu().numpy()
        )
        copied = [first.setdefault(row.tobytes(), number) for number, row in enumerate(rows)]
        first_N = torch.tensor(copied, device=self.rows_ND.device)
        parts = []
        for block in _tiles(len(crowded), max(1, CELLS // len(self.rows_ND))):
            some = crowded[block]
            queries_QD = self._queries(some, torch.float64)
            tiles = _tiles(len(self.rows_ND), ROW_TILE)
            table_QN = torch.cat(
                [products(queries_QD, self._rows(tile, torch.float64)) for tile in tiles], dim=1
            )
            _leave_out(table_QN := table_QN[:, first_N], keys_Q, keys_N, some, slice(None))
            parts.append(
                self._in_order(
                    torch.arange(len(first_N), device=first_N.device).expand_as(table_QN), table_QN
                )
            )
        numbers, scores = zip(*parts, strict=True)
        return torch.cat(numbers), torch.cat(scores)

    def _queries(self, which: slice | Tensor, dtype: torch.dtype) -> Tensor:
        queries_QD = self.queries_QD[which].to(dtype)
        return queries_QD / self.query_length_Q[which, None].to(dtype) if self.cosine else queries_QD

    def _rows(self, tile: slice, dtype: torch.dtype) -> Tensor:
        rows_ND = self.rows_ND[tile].to(dtype)
        return rows_ND / self.row_length_N[tile, None].to(dtype) if self.cosine else rows_ND

    def _in_order(self, numbers_QW: Tensor, exact_QW: Tensor) -> tuple[Tensor, Tensor]:
        """The first k of rows in rising order, by falling score as it is compared; of equals the lower number first."""
        compared_QW = (
            exact_QW.float() if self.decimals is None else exact_QW.round(decimals=self.decimals) + 0.0
        )
        scores_QW, by_score = compared_QW.sort(dim=1, descending=True, stable=True)
        numbers_QK, scores_QK = numbers_QW.gather(1, by_score)[:, : self.k], scores_QW[:, : self.k]
        return numbers_QK.masked_fill(scores_QK.isneginf(), -1), scores_QK


def _leave_out(
    table_QN: Tensor, keys_Q: Tensor | None, keys_N: Tensor | None, queries: slice | Tensor, rows: slice
) -> None:
    if keys_Q is not None and keys_N is not None:
        table_QN.masked_fill_(keys_Q[queries][:, None] == keys_N[rows], -torch.inf)


def _lengths(x_ND: Tensor, measure: Measure) -> Tensor:
    """(N,) fp64, never 0, without a copy of all rows in fp64."""
    if measure == "unit":
        return torch.ones(len(x_ND), dtype=torch.float64, device=x_ND.device)
    parts = [x_ND[tile].double().norm(dim=1) for tile in _tiles(len(x_ND), ROW_TILE)]
    return torch.cat(parts).clamp(min=SMALLEST_NORM)


def _tiles(count: int, size: int) -> list[slice]:
    return [slice(start, start + size) for start in range(0, count, size)]


def _table(x_ND: Any, what: str, *, check: bool = True) -> Tensor:
    with warnings.catch_warnings():
        # Torch warns of arrays that cannot be written; nothing is written here.
        warnings.simplefilter("ignore", UserWarning)
        x = x_ND if isinstance(x_ND, Tensor) else torch.from_numpy(np.ascontiguousarray(x_ND))
    finite = (bool(x[tile].isfinite().all()) for tile in _tiles(len(x) if check else 0, ROW_TILE))
    if x.dim() != 2 or not all(finite):
        raise ValueError(f"{what} must be a table of finite vectors, one per row; got shape {tuple(x.shape)}")
    return at_least_fp32(x) if x.is_floating_point() else x.float()


def _like(given: Any, numbers: Tensor, scores: Tensor) -> Nearest:
    return Nearest(numbers, scores) if isinstance(given, Tensor) else Nearest(numbers.numpy(), scores.numpy())
