"""A method of a file with a part of its own that uses every verb, so that each rule has something to hold.

It centres the positives on the corpus's mean, remembers one anchor, leaves out far columns, and keeps vectors short.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from contrapose.contract import Columns, Method, Part, ScoreTable, Views
from contrapose.maths.similarity import at_least_fp32, unit
from contrapose.objectives.simcse import simcse


class EveryVerb(Part):
    name, idea = "every-verb", "One part that does all that a part can."

    mean_D: Tensor
    seen_1D: Tensor

    def __init__(
        self,
        *,
        width: int,
        closeness: Annotated[float, Field(ge=0, le=1, description="weight of the term")] = 0.1,
    ) -> None:
        super().__init__()
        self.refresh_every, self.closeness = 4, closeness
        self.register_buffer("mean_D", torch.zeros(width))
        self.register_buffer("seen_1D", torch.zeros(1, width))

    def views(self, views: Views) -> Views:
        return views.with_views(
            positive=unit(views.positive) - self.mean_D.to(at_least_fp32(views.positive).dtype)
        )

    def columns(self, views: Views) -> Iterator[Columns]:
        if self.seen_1D.any():
            yield Columns(origin="seen", vectors=self.seen_1D.clone())

    def filter(self, views: Views, table: ScoreTable) -> ScoreTable:
        return table.weighted(-0.1 * torch.ones_like(table.cosine_BC))

    def terms(self, views: Views) -> dict[str, Tensor]:
        apart = (unit(views.anchor) - unit(views.positive)).square().sum(1).mean()
        return {"closeness": self.closeness * apart}

    @torch.no_grad()
    def observe(self, views: Views) -> None:
        self.seen_1D.copy_(unit(views.anchor.detach())[-1:])

    @torch.no_grad()
    def refresh(self, step: int, row_ids: Tensor, vectors_ND: Tensor) -> None:
        self.mean_D.copy_(unit(vectors_ND).mean(0))


METHOD = Method(
    name="every-verb-method",
    idea="SimCSE with a part that does all that a part can.",
    paper="Nobody 2026, A method for tests",
    reference="https://example.org",
    objective=simcse,
    parts=(EveryVerb,),
)
