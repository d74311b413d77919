"""Decoupled contrastive learning (DCL): the positive is left out of the denominator, so the loss may be negative.

    loss_i = -w_i c_ii / t + log sum_{j != i} exp(c_ij / t)          0 for a row without negatives
    w_i    = 1, or with a width s (DCLW):  2 - exp(c_ii / s) / mean_k exp(c_kk / s)

In InfoNCE a near positive makes the whole row's gradient small: positive and negatives are coupled by the denominator.
Without the positive in it, easy rows keep their pull and their push, which helps where batches are small. DCLW pulls
rows whose positive is still far more than those whose positive is near.

Yeh, Hong, Hsu, Liu, Chen, LeCun 2022, "Decoupled Contrastive Learning", ECCV, equations 6 and 7;
https://arxiv.org/abs/2110.06848
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from contrapose.contract import (
    LogitMap,
    Method,
    Outcome,
    ScoreTable,
    Temperature,
    TiledOutcome,
    TiledTable,
    Views,
    computed_in_tiles,
)
from contrapose.maths.reduce import to_logits


def _in_tiles(
    table: TiledTable, views: Views, /, *, temperature: float, positive_width: float | None
) -> TiledOutcome:
    negatives = table.negatives(LogitMap(temperature=temperature))
    weight_R: float | Tensor = 1.0
    if positive_width is not None:
        weight_R = _positive_weights(table.own_cosine_B, positive_width)[table.rows]
    own_R = table.own_cosine_R / temperature
    loss_R = (negatives.log_sum_R - weight_R * own_R) * (negatives.count_R > 0)
    return TiledOutcome(loss_B=loss_R, own_logit_B=own_R, negatives=negatives, table=table)


@computed_in_tiles(_in_tiles)
def dcl(
    table: ScoreTable,
    views: Views,
    /,
    *,
    temperature: Temperature = 0.05,
    positive_width: Annotated[
        float | None,
        Field(gt=0, le=10, description="sigma of DCLW: far positives are pulled more; none: all alike"),
    ] = None,
) -> Outcome:
    """InfoNCE without the positive in the denominator. See the module's docstring for the equation.

    >>> from contrapose.objectives.in_batch import in_batch_table
    >>> same = Views.pair(torch.eye(3), torch.eye(3))
    >>> dcl(in_batch_table(same), same, temperature=1.0).loss_B            # log 2 - 1
    tensor([-0.3069, -0.3069, -0.3069])
    """
    logits_BC = to_logits(table.cosine_BC, table, temperature)
    own_B = logits_BC.gather(1, table.positive_B[:, None]).squeeze(1)
    lowest = torch.finfo(logits_BC.dtype).min
    negatives_B = logits_BC.masked_fill(table.is_positive_BC, lowest).logsumexp(1)
    weight_B = 1.0 if positive_width is None else _positive_weights(own_B * temperature, positive_width)
    loss_B = (negatives_B - weight_B * own_B) * table.negative_BC.any(1)
    return Outcome(loss_B=loss_B, logits_BC=logits_BC, table=table)


def _positive_weights(cosine_B: Tensor, width: float) -> Tensor:
    """Weights of mean 1 that are smaller the nearer the positive is."""
    return 2 - len(cosine_B) * (cosine_B / width).softmax(0)


METHOD = Method(
    name="dcl",
    idea="InfoNCE without the positive in the denominator: an easy positive does not silence the row's negatives.",
    paper="Yeh, Hong, Hsu, Liu, Chen, LeCun 2022, Decoupled Contrastive Learning (ECCV)",
    reference="https://arxiv.org/abs/2110.06848",
    objective=dcl,
    departures=(
        "the negatives are the other rows' positives (the paper's are both views of them: add anchor-negatives)",
        "temperature 0.05, as sentence encoders take it (the public code: 0.1)",
        "repeats of the anchor's text are struck out of its negatives",
    ),
)
