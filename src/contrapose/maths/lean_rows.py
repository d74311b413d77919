"""Unit vectors and products of rows whose passes hold nothing beside what they give.

The same as ``unit`` and ``paired_cosine`` of :mod:`contrapose.maths.similarity`, for tensors that are most of the
memory: torch's own formulas make several further tensors (N, D) on their way back. These go by blocks of rows.

    u = x / |x|           gradient of x  =  (g - u (u . g)) / |x|
    c = a . b, by rows    gradient of a  =  g b,      of b  =  g a
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from contrapose.maths.similarity import SMALLEST_NORM, at_least_fp32

#: Rows of a block: 12 MiB of width 768 in fp32.
ROWS = 4096


def lean_unit(vectors_ND: Tensor) -> Tensor:
    """Rows divided by their lengths, at least fp32; a zero row stays zero.

    >>> lean_unit(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([[0.6000, 0.8000],
            [0.0000, 0.0000]])
    """
    unit_ND: Tensor = _Unit.apply(at_least_fp32(vectors_ND))  # type: ignore[no-untyped-call]
    return unit_ND


def lean_dots(left_ND: Tensor, right_ND: Tensor) -> Tensor:
    """Row i of one times row i of the other, (N,).

    >>> lean_dots(torch.eye(2), torch.ones(2, 2))
    tensor([1., 1.])
    """
    dots_N: Tensor = _Dots.apply(left_ND, right_ND)  # type: ignore[no-untyped-call]
    return dots_N


class _Unit(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vectors_ND: Tensor) -> Tensor:
        length_N1 = torch.cat([vectors_ND[rows].norm(dim=-1, keepdim=True) for rows in _blocks(vectors_ND)])
        unit_ND = vectors_ND / length_N1.clamp_min(SMALLEST_NORM)
        ctx.save_for_backward(unit_ND, length_N1)
        return unit_ND

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_ND: Tensor) -> Tensor:
        unit_ND, length_N1 = ctx.saved_tensors
        of_vectors_ND = torch.empty_like(unit_ND)
        for rows in _blocks(unit_ND):
            # What is too short for a direction was divided by a number, whatever its length.
            along_R1 = (gradient_ND[rows] * unit_ND[rows]).sum(-1, keepdim=True)
            along_R1.masked_fill_(length_N1[rows] < SMALLEST_NORM, 0)
            torch.addcmul(gradient_ND[rows], unit_ND[rows], along_R1, value=-1, out=of_vectors_ND[rows])
            of_vectors_ND[rows].div_(length_N1[rows].clamp_min(SMALLEST_NORM))
        return of_vectors_ND


class _Dots(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, left_ND: Tensor, right_ND: Tensor) -> Tensor:
        ctx.save_for_backward(left_ND, right_ND)
        return torch.cat([(left_ND[rows] * right_ND[rows]).sum(-1) for rows in _blocks(left_ND)])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_N: Tensor) -> tuple[Tensor | None, Tensor | None]:
        left_ND, right_ND = ctx.saved_tensors
        of_left, of_right = ctx.needs_input_grad
        return (
            gradient_N[:, None] * right_ND if of_left else None,
            gradient_N[:, None] * left_ND if of_right else None,
        )


def _blocks(rows_ND: Tensor) -> Iterator[slice]:
    """At least one, which may be empty."""
    return (slice(start, start + ROWS) for start in range(0, max(1, len(rows_ND)), ROWS))
