"""A queue of what a slow copy of the encoder says of past anchors (ESimCSE).

    slow <- momentum * slow + (1 - momentum) * trained        after every accepted step
    columns of all rows: slow(x) of the last ``momentum_queue_size`` anchors x

The vectors of the plain queue are as old as the weights that made them, and these weights move fast. The slow copy
changes little from step to step, so what it said some steps ago is nearly what it would say now. It reads the anchors
without dropout and without gradient: a third forward pass of a step, and no backward pass. Where the model has a
train-only head, its vectors pass through it as it is at that step.

Wu et al. 2021 (ESimCSE), https://arxiv.org/abs/2109.04380, after He et al. 2020 (MoCo), https://arxiv.org/abs/1911.05722
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch
from pydantic import Field

from contrapose.contract import Columns, Companion, Needs, Part, Views
from contrapose.negatives.queue import Queue

#: The companion's name: its vectors are the view ``anchor@momentum``.
MOMENTUM = "momentum"


class MomentumQueue(Part):
    """The last vectors of anchors by a momentum companion, as columns that all rows share.

    >>> part = MomentumQueue(width=2, momentum_queue_size=3)
    >>> part.needs.companions[0].momentum
    0.995
    >>> views = Views.pair(torch.eye(2), torch.eye(2)).with_views(**{"anchor@momentum": torch.ones(2, 2)})
    >>> part.observe(views)
    >>> [tuple(columns.vectors.shape) for columns in part.columns(views)]
    [(2, 2)]
    """

    name = "momentum-queue"
    idea = (
        "What a slow copy of the encoder said of past anchors, as further negatives of every row (ESimCSE)."
    )

    def __init__(
        self,
        *,
        width: int,
        momentum: Annotated[
            float, Field(ge=0, le=0.99999, description="share of itself that the slow copy keeps at a step")
        ] = 0.995,
        momentum_queue_size: Annotated[
            int, Field(ge=1, le=1_000_000, description="past vectors of the slow copy kept as negatives")
        ] = 160,
    ) -> None:
        super().__init__()
        slow = Companion(
            name=MOMENTUM, reads=("anchor",), momentum=momentum, through_head=True, same_width=True
        )
        self.needs = Needs(companions=(slow,))
        self.queue = Queue(width=width, queue_size=momentum_queue_size)

    def columns(self, views: Views) -> Iterator[Columns]:
        yield from self.queue.as_columns(views, origin="momentum_queue")

    @torch.no_grad()
    def observe(self, views: Views) -> None:
        self.queue.remember(views.of("anchor", MOMENTUM), views.text_ids.get("anchor"))


PART = MomentumQueue
