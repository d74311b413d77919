"""Cosine tables in fp32, whatever precision the encoder ran in.

cos/0.05 in half precision loses about two decimal digits, and the softmax amplifies them; so everything from the
embedding to the loss is fp32 (or fp64, when a test brings it).
"""

from __future__ import annotations

import torch
from torch import Tensor

#: Below this length a vector has no direction. Its unit vector is then (nearly) zero and its cosines are 0, not NaN.
SMALLEST_NORM = 1e-12


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
