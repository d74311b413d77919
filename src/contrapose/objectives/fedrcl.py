"""FedRCL: a contrast, and a penalty that keeps the views of a text from becoming one point.

    loss   = SCL + beta * PEN
    SCL_i  = -log  exp(c_ii / t) / ( exp(c_ii / t) + sum over the negatives n of i of  exp(c_in / t) )

PEN is the part ``relaxation`` (regularizers/relaxation.py), which any method can use. With the two views of a text as
its class, the supervised contrast SCL is SimCSE's; ``hardest_negatives=2`` sums over each row's two hardest negatives
alone, as the published code does.

The paper trains over clients whose data differ: supervised contrast keeps their models from drifting apart, but makes
the features of a class one point, hence the penalty. ``contrapose federate`` trains in that way, with this method or
any other; in ordinary training the method is SimCSE for texts whose views are nearly the same.

Seo, Kim, Kim, Han 2024, "Relaxed Contrastive Learning for Federated Learning", CVPR;
https://arxiv.org/abs/2401.04928
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

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
from contrapose.maths.reduce import softmax_loss, softmax_loss_of_sums, to_logits


def _in_tiles(
    table: TiledTable, views: Views, /, *, temperature: float, hardest_negatives: int | None
) -> TiledOutcome:
    own_R = table.own_cosine_R / temperature
    negatives = table.negatives(LogitMap(temperature=temperature))
    loss_R = softmax_loss_of_sums(own_R, negatives.log_sum_R)
    return TiledOutcome(loss_B=loss_R, own_logit_B=own_R, negatives=negatives, table=table)


def _picks_negatives(views: Views, hyperparameters: Mapping[str, Any]) -> str:
    picked = hyperparameters["hardest_negatives"]
    return "" if picked is None else f"hardest_negatives={picked} picks among all columns of a row"


@computed_in_tiles(_in_tiles, unless=_picks_negatives)
def fedrcl(
    table: ScoreTable,
    views: Views,
    /,
    *,
    temperature: Temperature = 0.05,
    hardest_negatives: Annotated[
        int | None, Field(ge=1, description="negatives of a row that count, its most similar; none: all")
    ] = None,
) -> Outcome:
    """InfoNCE with all negatives of each row, or the hardest. See the module's docstring for the equation.

    >>> from contrapose.objectives.in_batch import in_batch_table
    >>> same = Views.pair(torch.eye(4), torch.eye(4))
    >>> fedrcl(in_batch_table(same), same, temperature=1.0, hardest_negatives=2).loss_B      # log(1 + 2 / e)
    tensor([0.5514, 0.5514, 0.5514, 0.5514])
    """
    logits_BC = to_logits(table.cosine_BC, table, temperature)
    if hardest_negatives is not None:
        easy_BC = table.negative_BC & ~_hardest(logits_BC.detach(), table, hardest_negatives)
        logits_BC = to_logits(table.cosine_BC, table.without(easy_BC), temperature)
    return Outcome(loss_B=softmax_loss(logits_BC, table.positive_B), logits_BC=logits_BC, table=table)


def _hardest(logits_BC: Tensor, table: ScoreTable, count: int) -> Tensor:
    """(B, C) bool: the negatives of each row with the largest logits; of equals the first columns."""
    lowest = torch.finfo(logits_BC.dtype).min
    negatives_BC = logits_BC.masked_fill(~table.negative_BC, lowest)
    order_BC = negatives_BC.argsort(dim=1, descending=True, stable=True)[:, :count]
    return torch.zeros_like(table.valid_BC).scatter(1, order_BC, True)


METHOD = Method(
    name="fedrcl",
    idea="SimCSE, and the views of a text that are almost one vector are pushed apart a little.",
    paper="Seo, Kim, Kim, Han 2024, Relaxed Contrastive Learning for Federated Learning (CVPR)",
    reference="https://arxiv.org/abs/2401.04928",
    objective=fedrcl,
    parts=("relaxation",),
    departures=(
        "a reconstruction for text: the paper has labelled pictures; here a class is a text, and there is no cross "
        "entropy over labels",
        "all negatives, as in the paper (the code: each row's two hardest, hardest_negatives=2)",
        "the contrast is of the last layer alone (the code: the mean over layers); the penalty is of several, as there",
        "anchors are compared with positives, not each view with all others",
        "every pair above the threshold counts, as the paper says (the code: each text's least similar pair alone, "
        "pair_select='min')",
        "a threshold of 0.9 and a weight of 0.1 (the code: 0.7 and 1), since dropout views begin above 0.9",
        "clients' weights are averaged by their rows (the code: each the same, averaging='uniform'), and the optimizer "
        "is AdamW (the code: SGD)",
        "repeats of the anchor's text are struck out of its negatives",
    ),
)
