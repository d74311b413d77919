"""How sure the numbers of the geometry are: the spread that other sentences of the same kind would give.

Sentences are resampled with replacement, as counts w. Means over pairs are taken without a sentence's pairs with its
own copies, which would pull a bootstrap towards collapse:

    mean over i != j of f_ij    ->    (w' f w - sum_i w_i^2 f_ii) / ((sum w)^2 - sum w^2)

The interval is the value +- 1.96 standard deviations of the resamples: the effective rank of a resample is biased (it
holds fewer distinct sentences), so its percentiles would be, too. Effective rank and IsoScore of few sentences are
themselves below those of many: compare them at equal numbers of sentences only.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from contrapose.seeds import numpy_generator

if TYPE_CHECKING:
    from torch import Tensor

#: Resamples of the means over pairs, and of the measures that need the eigenvalues of each resample.
RESAMPLES, RESAMPLED_SPECTRA = 200, 40
#: Two-sided 95% of a normal distribution.
SIGMAS = 1.96
TILE_ROWS = 1024


def spread_intervals(x_ND: Tensor, values: dict[str, float], seed: int = 0) -> dict[str, list[float]]:
    """Metric -> [low, high] around its value; metrics of :mod:`contrapose.maths.geometry` on sentences."""
    import torch

    from contrapose.maths.geometry import iso_of_spectrum, neighbour_counts, rank_of_spectrum, skewness
    from contrapose.maths.similarity import unit

    u_ND = unit(x_ND)
    counts_BN = _counts(len(u_ND), RESAMPLES, seed).to(u_ND.device)
    by_metric = {
        "uniformity": _uniformity(u_ND, counts_BN),
        "mean_cosine": _mean_cosine(u_ND, counts_BN),
        "hubness": _of_rows(neighbour_counts(u_ND).double(), counts_BN, skewness),
    }
    spectra = [_spectrum(u_ND, counts_N) for counts_N in counts_BN[:RESAMPLED_SPECTRA]]
    by_metric["effective_rank"] = torch.stack([rank_of_spectrum(spectrum) for spectrum in spectra])
    by_metric["iso_score"] = torch.stack([iso_of_spectrum(spectrum) for spectrum in spectra])
    return {
        metric: [values[metric] - reach, values[metric] + reach]
        for metric, resampled in by_metric.items()
        if metric in values and math.isfinite(reach := SIGMAS * float(resampled.std()))
    }


def _counts(rows: int, resamples: int, seed: int) -> Tensor:
    import torch

    generator = numpy_generator(seed, "geometry")
    drawn = generator.multinomial(rows, np.full(rows, 1 / rows), size=resamples)
    return torch.from_numpy(drawn).float()


def _pairs(counts_BN: Tensor) -> Tensor:
    return counts_BN.double().sum(dim=1).square() - counts_BN.double().square().sum(dim=1)


def _uniformity(u_ND: Tensor, counts_BN: Tensor, t: float = 2.0) -> Tensor:
    import torch

    total_B = torch.zeros(len(counts_BN), dtype=torch.float64, device=u_ND.device)
    squared_N = u_ND.square().sum(dim=1)
    for start in range(0, len(u_ND), TILE_ROWS):
        rows = slice(start, start + TILE_ROWS)
        distance = (squared_N[rows, None] + squared_N - 2 * u_ND[rows] @ u_ND.T).clamp(min=0)
        potential = torch.exp(-t * distance)
        total_B += ((counts_BN @ potential.T) * counts_BN[:, rows]).sum(dim=1, dtype=torch.float64)
    own_B = counts_BN.double().square().sum(dim=1)  # exp(0) = 1 on the diagonal
    return torch.log((total_B - own_B) / _pairs(counts_BN))


def _mean_cosine(u_ND: Tensor, counts_BN: Tensor) -> Tensor:
    of_sum_B = (counts_BN @ u_ND).square().sum(dim=1).double()
    of_each_B = counts_BN.double().square() @ u_ND.square().sum(dim=1).double()
    return (of_sum_B - of_each_B) / _pairs(counts_BN)


def _spectrum(u_ND: Tensor, counts_N: Tensor) -> Tensor:
    import torch

    weight_N = (counts_N / counts_N.sum()).double()
    x_ND = u_ND.double()
    centred_ND = x_ND - weight_N @ x_ND
    eigenvalues: Tensor = torch.linalg.eigvalsh((centred_ND * weight_N[:, None]).T @ centred_ND).clamp(min=0)
    return eigenvalues


def _of_rows(values_N: Tensor, counts_BN: Tensor, statistic: object) -> Tensor:
    import torch

    resampled = [values_N.repeat_interleave(counts_N.long()) for counts_N in counts_BN]
    return torch.stack([statistic(values) for values in resampled])  # type: ignore[operator]
