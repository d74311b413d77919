"""Cosine tables in fp32, whatever precision the encoder ran in.

cos/0.05 in half precision loses about two decimal digits, and the softmax amplifies them; so everything from the
embedding to the loss is fp32 (or fp64, when a test brings it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

#: Below this length a vector has no direction. Its unit vector is then (nearly) zero and its cosines are 0, not NaN.
SMALLEST_NORM = 1e-12
#: A larger table is not kept for a second asking: it would lie in memory beside the one that the loss is made of.
KEPT_CELLS = 1 << 22

#: What was computed in the block of :func:`computed_once` that is open, with the tensors it was computed of.
_computed: ContextVar[dict[tuple[object, ...], tuple[Tensor, tuple[Tensor, ...]]] | None] = ContextVar(
    "computed", default=None
)


@contextmanager
def computed_once() -> Iterator[None]:
    """In this block unit vectors and cosine tables of one and the same tensor are computed once, whoever asks.

    The parts of a method and its equation look at the same views. Gradients of all who asked add up before they go
    through the shared step, so they differ from separate ones by rounding. No view may be changed in place within.

    >>> x = torch.eye(2)
    >>> with computed_once():
    ...     unit(x) is unit(x)
    True
    """
    token = _computed.set({})
    try:
        yield
    finally:
        _computed.reset(token)


def _once(compute: Callable[..., Tensor], *of: Tensor) -> Tensor:
    known = _computed.get()
    if known is None:
        return compute(*of)
    key = (compute, *map(id, of))
    if key not in known:
        # With its graph even where the first to ask wants none: the next may.
        with torch.enable_grad():
            known[key] = compute(*of), of  # held, so that no other tensor gets the number of one of them
    made, _ = known[key]
    return made if torch.is_grad_enabled() else made.detach()


def at_least_fp32(tensor: Tensor) -> Tensor:
    """Half precisions are widened; fp32 and fp64 pass through.

    >>> at_least_fp32(torch.ones(1, dtype=torch.bfloat16)).dtype
    torch.float32
    """
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def unit(vectors: Tensor) -> Tensor:
    """Vectors (..., D) divided by their length; a zero vector stays zero.

    >>> unit(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([[0.6000, 0.8000],
            [0.0000, 0.0000]])
    """
    return _once(_unit, vectors)


def _unit(vectors: Tensor) -> Tensor:
    vectors = at_least_fp32(vectors)
    length: Tensor = vectors.norm(dim=-1, keepdim=True)
    return vectors / length.clamp_min(SMALLEST_NORM)


def take_rows(vectors_ND: Tensor, numbers: Tensor) -> Tensor:
    """The rows of those numbers (...), any of them several times: (..., D).

    Not ``vectors_ND[numbers]``: with several threads its backward pass adds up the gradients of a row in the order in
    which the threads come, and two equal runs end with other bits.

    >>> take_rows(torch.eye(2), torch.tensor([1, 1])).tolist()
    [[0.0, 1.0], [0.0, 1.0]]
    """
    return torch.nn.functional.embedding(numbers, vectors_ND)


def cosine_table(rows_BD: Tensor, columns: Tensor) -> Tensor:
    """Cosine of every row with its columns, (B, C).

    columns: shared by all rows (C, D), or each row's own (B, C, D).

    >>> cosine_table(torch.eye(2), torch.tensor([[1.0, 1.0]]))
    tensor([[0.7071],
            [0.7071]])
    """
    if len(rows_BD) * len(columns) > KEPT_CELLS or columns.dim() > 2:
        return _cosine_table(rows_BD, columns)
    return _once(_cosine_table, rows_BD, columns)


def _cosine_table(rows_BD: Tensor, columns: Tensor) -> Tensor:
    rows_BD, columns = unit(rows_BD), unit(columns)
    dtype = torch.promote_types(rows_BD.dtype, columns.dtype)  # a queue is fp32 even where a test brings fp64
    rows_BD, columns = rows_BD.to(dtype), columns.to(dtype)
    if columns.dim() == 2:
        return rows_BD @ columns.T
    return (columns @ rows_BD[:, :, None]).squeeze(-1)


def paired_cosine(left_BD: Tensor, right_BD: Tensor) -> Tensor:
    """Cosine of row i of one matrix with row i of the other, (B,).

    >>> paired_cosine(torch.eye(2), torch.eye(2))
    tensor([1., 1.])
    """
    return (unit(left_BD) * unit(right_BD)).sum(-1)
