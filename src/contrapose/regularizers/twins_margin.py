"""The distance that an augmentation makes is kept: a changed text is pulled as near as it was, and no nearer (IFTCL).

    t_i     = cos(a_i, p_i) - cos(a_i, f_i)            a: anchor, p: its identical twin, f: its fraternal twin
    delta_i = clamp( cos(e(a_i), e(p_i)) - cos(e(a_i), e(f_i)), 0, margin_limit )
    term    = weight * mean_i (t_i - delta_i)^2        penalty="squared"
              weight * mean_i max(0, delta_i - t_i)    penalty="hinge": only what is pulled too near counts

e is the model that the run began with, frozen and without dropout: what it finds between two texts is the innate
margin. No gradient enters it.

A reconstruction after the abstract of Xiao, Li and Chen 2023 (IFTCL), https://arxiv.org/abs/2307.10932; see
objectives/twins.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from contrapose.contract import Companion, Needs, Part, Views
from contrapose.maths.similarity import paired_cosine

#: The companion's name: what it makes of the three texts are the views ``anchor@innate``, ...
INNATE = "innate"
FRATERNAL = "fraternal"


class TwinsMargin(Part):
    """A term of the loss over the views ``anchor``, ``positive`` and ``fraternal``."""

    name = "twins-margin"
    idea = "A changed text stays as far from its anchor as the pretrained model found it (IFTCL)."

    def __init__(
        self,
        *,
        twins_weight: Annotated[float, Field(ge=0, le=100, description="of the term in the loss")] = 0.1,
        margin_limit: Annotated[
            float, Field(ge=0, le=2, description="largest innate margin, a difference of two cosines")
        ] = 0.3,
        penalty: Annotated[
            Literal["squared", "hinge"],
            Field(description="any distance from the margin, or only a changed text that is too near"),
        ] = "squared",
    ) -> None:
        super().__init__()
        reads = ("anchor", "positive", FRATERNAL)
        self.needs = Needs(texts=(FRATERNAL,), companions=(Companion(name=INNATE, reads=reads),))
        self.weight, self.limit, self.penalty = twins_weight, margin_limit, penalty

    def terms(self, views: Views) -> Mapping[str, Tensor]:
        margin_B = twins_margin(views.anchor, views.positive, views.by_name[FRATERNAL])
        innate_B = twins_margin(*(views.of(view, INNATE) for view in ("anchor", "positive", FRATERNAL)))
        innate_B = innate_B.detach().clamp(0, self.limit).to(margin_B.dtype)
        self._report(margin_B.detach(), innate_B)
        if self.penalty == "squared":
            return {"twins": self.weight * (margin_B - innate_B).square().mean()}
        return {"twins": self.weight * (innate_B - margin_B).relu().mean()}

    @torch.no_grad()
    def _report(self, margin_B: Tensor, innate_B: Tensor) -> None:
        self.report(
            twins_margin=margin_B.mean(),
            innate_margin=innate_B.mean(),
            pulled_too_near=(margin_B < innate_B).float().mean(),
            margin_at_limit=(innate_B >= self.limit).float().mean(),
        )


def twins_margin(anchor_BD: Tensor, identical_BD: Tensor, fraternal_BD: Tensor) -> Tensor:
    """(B,) how much nearer the identical twin is than the fraternal one, a difference of cosines.

    >>> twins_margin(torch.eye(2), torch.eye(2), torch.tensor([[1.0, 1.0], [0.0, 3.0]]))
    tensor([0.2929, 0.0000])
    """
    return paired_cosine(anchor_BD, identical_BD) - paired_cosine(anchor_BD, fraternal_BD)


PART = TwinsMargin
