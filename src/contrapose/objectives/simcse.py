"""SimCSE: predict one view of a sentence from the other among the sentences of the batch.

    loss_i = -log  exp(c_ii / t) / sum_j exp(c_ij / t)          c_ij = cos(anchor_i, positive_j),  t = temperature

With triplets, the given negatives of all rows are further columns, and ``hard_negative_weight`` is added to the logit
of a row's own: exp(w) multiplies its exponential. Unlabeled text: the two views are one sentence under two dropout
masks. One direction only, gradient through both views, no anchor-anchor terms.

Gao, Yao and Chen 2021, "SimCSE: Simple Contrastive Learning of Sentence Embeddings", EMNLP, equations 4 and 5;
https://arxiv.org/abs/2104.08821

Departures from the paper: equations 4 and 5 with alpha = exp(hard_negative_weight).
Departures from the official code: repeats of the anchor's text are struck out of its negatives; each of several given
negatives gets its own block of columns; the positive is found by index.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

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
from contrapose.objectives.in_batch import own_negatives


def _in_tiles(
    table: TiledTable, views: Views, /, *, temperature: float, hard_negative_weight: float
) -> TiledOutcome:
    own_R = table.own_cosine_R / temperature
    negatives = table.negatives(LogitMap(temperature=temperature), own_weight=hard_negative_weight)
    loss_R = softmax_loss_of_sums(own_R, negatives.log_sum_R)
    return TiledOutcome(loss_B=loss_R, own_logit_B=own_R, negatives=negatives, table=table)


@computed_in_tiles(_in_tiles)
def simcse(
    table: ScoreTable,
    views: Views,
    /,
    *,
    temperature: Temperature = 0.05,
    hard_negative_weight: Annotated[
        float, Field(ge=-20, le=20, description="added to the logit of a row's own given negative")
    ] = 0.0,
) -> Outcome:
    """InfoNCE over in-batch, given and extra columns. See the module's docstring for the equation.

    >>> import torch
    >>> from contrapose.objectives.in_batch import in_batch_table
    >>> same = Views.pair(torch.eye(3), torch.eye(3))
    >>> simcse(in_batch_table(same), same, temperature=1.0).loss_B            # log(1 + 2 / e)
    tensor([0.5514, 0.5514, 0.5514])
    """
    if hard_negative_weight and views.negatives:
        table = table.weighted(hard_negative_weight * own_negatives(table, views).to(table.cosine_BC.dtype))
    logits_BC = to_logits(table.cosine_BC, table, temperature)
    return Outcome(loss_B=softmax_loss(logits_BC, table.positive_B), logits_BC=logits_BC, table=table)


METHOD = Method(
    name="simcse",
    idea="One sentence under two dropout masks: find the one from the other among the batch.",
    paper="Gao, Yao, Chen 2021, SimCSE: Simple Contrastive Learning of Sentence Embeddings (EMNLP)",
    reference="https://arxiv.org/abs/2104.08821",
    objective=simcse,
    departures=("repeats of the anchor's text are struck out of its negatives",),
)
