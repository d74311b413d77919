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

#: Rows of a block: 1.5 MiB of width 768 in fp32, so that what is freed does not pile up in the heap.
ROWS = 512


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
    left, right = left_ND.detach(), right_ND.detach()
    dots_N = torch.cat([(left[rows] * right[rows]).sum(-1) for rows in _blocks(left)])
    # A node for each side: the gradient of one is added to where it belongs before that of the other is made.
    of_left_N: Tensor = _DotsOf.apply(dots_N, left_ND, right)  # type: ignore[no-untyped-call]
    of_both_N: Tensor = _DotsOf.apply(of_left_N, right_ND, left)  # type: ignore[no-untyped-call]
    return of_both_N


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


class _DotsOf(torch.autograd.Function):
    """The dots as they are; going backward, ``side_ND`` gets its gradient too."""

    @staticmethod
    def forward(ctx: Any, dots_N: Tensor, side_ND: Tensor, other_ND: Tensor) -> Tensor:
        ctx.save_for_backward(other_ND)
        return dots_N.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_N: Tensor) -> tuple[Tensor, Tensor | None, None]:
        (other_ND,) = ctx.saved_tensors
        return gradient_N, gradient_N[:, None] * other_ND if ctx.needs_input_grad[1] else None, None


def _blocks(rows_ND: Tensor) -> Iterator[slice]:
    """At least one, which may be empty."""
    return (slice(start, start + ROWS) for start in range(0, max(1, len(rows_ND)), ROWS))
