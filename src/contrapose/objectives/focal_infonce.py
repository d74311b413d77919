"""Focal-InfoNCE: each cosine is weighted by its own hardness, inside the logit.

    loss_i = -log  exp(p_i^2 / t) / ( exp(p_i^2 / t) + sum_{j != i} exp(n_ij (n_ij + m) / t) )

p_i is the cosine with the own positive, n_ij with negative j, t the temperature, m the margin. Easy negatives (low
cosine) count less and hard ones more; positives that lost their meaning under dropout count less. Every column that is
not the positive, extra ones included, goes through the negative map.

Hou and Li 2023, "Improving Contrastive Learning of Sentence Embeddings with Focal-InfoNCE", Findings of EMNLP;
https://arxiv.org/abs/2310.06918

The map n(n + m) has its minimum -m^2/4 at n = -m/2 and rises again below it: very dissimilar sentences are pulled back
towards that cosine, and a negative p is pushed further away. ``negative_map="clamped"`` keeps -m^2/4 below -m/2, and
``positive_map="signed"`` is p|p|; both are ours, off by default. ``detach_modulation`` makes the factor a true weight:
logit = stop_gradient(n + m) n. ``modulate_positive`` and ``modulate_negative`` switch each half off, for ablation.

Departures from the paper: none known. Departures from the official code: works with any table, not only a square one;
repeats of the anchor's text are struck out of its negatives.
"""

from __future__ import annotations

from typing import Annotated, Literal

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


def modulated_positive(cosine: Tensor, positive_map: str = "paper", detach: bool = False) -> Tensor:
    """p * p, or p * |p| when signed; with ``detach`` the first factor is a constant weight."""
    weight = cosine.abs() if positive_map == "signed" else cosine
    return (weight.detach() if detach else weight) * cosine


def modulated_negative(
    cosine: Tensor, margin: float, negative_map: str = "paper", detach: bool = False
) -> Tensor:
    """n * (n + m); when clamped, -m^2/4 below its minimum at n = -m/2."""
    clamped = cosine.clamp_min(-margin / 2) if negative_map == "clamped" else cosine
    weight = clamped + margin
    return (weight.detach() if detach else weight) * clamped


def _in_tiles(
    table: TiledTable,
    views: Views,
    /,
    *,
    temperature: float,
    margin: float,
    modulate_positive: bool,
    modulate_negative: bool,
    negative_map: str,
    positive_map: str,
    detach_modulation: bool,
) -> TiledOutcome:
    own_R = table.own_cosine_R
    if modulate_positive:
        own_R = modulated_positive(own_R, positive_map, detach_modulation)
    own_R = own_R / temperature
    logit_map = LogitMap(temperature=temperature)
    if modulate_negative:
        logit_map = LogitMap(
            temperature=temperature,
            function=lambda cosine: modulated_negative(cosine, margin, negative_map, detach_modulation),
            focal=(margin, negative_map == "clamped", detach_modulation),
        )
    negatives = table.negatives(logit_map)
    loss_R = softmax_loss_of_sums(own_R, negatives.log_sum_R)
    return TiledOutcome(loss_B=loss_R, own_logit_B=own_R, negatives=negatives, table=table)


@computed_in_tiles(_in_tiles)
def focal_infonce(
    table: ScoreTable,
    views: Views,
    /,
    *,
    temperature: Temperature = 0.05,
    margin: Annotated[
        float, Field(ge=0, le=2, description="m in n(n + m): how early a negative counts")
    ] = 0.3,
    modulate_positive: Annotated[bool, Field(description="off: the positive stays p, for ablation")] = True,
    modulate_negative: Annotated[bool, Field(description="off: negatives stay n, for ablation")] = True,
    negative_map: Annotated[
        Literal["paper", "clamped"], Field(description="clamped: no pull-back of cosines below -m/2")
    ] = "paper",
    positive_map: Annotated[
        Literal["paper", "signed"], Field(description="signed: p|p|, so that a negative p is still pulled up")
    ] = "paper",
    detach_modulation: Annotated[bool, Field(description="the factor is a weight without gradient")] = False,
) -> Outcome:
    """Focal-InfoNCE over in-batch, given and extra columns. See the module's docstring for the equation.

    >>> from contrapose.objectives.in_batch import in_batch_table
    >>> same = Views.pair(torch.eye(3), torch.eye(3))
    >>> focal_infonce(in_batch_table(same), same, temperature=1.0).loss_B     # p = 1, n = 0: as SimCSE
    tensor([0.5514, 0.5514, 0.5514])
    """
    cosine_BC = table.cosine_BC
    positive_BC, negative_BC = cosine_BC, cosine_BC
    if modulate_positive:
        positive_BC = modulated_positive(cosine_BC, positive_map, detach_modulation)
    if modulate_negative:
        negative_BC = modulated_negative(cosine_BC, margin, negative_map, detach_modulation)
    mapped_BC = torch.where(table.is_positive_BC, positive_BC, negative_BC)
    logits_BC = to_logits(mapped_BC, table, temperature)
    return Outcome(loss_B=softmax_loss(logits_BC, table.positive_B), logits_BC=logits_BC, table=table)


METHOD = Method(
    name="focal-infonce",
    idea="Each cosine is weighted by its own hardness inside the logit: easy negatives count less, hard ones more.",
    paper="Hou, Li 2023, Improving Contrastive Learning of Sentence Embeddings with Focal-InfoNCE (Findings of EMNLP)",
    reference="https://arxiv.org/abs/2310.06918",
    objective=focal_infonce,
    departures=("repeats of the anchor's text are struck out of its negatives",),
)
