"""The sum over negatives, corrected for those that mean the same as the row, and weighed by their hardness.

    g_i    = max( ( mean_j w_ij exp(s_ij) - r exp(p_i) ) / (1 - r),  exp(-1/t) )       r: share of false negatives
    loss_i = -log  exp(p_i) / ( exp(p_i) + N_i g_i )          N_i: how many negatives;  w_ij: weights of mean 1

s and p are cosines divided by the temperature t. The mean over random texts is r times the mean over texts that mean
the same, for which the positive stands, and 1 - r times that over true negatives, which is g. No true mean can be below
exp(-1/t), the smallest value of its terms.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from contrapose.maths.scores import ScoreTable
from contrapose.maths.tiled import Sums
from contrapose.maths.tiled_columns import LogitMap
from contrapose.maths.tiled_table import TiledTable

FalseNegativeShare = Annotated[
    float,
    Field(ge=0, le=0.99, description="tau+: how many of all texts mean the same as a given one, as a share"),
]


def debiased_loss(
    table: ScoreTable, temperature: float, *, false_negative_share: float, hardness: float = 0.0
) -> Tensor:
    """One loss per row (B,); exactly 0 where a row has no negative.

    hardness: w_ij grows with exp(hardness s_ij); 0 weighs all alike.

    >>> from contrapose.maths.scores import Columns, score_table
    >>> table = score_table(torch.eye(3), [Columns(origin="batch", vectors=torch.eye(3))], torch.arange(3))
    >>> debiased_loss(table, 1.0, false_negative_share=0.0)                    # SimCSE
    tensor([0.5514, 0.5514, 0.5514])
    """
    scaled_BC = table.cosine_BC / temperature
    weight_BC = torch.zeros_like(scaled_BC) if table.log_weight_BC is None else table.log_weight_BC
    lowest = torch.finfo(scaled_BC.dtype).min

    def log_sum(scores_BC: Tensor) -> Tensor:
        return (scores_BC + weight_BC).masked_fill(~table.negative_BC, lowest).logsumexp(1)

    # A weighted mean: of exp(s), with weights exp(hardness s).
    log_mean_B = log_sum((1 + hardness) * scaled_BC) - log_sum(hardness * scaled_BC)
    count_B = (weight_BC.exp() * table.negative_BC).sum(1)
    positive_B = scaled_BC.gather(1, table.positive_B[:, None]).squeeze(1)
    # Where there is no negative, it is multiplied by 0, and must be no larger than the positive: exp(-400) would be 0.
    log_mean_B = torch.where(table.negative_BC.any(1), log_mean_B, positive_B.detach())
    return _loss(positive_B, log_mean_B, count_B, temperature, false_negative_share)


def debiased_loss_in_tiles(
    table: TiledTable, temperature: float, *, false_negative_share: float, hardness: float = 0.0
) -> tuple[Tensor, Sums]:
    """The same, one loss for each of the table's rows; and the sums of the plain softmax over its negatives."""
    maps = [LogitMap(temperature=temperature)]
    if hardness:
        maps += [LogitMap(temperature=temperature / factor) for factor in (1 + hardness, hardness)]
    if table.has_weights:
        maps.append(LogitMap(temperature=1.0, function=lambda cosine: 0 * cosine))
    sums = table.negatives(*maps)
    positive_R = table.own_cosine_R / temperature
    log_count_R = sums.log_sum_KR[-1] if table.has_weights else sums.count_R.to(positive_R.dtype).log()
    of_sums = (sums.log_sum_KR[1], sums.log_sum_KR[2]) if hardness else (sums.log_sum_R, log_count_R)
    log_mean_R = torch.where(sums.count_R > 0, of_sums[0] - of_sums[1], positive_R.detach())
    count_R = log_count_R.exp()
    return _loss(positive_R, log_mean_R, count_R, temperature, false_negative_share), sums


def _loss(
    positive_B: Tensor, log_mean_B: Tensor, count_B: Tensor, temperature: float, false_negative_share: float
) -> Tensor:
    """-log exp(p) / (exp(p) + N g), from p, the log of the mean that g is made of, and N."""
    # exp(20) is far from the end of fp32, but exp(100), at a temperature of 0.01, is beyond it.
    largest_B = torch.maximum(positive_B, log_mean_B).detach()
    positive_exp_B, mean_B = (positive_B - largest_B).exp(), (log_mean_B - largest_B).exp()
    corrected_B = (mean_B - false_negative_share * positive_exp_B) / (1 - false_negative_share)
    bounded_B = torch.maximum(corrected_B, (-1 / temperature - largest_B).exp())
    return (positive_exp_B + count_B * bounded_B).log() - (positive_B - largest_B)
