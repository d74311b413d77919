"""The sums of maths/tiled.py on a GPU: cosine, map, mask and running softmax of a tile in one kernel, in Triton.

A program of the forward kernel has some rows and goes along the columns; nothing of a tile leaves the chip. Going
backward there are two kernels, one for the gradient of the rows and one for that of the columns: each program owns what
it adds to, so that nothing is added up in an order that changes from run to run. Products are fp32 without TF32, as on
a processor. Where Triton is not installed, or a block of columns is nothing that the kernel knows (two maps, a map of a
teacher's cosines, a mask that is a table, fp64), maths/tiled.py computes it in torch's operations.

Tests run the kernels in Triton's interpreter (TRITON_INTERPRET=1), which needs no GPU.
"""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from contrapose.maths.tiled_columns import TiledColumns

#: Rows and columns of a program's tile, and how much of the width it multiplies at a time.
TILE = (64, 64, 32)


@cache
def is_installed() -> bool:
    """Whether there is a Triton to compile the kernels with."""
    return find_spec("triton") is not None


def interpreted() -> bool:
    """Whether Triton was asked to run kernels in Python, on a processor."""
    return os.environ.get("TRITON_INTERPRET", "0") == "1"


def serves(rows_RD: Tensor, block: TiledColumns) -> bool:
    """Whether the kernels take this block, on this device."""
    on_device = rows_RD.is_cuda or (interpreted() and rows_RD.device.type == "cpu")
    return on_device and is_installed() and knows(rows_RD.dtype, block)


def knows(dtype: torch.dtype, block: TiledColumns) -> bool:
    """Whether the kernels have the map, the masks and the weights of this block.

    >>> from contrapose.maths.tiled_columns import LogitMap
    >>> knows(torch.float32, TiledColumns(maps=(LogitMap(temperature=0.05),)))
    True
    """
    (first, *others), weight = block.maps, block.log_weight
    known_map = first.function is None or first.focal is not None
    shared_weight = weight is None or weight.dim() == 1 or weight.shape[0] == 1 < weight.shape[1]
    return dtype == torch.float32 and not others and known_map and block.valid is None and bool(shared_weight)


class Tiles(torch.autograd.Function):
    """As the class of that name in maths/tiled.py, in fused kernels."""

    @staticmethod
    def forward(ctx: Any, rows_RD: Tensor, columns_ND: Tensor, block: TiledColumns) -> tuple[Tensor, ...]:
        rows_RD, columns_ND = rows_RD.contiguous(), columns_ND.contiguous()
        numbers = [rows_RD.new_empty(len(rows_RD)) for _ in range(4)]
        count_R = torch.zeros(len(rows_RD), dtype=torch.int32, device=rows_RD.device)
        arguments, choices = _arguments(rows_RD, columns_ND, block)
        from contrapose.maths.softmax_triton import sums_kernel

        grid = (-(-len(rows_RD) // TILE[0]),)
        sums_kernel[grid](rows_RD, columns_ND, *arguments, *numbers, count_R, **choices)
        log_sum_R, cosine_R, logit_R, mean_R = numbers
        ctx.save_for_backward(rows_RD, columns_ND, log_sum_R)
        ctx.block = block
        watched = (count_R.long(), cosine_R, logit_R, mean_R)
        ctx.mark_non_differentiable(*watched)
        return log_sum_R[None], *watched

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_1R: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        from contrapose.maths.softmax_triton import slopes_kernel

        rows_RD, columns_ND, log_sum_R = ctx.saved_tensors
        gradient_R = gradient_1R[0].contiguous()
        arguments, choices = _arguments(rows_RD, columns_ND, ctx.block)
        found: list[Tensor | None] = []
        for of_columns, (own, other) in enumerate(((rows_RD, columns_ND), (columns_ND, rows_RD))):
            if not ctx.needs_input_grad[of_columns]:
                found.append(None)
                continue
            gradient = torch.zeros_like(own)
            grid = (-(-len(own) // TILE[0]),)
            slopes_kernel[grid](
                rows_RD,
                columns_ND,
                *arguments,
                log_sum_R,
                gradient_R,
                gradient,
                other,
                **choices,
                of_columns=bool(of_columns),
            )
            found.append(gradient)
        return *found, None


def _arguments(rows_RD: Tensor, columns_ND: Tensor, block: TiledColumns) -> tuple[list[Any], dict[str, Any]]:
    """What both kernels take beside the vectors: tensors and sizes, and what they are compiled for."""
    (logit_map,), struck = block.maps, block.struck
    nothing = torch.zeros(1, dtype=torch.int64, device=rows_RD.device)
    own = block.of_batch(slice(0, len(rows_RD)))
    pairs = () if struck is None else struck.pairs
    kept = struck.kept if struck is not None and struck.kept is not None else None
    row_numbers = [numbers_B[own] for numbers_B, _ in (*pairs, *([kept] if kept else []))]
    column_numbers = [numbers_N for _, numbers_N in (*pairs, *([kept] if kept else []))]
    known_N = None if struck is None else struck.known_N
    weight = block.log_weight
    margin, clamped, detached = logit_map.focal or (0.0, False, False)
    tensors = [
        torch.stack(row_numbers).contiguous() if row_numbers else nothing,
        torch.stack(column_numbers).contiguous() if column_numbers else nothing,
        nothing if known_N is None else known_N.to(torch.int8).contiguous(),
        nothing if weight is None else weight.reshape(-1).to(rows_RD.dtype).contiguous(),
    ]
    sizes = [len(rows_RD), len(columns_ND), rows_RD.shape[1], block.first_row]
    floats = [float(logit_map.temperature), float(margin), float(block.own_weight)]
    choices = {
        "num_pairs": len(pairs),
        "has_kept": kept is not None,
        "has_known": known_N is not None,
        "has_weight": weight is not None,
        "has_own_weight": bool(block.own_weight),
        "focal": logit_map.focal is not None,
        "clamped": clamped,
        "detached": detached,
        "BLOCK_R": TILE[0],
        "BLOCK_C": TILE[1],
        "BLOCK_D": TILE[2],
    }
    return [*tensors, *sizes, *floats], choices
