"""Relaxation (FedRCL): views of one text that are almost the same vector already are pushed apart a little.

    term  = weight * mean over layers l and views i of  PEN_i^l
    PEN_i = log( 1 + sum over the other views j of the text of i with s_ij > lambda of  exp((s_ij - 1) / t) )

    s_ij: cosine of views i and j at the layer;  lambda: ``relaxation_threshold``;  t: ``relaxation_temperature``

A contrast pulls the views of a text together without end, and at last they are one point. This term answers: nothing
below the threshold, log 2 with a slope of 1 / (2 t) where two views are the same. The views of a text are its anchor
and its positive, and those of other rows that say the same. ``pair_select="min"`` takes only the least similar of them,
as the published code does: then the term acts only where even that pair is above the threshold.

Seo, Kim, Kim, Han 2024, "Relaxed Contrastive Learning for Federated Learning", CVPR;
https://arxiv.org/abs/2401.04928

The paper's classes are labels of pictures; here a class is a text. Its threshold of 0.7 with a weight of 1 works
against every contrast of dropout views, whose cosine begins above 0.9: hence 0.9 and 0.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from contrapose.contract import Needs, Part, Views
from contrapose.maths.similarity import cosine_table

PairSelect = Literal["all", "min"]


def penalties(
    cosine_VV: Tensor,
    alike_VV: Tensor,
    *,
    threshold: float,
    temperature: float,
    pair_select: PairSelect = "all",
) -> Tensor:
    """PEN of each view, (V,). alike_VV: True where two different views are of one text.

    >>> same = torch.tensor([[False, True], [True, False]])
    >>> penalties(torch.ones(2, 2), same, threshold=0.9, temperature=0.05)           # log 2
    tensor([0.6931, 0.6931])
    >>> penalties(torch.full((2, 2), 0.9), same, threshold=0.9, temperature=0.05)    # not above the threshold
    tensor([0., 0.])
    """
    if pair_select == "min":
        cosine_VV = cosine_VV.masked_fill(~alike_VV, torch.inf).amin(1, keepdim=True)
        alike_VV = alike_VV.any(1, keepdim=True)
    # Not "above": a cosine that is no number is above nothing, and would be hidden.
    counts_VV = alike_VV & ~(cosine_VV <= threshold)
    exponential_VV = torch.exp((cosine_VV.masked_fill(~counts_VV, 0.0) - 1) / temperature)
    return torch.log1p(exponential_VV.masked_fill(~counts_VV, 0.0).sum(1))


class Relaxation(Part):
    """The penalty of FedRCL at the last layer and at inner ones. See the module's docstring for the equation."""

    name = "relaxation"
    idea = "Views of one text that are almost the same vector already are pushed apart a little (FedRCL)."
    needs_table = "its term compares all pairs of views"

    def __init__(
        self,
        *,
        relaxation_weight: Annotated[
            float, Field(ge=0, le=100, description="weight of the relaxation in the loss, the paper's beta")
        ] = 0.1,
        relaxation_threshold: Annotated[
            float, Field(ge=-1, le=1, description="cosine above which a pair is pushed apart, lambda")
        ] = 0.9,
        relaxation_temperature: Annotated[
            float, Field(gt=0, le=10, description="how steeply the penalty rises towards a cosine of 1")
        ] = 0.05,
        pair_select: Annotated[
            PairSelect,
            Field(description="which pairs of a text count: all above the threshold, or its least similar"),
        ] = "all",
        relaxation_layers: Annotated[
            tuple[Annotated[int, Field(le=-2)], ...],
            Field(
                max_length=100, description="inner layers beside the last, counted from it, such as [-2, -4]"
            ),
        ] = (-2,),
    ) -> None:
        super().__init__()
        self.weight, self.threshold = relaxation_weight, relaxation_threshold
        self.temperature, self.pair_select = relaxation_temperature, pair_select
        self.needs = Needs(layers=tuple(dict.fromkeys(relaxation_layers)))

    def terms(self, views: Views) -> Mapping[str, Tensor]:
        alike_VV = _of_one_text(views)
        layers = [(views.anchor, views.positive)]
        layers += [(views.of("anchor", layer), views.of("positive", layer)) for layer in self.needs.layers]
        penalty, above = [], []
        for anchor_BD, positive_BD in layers:
            vectors_VD = torch.cat([anchor_BD, positive_BD])
            cosine_VV = cosine_table(vectors_VD, vectors_VD)
            penalty.append(
                penalties(
                    cosine_VV,
                    alike_VV,
                    threshold=self.threshold,
                    temperature=self.temperature,
                    pair_select=self.pair_select,
                ).mean()
            )
            above.append((cosine_VV.detach()[alike_VV] > self.threshold).float().mean())
        self.report(pairs_relaxed=torch.stack(above).mean())
        return {"relaxation": self.weight * torch.stack(penalty).mean()}


def _of_one_text(views: Views) -> Tensor:
    """(V, V) for the anchors and then the positives, V = 2 B: whether two different views are of one text."""
    rows = views.num_rows
    alike_BB = torch.eye(rows, dtype=torch.bool, device=views.anchor.device)
    repeats_BB = views.repeats_anchor("positive")
    if repeats_BB is not None:
        alike_BB = alike_BB | repeats_BB | repeats_BB.T
    itself_VV = torch.eye(2 * rows, dtype=torch.bool, device=alike_BB.device)
    return alike_BB.repeat(2, 2) & ~itself_VV


PART = Relaxation
