"""Debiased contrastive loss: some of the negatives mean what the row means; their expected share is taken off.

    loss_i = -log  exp(c_ii / t) / ( exp(c_ii / t) + N_i g_i )
    g_i    = max( ( mean_j exp(c_ij / t) - r exp(c_ii / t) ) / (1 - r),  exp(-1 / t) )

r (the paper's tau+) is the share of all texts that mean the same as a given one, N_i the number of negatives of row i.
A random other text is a false negative with probability r, and the positive stands for how near those are. What is
left of the mean is that of true negatives, which cannot be below exp(-1/t): there the row is bounded, and pushes
nothing. r = 0 is SimCSE. With one positive a row, M = 1 in the paper.

At the temperature of sentence encoders the bound is soon reached: with t = 0.05 and r = 0.1 a row pushes only while the
mean of exp(c/t) over its negatives is above a tenth of the positive's. So r is 0.001 here, about as rare as paraphrases
are in a corpus; the code's 0.1 is for ten classes of pictures and t = 0.5.

Chuang, Robinson, Lin, Torralba, Jegelka 2020, "Debiased Contrastive Learning", NeurIPS, equation 8;
https://arxiv.org/abs/2007.00224
"""

from __future__ import annotations

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
    table: TiledTable, views: Views, /, *, temperature: float, false_negative_share: float
) -> TiledOutcome:
    loss_R, sums = debiased_loss_in_tiles(table, temperature, false_negative_share=false_negative_share)
    own_R = table.own_cosine_R / temperature
    return TiledOutcome(loss_B=loss_R, own_logit_B=own_R, negatives=sums, table=table)


@computed_in_tiles(_in_tiles)
def debiased(
    table: ScoreTable,
    views: Views,
    /,
    *,
    temperature: Temperature = 0.05,
    false_negative_share: FalseNegativeShare = 0.001,
) -> Outcome:
    """InfoNCE with the expected false negatives taken off. See the module's docstring for the equation.

    >>> import torch
    >>> from contrapose.objectives.in_batch import in_batch_table
    >>> same = Views.pair(torch.eye(3), torch.eye(3))
    >>> debiased(in_batch_table(same), same, temperature=1.0, false_negative_share=0.1).loss_B
    tensor([0.4671, 0.4671, 0.4671])
    """
    loss_B = debiased_loss(table, temperature, false_negative_share=false_negative_share)
    return Outcome(loss_B=loss_B, logits_BC=to_logits(table.cosine_BC, table, temperature), table=table)


METHOD = Method(
    name="debiased",
    idea="Some in-batch negatives mean the same as the row: their expected share is taken off the denominator.",
    paper="Chuang, Robinson, Lin, Torralba, Jegelka 2020, Debiased Contrastive Learning (NeurIPS)",
    reference="https://arxiv.org/abs/2007.00224",
    objective=debiased,
    departures=(
        "text in place of pictures: temperature 0.05 and a share of 0.001 (the code: 0.5 and 0.1)",
        "the negatives are the other rows' positives (the code's are both views of them: add anchor-negatives)",
        "one direction, as in SimCSE (the code takes the mean of both)",
        "repeats of the anchor's text are struck out of its negatives",
    ),
)
