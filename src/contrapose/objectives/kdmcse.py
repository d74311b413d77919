"""KDMCSE with AdapACSE: the less a teacher finds two texts alike, the further they are pushed apart.

    loss_i = -log  exp(c_ii / t) / ( exp(c_ii / t) + sum_{j != i} exp( cos(theta_ij - m Delta_ij) / t ) )

    theta_ij = arccos c_ij,    Delta_ij = |1 - alpha_ij|,    alpha_ij = cos of texts i and j by a frozen teacher

Turning a negative by m Delta_ij makes it look closer, so it is pushed away harder: unrelated texts (alpha near 0) by
the whole margin m, texts that the teacher finds alike (alpha near 1) by none. An angle below m is left as it is.
Columns of which the teacher has read nothing (queues, mixtures, given negatives) get the whole margin. Two parts
belong to it, which any method can use: ``teacher-filter`` (filters/teacher.py) strikes out in-batch negatives that the
teacher finds too alike, and ``teacher-distillation`` (regularizers/distillation.py) brings the text near its teacher's
vector. ``adaptive=False`` gives every negative the whole margin; ``angular_margin=0`` is SimCSE.

Nguyen, Nguyen, Ho, Le 2024, "KDMCSE: Knowledge Distillation Multimodal Sentence Embeddings with Adaptive Angular margin
Contrastive Learning", NAACL; https://arxiv.org/abs/2403.17486

The paper's teacher is CLIP and sees pictures; for text alone it is any frozen sentence encoder, or vectors from a file.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from contrapose.contract import (
    TEACHER,
    AngularMargin,
    LogitMap,
    Method,
    Outcome,
    ScoreTable,
    Temperature,
    TiledOutcome,
    TiledTable,
    Views,
    computed_in_tiles,
    teacher_similarity,
)
from contrapose.maths.angular import with_angular_margin
from contrapose.maths.reduce import softmax_loss, softmax_loss_of_sums, to_logits
from contrapose.maths.similarity import unit


def _in_tiles(
    table: TiledTable, views: Views, /, *, temperature: float, angular_margin: float, adaptive: bool
) -> TiledOutcome:
    def whole(cosine: Tensor) -> Tensor:
        return with_angular_margin(cosine, angular_margin, torch.ones_like(cosine))

    def by_teacher(cosine: Tensor, alike: Tensor) -> Tensor:
        return with_angular_margin(cosine, angular_margin, (1 - alike).abs().to(cosine.dtype))

    of_batch = None
    if adaptive:
        anchor, positive = (unit(views.of(view, TEACHER).detach()) for view in ("anchor", "positive"))
        of_batch = LogitMap(temperature=temperature, function=by_teacher, beside=(anchor, positive))
    own_R = table.own_cosine_R / temperature
    negatives = table.negatives(LogitMap(temperature=temperature, function=whole), of_batch=of_batch)
    loss_R = softmax_loss_of_sums(own_R, negatives.log_sum_R)
    return TiledOutcome(loss_B=loss_R, own_logit_B=own_R, negatives=negatives, table=table)


@computed_in_tiles(_in_tiles)
def kdmcse(
    table: ScoreTable,
    views: Views,
    /,
    *,
    temperature: Temperature = 0.05,
    angular_margin: AngularMargin = 0.125,
    adaptive: Annotated[
        bool, Field(description="the margin by the teacher's similarity; off: the same for every negative")
    ] = True,
) -> Outcome:
    """InfoNCE with an angular margin on negatives. See the module's docstring for the equation.

    >>> from contrapose.objectives.in_batch import in_batch_table
    >>> same = Views.pair(torch.eye(3), torch.eye(3)).with_views(**{"anchor@teacher": torch.eye(3),
    ...     "positive@teacher": torch.eye(3)})
    >>> kdmcse(in_batch_table(same), same, temperature=1.0, angular_margin=0.0).loss_B          # SimCSE
    tensor([0.5514, 0.5514, 0.5514])
    """
    share_BC = _share_of_margin(table, views) if adaptive else torch.ones_like(table.cosine_BC)
    turned_BC = with_angular_margin(table.cosine_BC, angular_margin, share_BC)
    mapped_BC = torch.where(table.is_positive_BC, table.cosine_BC, turned_BC)
    logits_BC = to_logits(mapped_BC, table, temperature)
    return Outcome(loss_B=softmax_loss(logits_BC, table.positive_B), logits_BC=logits_BC, table=table)


def _share_of_margin(table: ScoreTable, views: Views) -> Tensor:
    """|1 - alpha| in the batch's columns, 1 in all others."""
    share_BC = torch.ones_like(table.cosine_BC)
    share_BC[:, table.origins["batch"]] = (1 - teacher_similarity(views)).abs().to(share_BC.dtype)
    return share_BC


METHOD = Method(
    name="kdmcse",
    idea="The less a frozen teacher finds two texts alike, the larger the angle by which they are pushed apart.",
    paper="Nguyen, Nguyen, Ho, Le 2024, KDMCSE: Knowledge Distillation Multimodal Sentence Embeddings with Adaptive "
    "Angular margin Contrastive Learning (NAACL)",
    reference="https://arxiv.org/abs/2403.17486",
    objective=kdmcse,
    parts=("teacher-filter", "teacher-distillation"),
    departures=(
        "text alone: the teacher is a sentence encoder or a file of vectors in place of CLIP, and there is no picture",
        "the contrast of texts has the adaptive margin too (the code's has the whole margin: adaptive=False)",
        "the filter compares unit vectors (the code: plain products) and acts on the contrast of texts (the code: on "
        "the distillation, and its scripts leave it off). What the teacher finds too alike is left out, as in the code",
        "m = 0.125 and a threshold of 0.9, as the paper is quoted (the scripts: 0.15, and no filter)",
        "angles are turned by the addition theorem, with the sine of a cosine of at most 1 - 1e-6 (the code's arc "
        "cosine has an infinite slope at 1)",
        "repeats of the anchor's text are struck out of its negatives",
    ),
)
