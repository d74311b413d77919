"""A method with a part that needs everything a run can supply but networks: what a run is tried on."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from contrapose.contract import Companion, Method, Needs, Part, Supplies, Views
from contrapose.objectives.simcse import simcse

MOMENTUM = 0.9


class Needy(Part):
    """Pulls a learnt head of an inner layer to companions, and remembers the corpus."""

    name = "needy"
    idea = "Everything that a run can supply, in one term."

    def __init__(self, *, teacher: str = "", teacher_vectors: str = "", layer: int = -2) -> None:
        super().__init__()
        others = (Companion(name="slow", source="self", momentum=MOMENTUM), Companion(name="start"))
        if teacher:
            others += (Companion(name="teacher", source=teacher),)
        if teacher_vectors:
            others += (Companion(name="file", vectors=teacher_vectors),)
        self.teacher, self.layer = teacher, layer
        self.needs = Needs(layers=(layer,), pooled=True, tokens=True, companions=others)
        self.refresh_every = 4
        self.register_buffer("num_refreshed", torch.zeros((), dtype=torch.int64))
        self.register_buffer("num_observed", torch.zeros((), dtype=torch.int64))

    def attach(self, supplies: Supplies) -> None:
        width = supplies.companion_widths["slow"]
        self.head = nn.Linear(supplies.width, width, bias=False)
        nn.init.eye_(self.head.weight)
        self.register_buffer("first_mean_D", torch.zeros(width))
        self.register_buffer("mean_D", torch.zeros(width))
        self.widths = dict(supplies.companion_widths)

    def terms(self, views: Views) -> Mapping[str, Tensor]:
        told_BD = (
            self.head(views.of("anchor", self.layer)) + 0.1 * views.of("positive", "pooled") - self.mean_D
        )
        slow = (told_BD - views.of("positive", "slow")).square().mean()
        still = (told_BD - views.of("anchor", "start")).square().mean()
        own = views.tokens["anchor"]
        lengths_R = own.attention_RT.sum(1, keepdim=True)
        share = (views.anchor[own.rows] * lengths_R).sum() / own.num_tokens
        return {"slow": 0.1 * slow, "still": 0.1 * still, "tokens": 0.01 * share}

    def observe(self, views: Views) -> None:
        self.num_observed += 1

    def refresh(self, step: int, row_ids: Tensor, vectors_ND: Tensor) -> None:
        assert len(row_ids) == len(vectors_ND)
        if self.num_refreshed == 0:
            self.first_mean_D.copy_(vectors_ND.mean(0))
        self.mean_D.copy_(vectors_ND.mean(0))
        self.num_refreshed += 1


METHOD = Method(
    name="needy",
    idea="A method for tests.",
    paper="None 2000, None",
    reference="https://example.org",
    objective=simcse,
    parts=(Needy,),
)
