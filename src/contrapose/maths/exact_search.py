"""One exact search for nearest rows, in tiles: candidates by fp32 matrix products, their order by scores in fp64.

:mod:`contrapose.maths.nearest` has the functions to call, and the rule of order.
"""

from __future__ import annotations

import warnings
from hashlib import blake2b
from typing import Any, Literal

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


class ExactSearch:
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
        numbers_QK, scores_QK = self.room(len(numbers_QW), self.k, compared)
        for block in tiles(len(self.queries_QD), size):
            exact_QW = self.exact(block, numbers_QW[block])
            exact_QW = exact_QW.masked_fill(coarse_QW[block].isneginf(), -torch.inf)
            numbers, by_number = numbers_QW[block].sort(dim=1)
            numbers_QK[block], scores_QK[block] = self.in_order(numbers, exact_QW.gather(1, by_number))
        if len(self.rows_ND) > coarse_QW.shape[1] and bool(crowded_Q.any()):
            crowded = torch.nonzero(crowded_Q).flatten()
            numbers_QK[crowded], scores_QK[crowded] = self._among_all(crowded, keys_Q, keys_N)
        return numbers_QK, scores_QK

    def room(self, queries: int, width: int, scores: torch.dtype) -> tuple[Tensor, Tensor]:
        """Numbers and scores, taken at once: small tensors that are kept one by one leave holes between large ones."""
        numbers_QW = torch.zeros(queries, width, dtype=torch.int64, device=self.rows_ND.device)
        return numbers_QW, torch.zeros_like(numbers_QW, dtype=scores)

    def _candidates(self, keys_Q: Tensor | None, keys_N: Tensor | None) -> tuple[Tensor, Tensor]:
        """fp32 scores and numbers (Q, W) of the k + SPARE best rows, in falling order of these scores."""
        width = min(self.k + SPARE, len(self.rows_ND))
        numbers_QW, scores_QW = self.room(len(self.queries_QD), width, torch.float32)
        scores_QW.fill_(-torch.inf)
        for tile in tiles(len(self.rows_ND), ROW_TILE):
            rows_ND = self._rows(tile, torch.float32)
            for block in tiles(len(self.queries_QD), QUERY_TILE):
                table_QN = products(self._queries(block, torch.float32), rows_ND)
                _leave_out(table_QN, keys_Q, keys_N, block, tile)
                scores, numbers = table_QN.topk(min(width, table_QN.shape[1]), dim=1)
                numbers = torch.cat([numbers_QW[block], numbers + tile.start], dim=1)
                scores_QW[block], order = torch.cat([scores_QW[block], scores], dim=1).topk(width, dim=1)
                numbers_QW[block] = numbers.gather(1, order)
        return scores_QW, numbers_QW

    def exact(self, block: slice, numbers_QW: Tensor) -> Tensor:
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
            row for tile in tiles(len(self.rows_ND), ROW_TILE) for row in self.rows_ND[tile].cpu().numpy()
        )
        # Digests, since the rows themselves would be a second copy of the corpus.
        digests = (blake2b(row.tobytes(), digest_size=16).digest() for row in rows)
        copied = [first.setdefault(digest, number) for number, digest in enumerate(digests)]
        first_N = torch.tensor(copied, device=self.rows_ND.device)
        parts = []
        for block in tiles(len(crowded), max(1, CELLS // len(self.rows_ND))):
            some = crowded[block]
            queries_QD = self._queries(some, torch.float64)
            parts_of_rows = tiles(len(self.rows_ND), ROW_TILE)
            table_QN = torch.cat(
                [products(queries_QD, self._rows(tile, torch.float64)) for tile in parts_of_rows], dim=1
            )
            _leave_out(table_QN := table_QN[:, first_N], keys_Q, keys_N, some, slice(None))
            parts.append(
                self.in_order(torch.arange(len(first_N), device=first_N.device).expand_as(table_QN), table_QN)
            )
        numbers, scores = zip(*parts, strict=True)
        return torch.cat(numbers), torch.cat(scores)

    def _queries(self, which: slice | Tensor, dtype: torch.dtype) -> Tensor:
        queries_QD = self.queries_QD[which].to(dtype)
        return queries_QD / self.query_length_Q[which, None].to(dtype) if self.cosine else queries_QD

    def _rows(self, tile: slice, dtype: torch.dtype) -> Tensor:
        rows_ND = self.rows_ND[tile].to(dtype)
        return rows_ND / self.row_length_N[tile, None].to(dtype) if self.cosine else rows_ND

    def in_order(self, numbers_QW: Tensor, exact_QW: Tensor) -> tuple[Tensor, Tensor]:
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
    parts = [x_ND[tile].double().norm(dim=1) for tile in tiles(len(x_ND), ROW_TILE)]
    return torch.cat(parts).clamp(min=SMALLEST_NORM)


def tiles(count: int, size: int) -> list[slice]:
    return [slice(start, start + size) for start in range(0, count, size)]


def as_table(x_ND: Any, what: str, *, check: bool = True) -> Tensor:
    with warnings.catch_warnings():
        # Torch warns of arrays that cannot be written; nothing is written here.
        warnings.simplefilter("ignore", UserWarning)
        x = x_ND if isinstance(x_ND, Tensor) else torch.from_numpy(np.ascontiguousarray(x_ND))
    finite = (bool(x[tile].isfinite().all()) for tile in tiles(len(x) if check else 0, ROW_TILE))
    if x.dim() != 2 or not all(finite):
        raise ValueError(f"{what} must be a table of finite vectors, one per row; got shape {tuple(x.shape)}")
    return at_least_fp32(x) if x.is_floating_point() else x.float()


def products(queries_QD: Any, rows_ND: Any) -> Any:
    """All dot products, by the machine's matrix product: how it rounds a cell is the machine's own affair."""
    return queries_QD @ rows_ND.T
