"""How embeddings lie on the sphere: alignment, uniformity, mean cosine, effective rank, IsoScore, hubness.

One definition, used during training and in evaluation. All look at directions only: every vector is first scaled to
unit length (a zero vector stays zero). Inputs below fp32 are computed in fp32; fp64 stays fp64.

Alignment and uniformity: Wang and Isola 2020, as used for sentences by SimCSE. Effective rank: Roy and Vetterli 2007.
IsoScore: Rudman et al. 2022. Hubness: Radovanovic et al. 2010.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from contrapose.maths.nearest import nearest_others
from contrapose.maths.similarity import at_least_fp32, unit

#: What each number means, in the words that are printed beside it.
DEFINITIONS: Mapping[str, str] = MappingProxyType(
    {
        "alignment": "mean of ||u - v||^2 over pairs that mean the same; u, v of unit length; lower is better",
        "uniformity": "log of the mean of exp(-2 ||u - v||^2) over all pairs of distinct sentences; "
        "0 when all vectors are equal, about -4 when they are spread evenly; lower is better",
        "mean_cosine": "mean cosine over all distinct pairs of sentences; 0 is isotropic, 1 is collapsed",
        "effective_rank": "exp of the entropy of the eigenvalues (scaled to sum 1) of the covariance of the "
        "unit-length vectors; between 1 and the width; higher uses more directions",
        "iso_score": "IsoScore of the unit-length vectors: 1 when the variance is the same in all directions, 0 when "
        "it is in one; higher is more isotropic",
        "hubness": "skewness of how often a sentence is among the 10 nearest of the others; 0 means evenly, high "
        "values mean that a few sentences are near everything; lower is better",
        "positive_rank": "mean rank of a sentence's pair partner among all sentences, by cosine; 1 is best",
    }
)

#: Vectors whose total variance is below this are one point; what is left of it is the rounding of fp32.
VARIANCE_OF_ONE_POINT = 1e-12

#: Rows among which neighbours are looked for: their number changes what "near" means, so it is fixed.
OVERLAP_ROWS = 200
NEIGHBOURS_ARE_ONE_IN = 20

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
    return rank_of_spectrum(_spectrum(u_ND)).to(u_ND.dtype)


def rank_of_spectrum(eigenvalues_D: Tensor) -> Tensor:
    """:func:`effective_rank` of the eigenvalues of a covariance, fp64."""
    variance = eigenvalues_D.sum()
    share_D = eigenvalues_D / variance.clamp(min=VARIANCE_OF_ONE_POINT)
    rank = torch.special.entr(share_D).sum().exp()
    return torch.where(variance > VARIANCE_OF_ONE_POINT, rank, torch.ones_like(rank))


def iso_score(x_ND: Tensor) -> Tensor:
    """IsoScore of the unit vectors, a scalar in [0, 1]; v the variances along the principal directions.

        d = ||sqrt(D) v / ||v|| - 1|| / sqrt(2 (D - sqrt(D)))          the defect, 0 for equal variances
        phi = (D - d^2 (D - sqrt(D)))^2 / D^2
        IsoScore = (D phi - 1) / (D - 1)

    All rows equal count as 0. Fewer than two rows, or width 1, give NaN.

    >>> round(float(iso_score(torch.cat([torch.eye(3), -torch.eye(3)]))), 6)
    1.0
    """
    u_ND = unit(x_ND)
    if u_ND.shape[0] < 2 or u_ND.shape[1] < 2:
        return u_ND.new_full((), math.nan)
    return iso_of_spectrum(_spectrum(u_ND)).to(u_ND.dtype)


def iso_of_spectrum(eigenvalues_D: Tensor) -> Tensor:
    """:func:`iso_score` of the eigenvalues of a covariance, fp64."""
    width = float(len(eigenvalues_D))
    spare = width - math.sqrt(width)
    scaled_D = math.sqrt(width) * eigenvalues_D / eigenvalues_D.norm().clamp(min=VARIANCE_OF_ONE_POINT)
    squared_defect = (scaled_D - 1).square().sum() / (2 * spare)
    phi = (width - squared_defect * spare).square() / width**2
    score = ((width * phi - 1) / (width - 1)).clamp(min=0)
    return torch.where(eigenvalues_D.sum() > VARIANCE_OF_ONE_POINT, score, torch.zeros_like(score))


def _spectrum(u_ND: Tensor) -> Tensor:
    """The eigenvalues (D,) fp64 of the covariance."""
    centred_ND = (u_ND - u_ND.mean(dim=0, dtype=torch.float64).to(u_ND.dtype)).double()
    eigenvalues_D: Tensor = torch.linalg.eigvalsh(centred_ND.T @ centred_ND / len(u_ND)).clamp(min=0)
    return eigenvalues_D


def neighbour_counts(x_ND: Tensor, *, k: int = 10) -> Tensor:
    """(N,) int64: how often each row is among the ``k`` nearest others of a row, by cosine.

    >>> neighbour_counts(torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]), k=1).tolist()
    [1, 2, 0]
    """
    return torch.bincount(nearest_others(x_ND, k).rows_QK.flatten(), minlength=len(x_ND))


def neighbour_overlap(x_ND: Tensor, *, sample: int = OVERLAP_ROWS) -> Tensor:
    """(M,) of each row: do the neighbours of its neighbours neighbour it too? High where sentences come in topics.

        c_i = |{(a, b): a near i, b near a, b near i}| / k^2        near: among the k nearest others by cosine

    x_ND (N, D). Rows are taken in consecutive samples of ``sample`` rows (or all N, where that is fewer), M of them in
    all, and k is a twentieth of a sample: so the mean hardly depends on N. It is about 0.2 for sentences about
    everything and 0.4 for sentences about a few things. NaN where a sample has fewer than 20 rows.

    >>> topics = torch.eye(4).repeat_interleave(10, dim=0) + torch.linspace(0, 0.1, 40)[:, None]
    >>> everything = torch.randn(40, 16, generator=torch.Generator().manual_seed(0))
    >>> bool(neighbour_overlap(topics).mean() > neighbour_overlap(everything).mean())
    True
    """
    size = min(sample, len(x_ND))
    k = size // NEIGHBOURS_ARE_ONE_IN
    if k < 1 or not bool(torch.isfinite(x_ND).all()):
        return at_least_fp32(x_ND).new_full((len(x_ND),), math.nan)
    overlaps = []
    for start in range(0, len(x_ND) - size + 1, size):
        near_NK = nearest_others(x_ND[start : start + size], k).rows_QK
        near_NN = torch.zeros(size, size, device=x_ND.device).scatter_(1, near_NK, 1.0)
        overlaps.append(((near_NN @ near_NN) * near_NN).sum(dim=1) / k**2)
    return torch.cat(overlaps)


def skewness(values_N: Tensor) -> Tensor:
    """The third standardised moment; 0 where all values are equal, NaN for none.

    >>> skewness(torch.tensor([1.0, 1.0, 4.0])) > 0
    tensor(True)
    """
    centred_N = values_N.double() - values_N.double().mean()
    variance = centred_N.square().mean()
    return torch.where(variance > 0, centred_N.pow(3).mean() / variance.clamp(min=1e-300).pow(1.5), variance)


def hubness(x_ND: Tensor, *, k: int = 10) -> Tensor:
    """Skewness of :func:`neighbour_counts`: above 1, a few rows are near very many others. NaN below two rows.

    >>> hubness(torch.eye(4), k=3)
    tensor(0.)
    """
    x_ND = at_least_fp32(x_ND)
    if len(x_ND) < 2 or not bool(torch.isfinite(x_ND).all()):
        return x_ND.new_full((), math.nan)
    return skewness(neighbour_counts(x_ND, k=k)).to(x_ND.dtype)
