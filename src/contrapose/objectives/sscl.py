"""SSCL: SimCSE, whose last layer must also tell a text apart from what the layers below it say of the same texts.

    L_i = -log  exp(c_ii / t) / ( sum_j exp(c_ij / t) + sum_n exp(cos(a_i, n) / t) )        n: vectors of inner layers
    loss_i = ( L_i + SimCSE_i ) / 2

Neighbouring layers of an encoder give nearly the same sentence vector (over-smoothing). The part ``layer-negatives``
(negatives/layers.py) adds the inner vectors as columns; any method can use it. The equation is the mean of the loss
over the whole table and of the loss over the batch alone; ``average_with_base=False`` leaves the second out, as the
paper's equation does.

Chen et al. 2023, "Alleviating Over-smoothing for Unsupervised Sentence Representation", ACL, equation 4;
https://arxiv.org/abs/2305.06154

Departures from the paper: the mean with the plain loss, which the code takes and equation 4 does not show.
Departures from the code: repeats of a row's text are struck out of its columns, but for the row's own inner vectors.
"""

from __future__ import annotations

from typing import Annotated

import torch
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
from contrapose.maths.tiled_table import joined


def _in_tiles(
    table: TiledTable, views: Views, /, *, temperature: float, average_with_base: bool
) -> TiledOutcome:
    own_R = table.own_cosine_R / temperature
    sums = table.by_origin(LogitMap(temperature=temperature))
    negatives = joined(sums)
    loss_R = softmax_loss_of_sums(own_R, negatives.log_sum_R)
    if average_with_base:
        base = joined({origin: sums[origin] for origin in ("batch", *views.negatives)})
        loss_R = (loss_R + softmax_loss_of_sums(own_R, base.log_sum_R)) / 2
    return TiledOutcome(loss_B=loss_R, own_logit_B=own_R, negatives=negatives, table=table)


@computed_in_tiles(_in_tiles)
def sscl(
    table: ScoreTable,
    views: Views,
    /,
    *,
    temperature: Temperature = 0.05,
    average_with_base: Annotated[
        bool, Field(description="mean with the loss over the batch alone, as the published code")
    ] = True,
) -> Outcome:
    """The loss over all columns, averaged with that over positives and given negatives alone.

    >>> from contrapose.objectives.in_batch import in_batch_table
    >>> same = Views.pair(torch.eye(3), torch.eye(3))
    >>> sscl(in_batch_table(same), same, temperature=1.0).loss_B            # no extra columns: SimCSE
    tensor([0.5514, 0.5514, 0.5514])
    """
    logits_BC = to_logits(table.cosine_BC, table, temperature)
    loss_B = softmax_loss(logits_BC, table.positive_B)
    if average_with_base:
        base = [logits_BC[:, table.origins[origin]] for origin in ("batch", *views.negatives)]
        loss_B = (loss_B + softmax_loss(torch.cat(base, dim=1), table.positive_B)) / 2
    return Outcome(loss_B=loss_B, logits_BC=logits_BC, table=table)


METHOD = Method(
    name="sscl",
    idea="SimCSE whose further negatives are what the layers below the last say of the same texts.",
    paper="Chen, Shou, Pei, Gong, Cao, Chang, Li, Jiang 2023, Alleviating Over-smoothing for Unsupervised Sentence "
    "Representation (ACL)",
    reference="https://arxiv.org/abs/2305.06154",
    objective=sscl,
    parts=("layer-negatives",),
    departures=(
        "the loss is averaged with SimCSE's, as in the code (equation 4: the first alone, average_with_base=False)",
        "all rows' inner vectors are columns, as in the code (the paper's sum may mean the row's own: scope='own')",
        "over several processes inner vectors are gathered as the others are (in the code, the last layer's alone)",
        "repeats of a row's text are struck out of its columns, but for the row's own inner vectors",
        "the code raises NameError without --do_neg, and leaves the program in its variant for one chosen layer",
    ),
)
