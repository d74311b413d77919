"""Contrastive learning with hard negatives (HCL): the harder a negative, the more it weighs, less the false ones.

    loss_i = -log  exp(c_ii / t) / ( exp(c_ii / t) + N_i g_i )
    g_i    = max( ( mean_j w_ij exp(c_ij / t) - r exp(c_ii / t) ) / (1 - r),  exp(-1 / t) )
    w_ij   = exp(b c_ij / t) / mean_j exp(b c_ij / t)

b is the hardness (the paper's beta): the weights are what sampling negatives near the anchor would give, without any
sampling. The nearest negatives are also those that most often mean the same, so r (tau+), the share of texts that do,
is taken off as in ``debiased``. b = 0 is ``debiased``, and r = 0 beside it SimCSE. The weights carry a gradient, as in
the published code.

The share of 0.01 has no source, and no experiment chose it over the 0.001 of ``debiased``. As that one it is below the
code's 0.1, which is for ten classes of pictures. The weights raise the mean of exp(c/t), so that at one share fewer
rows are bounded than in ``debiased``.

Robinson, Chuang, Sra, Jegelka 2021, "Contrastive Learning with Hard Negative Samples", ICLR, equations 4 and 5;
https://arxiv.org/abs/2010.04592
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from contrapose.contract import (
    Method,
    Outcome,
    ScoreTable,
    Temperature,
    TiledOutcome,
    TiledTable,
    Views,
    computed_in_tiles,
)
from contrapose.maths.debiased import FalseNegativeShare, debiased_loss, debiased_loss_in_tiles
from contrapose.maths.reduce import to_logits


def _in_tiles(
    table: TiledTable, views: Views, /, *, temperature: float, hardness: float, false_negative_share: float
) -> TiledOutcome:
    loss_R, sums = debiased_loss_in_tiles(
        table, temperature, false_negative_share=false_negative_share, hardness=hardness
    )
    own_R = table.own_cosine_R / temperature
    return TiledOutcome(loss_B=loss_R, own_logit_B=own_R, negatives=sums, table=table)


@computed_in_tiles(_in_tiles)
def hcl(
    table: ScoreTable,
    views: Views,
    /,
    *,
    temperature: Temperature = 0.05,
    hardness: Annotated[
        float, Field(ge=0, le=20, description="beta: how much more the hardest negatives weigh; 0: all alike")
    ] = 1.0,
    false_negative_share: FalseNegativeShare = 0.01,
) -> Outcome:
    """InfoNCE with weights on hard negatives. See the module's docstring for the equation.

    >>> import torch
    >>> from contrapose.objectives.in_batch import in_batch_table
    >>> same = Views.pair(torch.eye(3), torch.eye(3))
    >>> hcl(in_batch_table(same), same, temperature=1.0, false_negative_share=0.0).loss_B     # all alike: SimCSE
    tensor([0.5514, 0.5514, 0.5514])
    """
    loss_B = debiased_loss(table, temperature, false_negative_share=false_negative_share, hardness=hardness)
    return Outcome(loss_B=loss_B, logits_BC=to_logits(table.cosine_BC, table, temperature), table=table)


METHOD = Method(
    name="hcl",
    idea="Negatives weigh more the harder they are, and the expected share of false ones is taken off.",
    paper="Robinson, Chuang, Sra, Jegelka 2021, Contrastive Learning with Hard Negative Samples (ICLR)",
    reference="https://arxiv.org/abs/2010.04592",
    objective=hcl,
    departures=(
        "text in place of pictures: temperature 0.05 and a share of 0.01 (the code: 0.5 and 0.1)",
        "the negatives are the other rows' positives (the code's are both views of them: add anchor-negatives)",
        "one direction, as in SimCSE (the code takes the mean of both)",
        "repeats of the anchor's text are struck out of its negatives",
    ),
)
