"""Core-tuning: the contrast counts where the model is unsure, and its pairs are made harder by mixing vectors.

    p_ij   = exp(s_ij / t) / sum_k exp(s_ik / t)                 s: cosines of the anchor with all columns
    loss_i = eta / |Pos(i)|  sum_{j in Pos(i)}  (1 - p_ij) (-log p_ij)

Without labels, Pos(i) is the row's own positive. With labels it is every column of the batch whose row has the label of
row i: the supervised contrast. 1 - p_ij weighs a pair by how little the model is sure of it (focal weight), and has a
gradient of its own unless ``detach_focal``. Two parts make the pairs harder, and any method can use them:
``hard-positive-mixup`` (positives/hard_pairs.py) moves the positive towards the hardest negative, and
``hard-negative-mixup`` (negatives/hard_pairs.py) adds a negative that lies nearer to the anchor. The part
``classifier`` (regularizers/classifier.py) trains with labels, by cross entropy: ``--with classifier --label-column
NAME``.

Zhang et al. 2021, "Unleashing the Power of Contrastive Self-Supervised Visual Models via Contrast-Regularized
Fine-Tuning", NeurIPS; https://arxiv.org/abs/2102.06605

The method is for pictures and labels. What it is for sentences without labels is our adaptation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

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
from contrapose.maths.reduce import softmax_loss_of_sums, to_logits

#: eta, where nobody says it: the paper's command, and the whole loss where there is nothing else.
WITH_LABELS, WITHOUT_LABELS = 0.1, 1.0


def focal_terms(log_share: Tensor, *, detach: bool = False) -> Tensor:
    """(1 - p)(-log p) from log p; 0 where p is 1.

    >>> focal_terms(torch.tensor([0.0, 0.5]).log()[1:])
    tensor([0.3466])
    """
    weight = -torch.expm1(log_share)
    return -(weight.detach() if detach else weight) * log_share


def _in_tiles(
    table: TiledTable,
    views: Views,
    /,
    *,
    temperature: float,
    contrast_weight: float | None,
    class_average: str,
    detach_focal: bool,
) -> TiledOutcome:
    own_R = table.own_cosine_R / temperature
    negatives = table.negatives(LogitMap(temperature=temperature))
    terms_R = focal_terms(-softmax_loss_of_sums(own_R, negatives.log_sum_R), detach=detach_focal)
    weight = WITHOUT_LABELS if contrast_weight is None else contrast_weight
    loss_R = weight * terms_R / (1 if class_average == "positives" else table.num_columns)
    return TiledOutcome(loss_B=loss_R, own_logit_B=own_R, negatives=negatives, table=table)


def _has_classes(views: Views, hyperparameters: Mapping[str, Any]) -> str:
    return "" if views.labels is None else "with labels every row of a class has a loss of its own"


@computed_in_tiles(_in_tiles, unless=_has_classes)
def core_tuning(
    table: ScoreTable,
    views: Views,
    /,
    *,
    temperature: Temperature = 0.05,
    contrast_weight: Annotated[
        float | None,
        Field(ge=0, le=1000, description="eta, weight of the contrast; 0.1 with labels, 1 without"),
    ] = None,
    class_average: Annotated[
        Literal["positives", "columns"],
        Field(description="what a row's sum is divided by: its positives, or all columns as the code does"),
    ] = "positives",
    detach_focal: Annotated[bool, Field(description="no gradient through the focal weight")] = False,
) -> Outcome:
    """The focal contrast over one positive, or over those of a class. See the module's docstring for the equation.

    >>> from contrapose.objectives.in_batch import in_batch_table
    >>> same = Views.pair(torch.eye(2), torch.eye(2))
    >>> core_tuning(in_batch_table(same), same, temperature=1.0).loss_B        # (1 - p)(-log p), p = e / (e + 1)
    tensor([0.0842, 0.0842])
    """
    logits_BC = to_logits(table.cosine_BC, table, temperature)
    positive_BC = _positives(table, views)
    log_share_BC = logits_BC.log_softmax(1).masked_fill(~positive_BC, 0)
    sum_B = focal_terms(log_share_BC, detach=detach_focal).sum(1)
    count_B = positive_BC.sum(1) if class_average == "positives" else positive_BC.shape[1]
    if contrast_weight is None:
        contrast_weight = WITHOUT_LABELS if views.labels is None else WITH_LABELS
    return Outcome(loss_B=contrast_weight * sum_B / count_B, logits_BC=logits_BC, table=table)


def _positives(table: ScoreTable, views: Views) -> Tensor:
    """(B, C) bool: the row's own positive, and with labels the batch's columns of its class that count."""
    positive_BC = table.is_positive_BC
    if (same_BB := views.same_class()) is not None:
        same_BC = torch.zeros_like(positive_BC)
        same_BC[:, table.origins["batch"]] = same_BB
        positive_BC = positive_BC | (same_BC & table.valid_BC)
    return positive_BC


METHOD = Method(
    name="core-tuning",
    idea="Pairs are made harder by mixing vectors, and count by how little the model is sure; with labels, by class.",
    paper="Zhang, Hooi, Hu, Liang, Feng 2021, Unleashing the Power of Contrastive Self-Supervised Visual Models via "
    "Contrast-Regularized Fine-Tuning (NeurIPS)",
    reference="https://arxiv.org/abs/2102.06605",
    objective=core_tuning,
    parts=("hard-positive-mixup", "hard-negative-mixup"),
    departures=(
        "an adaptation to sentences: two dropout views in place of one picture, t = 0.05 (the code: 0.07), and mixed "
        "pairs are made of the vectors that are compared (the code mixes features, before a projection)",
        "the mixed hard positive is the row's positive (in the code it has a mixed label, which no other row has, so "
        "that it is nobody's positive and only one more negative)",
        "the hard positive's share is at least 0.5, so that it stays on the side of its text (the code: any)",
        "partners of hard negatives are drawn among the rows that are negatives (the code shuffles the batch, and a "
        "row may be its own partner)",
        "masks are infinite (the code multiplies similarities by a mask of zeros: with features that are never "
        "negative the least similar positive is then mostly the first row, which the next line replaces by the row)",
        "a row's sum is divided by the number of its positives (the code: by all rows; class_average='columns')",
        "repeats of the anchor's text are struck out of its negatives",
    ),
)
