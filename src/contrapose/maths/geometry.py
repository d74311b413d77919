"""How embeddings lie on the sphere: alignment, uniformity, mean cosine, effective rank.

One definition, used during training and in evaluation. All four look at directions only: every vector is first scaled
to unit length (a zero vector stays zero). Inputs below fp32 are computed in fp32; fp64 stays fp64.

Alignment and uniformity: Wang and Isola 2020, as used for sentences by SimCSE. Effective rank: Roy and Vetterli 2007.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from contrapose.maths.similarity import unit

#: What each number means, in the words that are printed beside it.
DEFINITIONS: Mapping[str, str] = MappingProxyType(
    {
        "alignment": "mean of ||u - v||^2 over pairs that mean the same; u, v of unit length; lower is better",
        "uniformity": "log of the mean of exp(-2 ||u - v||^2) over all distinct pairs of sentences; "
        "0 when all vectors are equal, about -4 when they are spread evenly; lower is better",
        "mean_cosine": "mean cosine over all distinct pairs of sentences; 0 is isotropic, 1 is collapsed",
        "effective_rank": "exp of the entropy of the eigenvalues (scaled to sum 1) of the covariance of the "
        "unit-length vectors; between 1 and the width; higher uses more directions",
    }
)

#: Vectors whose total variance is below this are one point; what is left of it is the rounding of fp32.
VARIANCE_OF_ONE_POINT = 1e-12

#: Rows of one tile of the N x N table: 1024 x 20,000 cosines are 80 MB in fp32.
TILE_ROWS = 1024


def alignment(first_BD: Tensor, second_BD: Tensor) -> Tensor:
    """Mean squared distance between the two sides of pairs that mean the same; a scalar in [0, 4].

    Row i of ``first_BD`` belongs to row i of ``second_BD``. No rows give NaN. Differentiable.

    >>> alignment(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 3.0]]))
    tensor(2.)
    """
    if first_BD.shape != second_BD.shape:
        raise ValueError(f"pairs need equal shapes, got {tuple(first_BD.shape)} and {tuple(second_BD.shape)}")
    return (unit(first_BD) - unit(second_BD)).square().sum(dim=1).mean()


def uniformity(x_ND: Tensor, *, t: float = 2.0, tile_rows: int = TILE_ROWS) -> Tensor:
    """``log E exp(-t ||u - v||^2)`` over all N (N - 1) / 2 distinct pairs, exactly; a scalar in [-4 t, 0].

    Walks the upper triangle in tiles: N^2 D / 2 multiplications, memory ``tile_rows * N``. Fewer than two rows give
    NaN. Differentiable.

    >>> uniformity(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))     # one pair, at distance 2
    tensor(-8.)
    """
    u_ND = unit(x_ND)
    num_rows = u_ND.shape[0]
    if num_rows < 2:
        return u_ND.new_full((), math.nan)
    squared_N = u_ND.square().sum(dim=1)
    total = torch.zeros((), dtype=torch.float64, device=u_ND.device)
    for start in range(0, num_rows, tile_rows):
        stop = min(start + tile_rows, num_rows)
        dot = u_ND[start:stop] @ u_ND[start:].T
        squared_distance = squared_N[start:stop, None] + squared_N[None, start:] - 2 * dot
        potential = torch.exp(-t * squared_distance.clamp(min=0))
        total = total + torch.triu(potential, diagonal=1).sum(dtype=torch.float64)
    return torch.log(total / (num_rows * (num_rows - 1) / 2)).to(u_ND.dtype)


def mean_cosine(x_ND: Tensor) -> Tensor:
    """Mean cosine over all distinct pairs; a scalar in [-1 / (N - 1), 1]. Fewer than two rows give NaN.

    No table is needed: ``sum_{i != j} u_i . u_j = ||sum u||^2 - sum ||u||^2``.

    >>> mean_cosine(torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 5.0]]))
    tensor(0.3333)
    """
    u_ND = unit(x_ND)
    num_rows = u_ND.shape[0]
    if num_rows < 2:
        return u_ND.new_full((), math.nan)
    of_sum = u_ND.sum(dim=0, dtype=torch.float64).square().sum()
    of_each = u_ND.square().sum(dtype=torch.float64)
    return ((of_sum - of_each) / (num_rows * (num_rows - 1))).to(u_ND.dtype)


def effective_rank(x_ND: Tensor) -> Tensor:
    """``exp(-sum p_k ln p_k)``, p the eigenvalues of the covariance of the unit vectors, scaled to sum 1.

    A scalar in [1, D]: how many directions carry the spread. All rows equal count as 1, the least value. Fewer than
    two rows give NaN. Roy and Vetterli take the singular values of any matrix; here the matrix is the covariance.

    >>> effective_rank(torch.cat([torch.eye(3), -torch.eye(3)]))
    tensor(3.)
    """
    u_ND = unit(x_ND)
    num_rows = u_ND.shape[0]
    if num_rows < 2:
        return u_ND.new_full((), math.nan)
    centred_ND = (u_ND - u_ND.mean(dim=0, dtype=torch.float64).to(u_ND.dtype)).double()
    eigenvalues_D = torch.linalg.eigvalsh(centred_ND.T @ centred_ND / num_rows).clamp(min=0)
    variance = eigenvalues_D.sum()
    share_D = eigenvalues_D / variance.clamp(min=VARIANCE_OF_ONE_POINT)
    rank = torch.special.entr(share_D).sum().exp()
    return torch.where(variance > VARIANCE_OF_ONE_POINT, rank, torch.ones_like(rank)).to(u_ND.dtype)
