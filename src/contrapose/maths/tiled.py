"""Sums of exponentials over the columns of a softmax, in tiles: the square of logits is never there.

    log_sum_i = log sum_j exp( f(cos(a_i, u_j)) / t + w_ij )          j: the columns that count for row i

A tile is a block of some rows and some columns. Going forward, each tile is made, added to a running sum with a running
maximum, and forgotten; only ``log_sum`` is kept, one number a row. Going backward, each tile is made again, and

    p_ij = exp(logit_ij - log_sum_i),      s_ij = g_i p_ij f'(cos_ij) / t           g: gradient of log_sum
    gradient of a_i = sum_j s_ij u_j,      gradient of u_j = sum_i s_ij a_i

So memory is O(B D), and the price is one more product: 2 B C D operations forward and 6 B C D backward, where a table
that is kept needs 4 B C D backward. Milakov and Gimelshein 2018, "Online normalizer calculation for softmax",
https://arxiv.org/abs/1805.02867; Dao et al. 2022, "FlashAttention", https://arxiv.org/abs/2205.14135
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from contrapose.maths import softmax_kernel
from contrapose.maths.tiled_columns import LogitMap, TiledColumns

#: Rows and columns of a tile on a processor: 4 MiB in fp32, so that a few of them stay in its caches.
TILE = (512, 2048)
#: On an accelerator, where a product has to be large to be fast.
TILE_ON_CUDA = (4096, 8192)


@dataclass(frozen=True, kw_only=True)
class Sums:
    """One number a row, over the columns that count for it, of K maps; the first of them is what is watched.

    log_sum_KR    log of the sum of exponentials; where no column counts it is, as the others are, the lowest number
    count_R       how many columns count
    cosine_R      the largest cosine among them
    logit_R       the largest logit of the first map
    mean_logit_R  mean of the first map's logits under its softmax, of which the entropy is made
    count_by_origin  ``count_R`` of each block of columns, where several are joined
    """

    log_sum_KR: Tensor
    count_R: Tensor
    cosine_R: Tensor
    logit_R: Tensor
    mean_logit_R: Tensor
    count_by_origin: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def log_sum_R(self) -> Tensor:
        """Of the first map."""
        return self.log_sum_KR[0]


def log_sums(rows_RD: Tensor, columns_ND: Tensor, block: TiledColumns) -> Sums:
    """Sums over columns that all rows share. Values and gradients are those of the whole table, to rounding.

    rows_RD, columns_ND: of unit length, fp32 or fp64; gradient enters both, and only ``log_sum_KR`` has one.

    >>> block = TiledColumns(maps=(LogitMap(temperature=1.0),), tile=(1, 2))
    >>> log_sums(torch.eye(2), torch.eye(2), block).log_sum_R                     # log(e + 1)
    tensor([1.3133, 1.3133])
    """
    dtype = torch.promote_types(
        rows_RD.dtype, columns_ND.dtype
    )  # a queue is fp32 even where a test brings fp64
    rows_RD, columns_ND = rows_RD.to(dtype), columns_ND.to(dtype)
    tiles = softmax_kernel.Tiles if softmax_kernel.serves(rows_RD, block) else _Tiles
    log_sum_KR, count_R, cosine_R, logit_R, mean_logit_R = tiles.apply(rows_RD, columns_ND, block)  # type: ignore[no-untyped-call]
    return Sums(
        log_sum_KR=log_sum_KR, count_R=count_R, cosine_R=cosine_R, logit_R=logit_R, mean_logit_R=mean_logit_R
    )


class _Tiles(torch.autograd.Function):
    """In torch's own operations: on any device, for any map."""

    @staticmethod
    def forward(ctx: Any, rows_RD: Tensor, columns_ND: Tensor, block: TiledColumns) -> tuple[Tensor, ...]:
        height, width = _tile(rows_RD, block)
        scratch = [rows_RD.new_empty(height * width) for _ in range(3)]
        parts = [
            _sums_of(scratch, rows_RD[rows], columns_ND, rows, block, width)
            for rows in _slices(len(rows_RD), height)
        ]
        log_sum_KR, *watched = (torch.cat(each, dim=-1) for each in zip(*parts, strict=True))
        ctx.save_for_backward(rows_RD, columns_ND, log_sum_KR)
        ctx.block = block
        ctx.mark_non_differentiable(*watched)
        return log_sum_KR, *watched

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_KR: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        rows_RD, columns_ND, log_sum_KR = ctx.saved_tensors
        of_rows_RD, of_columns_ND = (
            torch.zeros_like(vectors) if needed else None
            for vectors, needed in zip((rows_RD, columns_ND), ctx.needs_input_grad, strict=False)
        )
        height, width = _tile(rows_RD, ctx.block)
        scratch = [rows_RD.new_empty(height * width) for _ in range(2)]
        for rows in _slices(len(rows_RD), height):
            for columns in _slices(len(columns_ND), width):
                slope_RC = _slopes(
                    scratch,
                    (rows_RD[rows], columns_ND[columns]),
                    (log_sum_KR[:, rows], gradient_KR[:, rows]),
                    (rows, columns),
                    ctx.block,
                )
                if of_rows_RD is not None:
                    of_rows_RD[rows].addmm_(slope_RC, columns_ND[columns])
                if of_columns_ND is not None:
                    of_columns_ND[columns].addmm_(slope_RC.T, rows_RD[rows])
        return of_rows_RD, of_columns_ND, None


def _sums_of(
    scratch: list[Tensor], rows_RD: Tensor, columns_ND: Tensor, rows: slice, block: TiledColumns, width: int
) -> tuple[Tensor, ...]:
    """What :class:`Sums` holds, of some rows over all columns."""
    running = [_Running(rows_RD) for _ in block.maps]
    cosine_R = running[0].most_R
    count_R = torch.zeros(len(rows_RD), dtype=torch.int64, device=rows_RD.device)
    for columns in _slices(len(columns_ND), width):
        cosine_RC = _product(scratch[0], rows_RD, columns_ND[columns])
        left_out_RC = block.left_out(rows, columns)
        count_R += cosine_RC.shape[1] if left_out_RC is None else (~left_out_RC).sum(1)
        for logit_map, sums in zip(block.maps, running, strict=True):
            beside = logit_map.beside_tile(block.of_batch(rows), columns)
            logits_RC = _logits(scratch[1], cosine_RC, logit_map, beside)
            block.add_weights_(logits_RC, rows, columns)
            _leave_out_(logits_RC, left_out_RC, _lowest(logits_RC))
            sums.take_(logits_RC, _shaped(scratch[2], logits_RC))
        if not block.keeps_order:
            _leave_out_(cosine_RC, left_out_RC, _lowest(cosine_RC))
            cosine_R = torch.maximum(cosine_R, cosine_RC.amax(1))
    first = running[0]
    if block.keeps_order:
        lowest = _lowest(first.most_R)
        cosine_R = torch.where(first.most_R > lowest, first.most_R * block.maps[0].temperature, lowest)
    log_sum_KR = torch.stack([each.log_sum_R() for each in running])
    return log_sum_KR, count_R, cosine_R, first.most_R, first.mean_R()


class _Running:
    """Of some rows: the largest logit, and sums of exponentials that are relative to it."""

    def __init__(self, rows_RD: Tensor) -> None:
        self.most_R = rows_RD.new_full((len(rows_RD),), _lowest(rows_RD))
        self.sum_R, self.weighted_R = torch.zeros_like(self.most_R), torch.zeros_like(self.most_R)

    def take_(self, logits_RC: Tensor, scratch_RC: Tensor) -> None:
        """Add a tile of logits, which are lost."""
        most_R = torch.maximum(self.most_R, logits_RC.amax(1))
        # Where nothing counts yet, the lowest number less itself would be 0, and count.
        base_R = most_R.masked_fill(most_R == _lowest(most_R), 0)
        above_RC = logits_RC.sub_(base_R[:, None])
        share_RC = torch.exp(above_RC, out=scratch_RC)
        less_R = self.most_R - base_R
        scale_R = less_R.exp()
        self.weighted_R = scale_R * self.weighted_R + (scale_R * self.sum_R) * less_R
        self.sum_R = scale_R * self.sum_R + share_RC.sum(1)
        self.weighted_R += share_RC.mul_(above_RC).sum(1)
        self.most_R = most_R

    def log_sum_R(self) -> Tensor:
        return torch.where(self.most_R > _lowest(self.most_R), self.sum_R.log() + self.most_R, self.most_R)

    def mean_R(self) -> Tensor:
        """Of the logits under their softmax."""
        mean_R = self.weighted_R / self.sum_R + self.most_R
        return torch.where(self.most_R > _lowest(self.most_R), mean_R, self.most_R)


def _slopes(
    scratch: list[Tensor],
    vectors: tuple[Tensor, Tensor],
    sums: tuple[Tensor, Tensor],
    at: tuple[slice, slice],
    block: TiledColumns,
) -> Tensor:
    """s_ij of a tile: what each of its cosines changes the loss by, of all maps together."""
    cosine_RC = _product(scratch[0], *vectors)
    left_out_RC = block.left_out(*at)
    total_RC: Tensor | None = None
    for logit_map, log_sum_R, gradient_R in zip(block.maps, *sums, strict=True):
        beside = logit_map.beside_tile(block.of_batch(at[0]), at[1])
        leaf_RC = cosine_RC
        if logit_map.function is not None:
            leaf_RC = cosine_RC.detach().requires_grad_()
        with torch.set_grad_enabled(logit_map.function is not None):
            logits_RC = _logits(scratch[1], leaf_RC, logit_map, beside)
        share_RC = logits_RC if logit_map.function is None else logits_RC.detach().clone()
        block.add_weights_(share_RC, *at)
        share_RC.sub_(log_sum_R[:, None]).exp_().mul_(gradient_R[:, None])
        _leave_out_(share_RC, left_out_RC, 0.0)
        if logit_map.function is None:
            slope_RC = share_RC.div_(logit_map.temperature)
        else:
            (slope_RC,) = torch.autograd.grad(logits_RC, leaf_RC, share_RC)
        # A map's tile is in the scratch that the next one will use.
        total_RC = (
            (slope_RC if len(block.maps) == 1 else slope_RC.clone())
            if total_RC is None
            else total_RC + slope_RC
        )
    assert total_RC is not None
    return total_RC


def _logits(scratch: Tensor, cosine_RC: Tensor, logit_map: LogitMap, beside: tuple[Tensor, ...]) -> Tensor:
    """Of a tile; in the scratch, where it is the cosines that are divided and nothing more."""
    if logit_map.function is None:
        return torch.div(cosine_RC, logit_map.temperature, out=_shaped(scratch, cosine_RC))
    return logit_map.logits(cosine_RC, *beside)


def _product(scratch: Tensor, rows_RD: Tensor, columns_ND: Tensor) -> Tensor:
    shape = (len(rows_RD), len(columns_ND))
    return torch.mm(rows_RD, columns_ND.T, out=scratch[: shape[0] * shape[1]].view(shape))


def _shaped(scratch: Tensor, like_RC: Tensor) -> Tensor:
    return scratch[: like_RC.numel()].view(like_RC.shape)


def _leave_out_(tile_RC: Tensor, left_out_RC: Tensor | None, value: float) -> None:
    if left_out_RC is not None:
        tile_RC.masked_fill_(left_out_RC, value)


def _lowest(like: Tensor) -> float:
    return torch.finfo(like.dtype).min


def _tile(rows_RD: Tensor, block: TiledColumns) -> tuple[int, int]:
    """Rows and columns of a tile, no more than there are rows."""
    height, width = block.tile or (TILE_ON_CUDA if rows_RD.is_cuda else TILE)
    return min(height, max(1, len(rows_RD))), width


def _slices(length: int, step: int) -> Iterator[slice]:
    return (slice(start, min(start + step, length)) for start in range(0, length, step))
