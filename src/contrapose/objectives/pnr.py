"""PNR: learn new text without giving up what an earlier model knew. Its vectors are negatives, and targets.

    loss   = ( L1(1) + L1(2) ) / 2  +  weight ( L2(1) + L2(2) ) / 2              1, 2: from either view
    L1_i(1) = -log  e(z1_i, z2_i) / ( e(z1_i, z2_i) + sum_{j != i} [ e(z1_i, z2_j) + e(z1_i, f2_j) ] )
    L2_i(1) = -log  e(p1_i, f1_i) / ( e(p1_i, f1_i) + sum_{j != i} [ e(p1_i, f1_j) + e(p1_i, z1_j) ] )

    e(u, v) = exp(cos(u, v) / t)        z: the trained model, f: the frozen earlier one, p = predictor(z)

Both terms have one set of negatives, those of the trained and of the earlier model: what is new must not lie where the
earlier model puts something else. L1 is this equation over the table to which the part ``pseudo-negatives``
(negatives/pseudo.py) adds columns; L2 is the term of the part ``previous-targets``
(regularizers/previous_targets.py). Any method can use either part.

Cha, Cho, Moon 2024, "Regularizing with Pseudo-Negatives for Continual Self-Supervised Learning", ICML;
https://arxiv.org/abs/2306.05101
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field

from contrapose.contract import PREVIOUS, Method, Outcome, ScoreTable, Temperature, Views, needs_table
from contrapose.maths.reduce import softmax_loss, to_logits
from contrapose.maths.similarity import cosine_table


@needs_table("its other direction reads the table by columns")
def pnr(
    table: ScoreTable,
    views: Views,
    /,
    *,
    temperature: Temperature = 0.05,
    both_directions: Annotated[
        bool, Field(description="mean of the loss from anchor to positive and from positive to anchor")
    ] = True,
) -> Outcome:
    """InfoNCE over the table with its pseudo-negatives, from both views. See the module's docstring for the equation.

    >>> from contrapose.objectives.in_batch import in_batch_table
    >>> same = Views.pair(torch.eye(3), torch.eye(3))
    >>> pnr(in_batch_table(same), same, temperature=1.0, both_directions=False).loss_B   # no earlier model: SimCSE
    tensor([0.5514, 0.5514, 0.5514])
    """
    logits_BC = to_logits(table.cosine_BC, table, temperature)
    loss_B = softmax_loss(logits_BC, table.positive_B)
    if both_directions:
        other_way = from_positive_to_anchor(table, views)
        other_logits_BC = to_logits(other_way.cosine_BC, other_way, temperature)
        loss_B = (loss_B + softmax_loss(other_logits_BC, other_way.positive_B)) / 2
    return Outcome(loss_B=loss_B, logits_BC=logits_BC, table=table)


def from_positive_to_anchor(table: ScoreTable, views: Views) -> ScoreTable:
    """The table of the other direction: rows are positives, columns anchors and the earlier model's anchors.

    What a filter said of the pair (i, j) holds for (j, i). Columns of other origins have no other direction.
    """
    batch, earlier = table.origins["batch"], table.origins[PREVIOUS]
    assert batch.start == 0, "the positive of row i is column i"
    cosine_BB = cosine_table(views.of("positive", "pooled"), views.of("anchor", PREVIOUS).detach())
    weight_BC = table.log_weight_BC
    return replace(
        table,
        cosine_BC=torch.cat([table.cosine_BC[:, batch].T, cosine_BB], dim=1),
        valid_BC=torch.cat([table.valid_BC[:, block].T for block in (batch, earlier)], dim=1),
        log_weight_BC=None
        if weight_BC is None
        else torch.cat([weight_BC[:, block].T for block in (batch, earlier)], dim=1),
        origins={"batch": batch, PREVIOUS: slice(batch.stop, 2 * batch.stop)},
    )


METHOD = Method(
    name="pnr",
    idea="New text is learnt while a frozen earlier model's vectors are further negatives, and targets.",
    paper="Cha, Cho, Moon 2024, Regularizing with Pseudo-Negatives for Continual Self-Supervised Learning (ICML)",
    reference="https://arxiv.org/abs/2306.05101",
    objective=pnr,
    parts=("pseudo-negatives", "previous-targets"),
    head="none",
    departures=(
        "text in place of pictures: the other texts of the batch are the negatives, without momentum encoder and "
        "queues (MoCo) and without pairs of one view (SimCLR)",
        "the target stays in the denominator of its own loss, as in the code for MoCo (in the code for SimCLR it is "
        "left out: target_in_denominator=False)",
        "gradient enters the trained model's vectors as negatives, as in the code for SimCLR (MoCo's keys have none: "
        "detach_current)",
        "both directions have the earlier model's vectors (the code for MoCo hands the second direction the current "
        "queue twice)",
        "temperature 0.05 in both terms, as SimCSE (0.2 for pictures), and a predictor of twice the vectors' width "
        "(2,048 for pictures)",
        "the predictor begins as the identity, since it learns with the small learning rate of a pretrained model "
        "(predictor_start=random: drawn, as in the code)",
        "in a first run the earlier model is the pretrained one (in the code a first task has none)",
        "no train-only head: the earlier model has none, and its vectors are compared with the trained ones",
        "repeats of the anchor's text are struck out of its negatives",
    ),
)
