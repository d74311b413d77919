"""Decoupled contrastive learning: the positive is left out of the denominator, so the loss may be negative.

loss_i = -c_ii / t + log sum_{j != i} exp(c_ij / t);  0 for a row without negatives.
"""

from __future__ import annotations

import torch

from contrapose.contract import Method, Outcome, ScoreTable, Temperature, Views
from contrapose.maths.reduce import to_logits


def decoupled(table: ScoreTable, views: Views, /, *, temperature: Temperature = 0.05) -> Outcome:
    logits_BC = to_logits(table.cosine_BC, table, temperature)
    own_B = logits_BC.gather(1, table.positive_B[:, None]).squeeze(1)
    lowest = torch.finfo(logits_BC.dtype).min
    negatives_B = logits_BC.masked_fill(table.is_positive_BC, lowest).logsumexp(1)
    loss_B = (negatives_B - own_B) * table.negative_BC.any(1)
    return Outcome(loss_B=loss_B, logits_BC=logits_BC, table=table)


METHOD = Method(
    name="decoupled",
    idea="InfoNCE without the positive in the denominator.",
    paper="Yeh, Hong, Hsu, Liu, Chen, LeCun 2022, Decoupled Contrastive Learning (ECCV)",
    reference="https://arxiv.org/abs/2110.06848",
    objective=decoupled,
)
