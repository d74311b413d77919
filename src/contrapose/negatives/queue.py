"""A first-in-first-out queue of past positives: more negatives for the price of a matrix product.

The vectors are detached and as old as the queue is long, so the encoder has moved on since; keep the queue to a few
batches. Everything that decides the next step, the cursor too, is in persistent buffers, so a resumed run continues
with the same queue.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from contrapose.contract import Columns, Part, Views
from contrapose.maths.similarity import unit

#: The text number of a vector whose text is not known; it equals no other.
UNKNOWN_TEXT = 0

QueueSize = Annotated[
    int, Field(ge=0, le=1_000_000, description="past positives kept as negatives; 0 = none")
]


class Queue(Part):
    """The last ``queue_size`` positives of accepted steps, as columns that all rows share.

    >>> queue = Queue(width=2, queue_size=3)
    >>> list(queue.columns(Views.pair(torch.eye(2), torch.eye(2))))     # nothing seen yet
    []
    >>> queue.observe(Views.pair(torch.eye(2), torch.eye(2)))
    >>> queue.num_filled
    2
    """

    name, idea = "queue", "Past positives as further negatives of every row."

    vectors_MD: Tensor
    text_ids_M: Tensor
    num_seen: Tensor

    def __init__(self, *, width: int, queue_size: QueueSize = 256) -> None:
        super().__init__()
        self.register_buffer("vectors_MD", torch.zeros(queue_size, width))
        self.register_buffer("text_ids_M", torch.full((queue_size,), UNKNOWN_TEXT, dtype=torch.int64))
        self.register_buffer("num_seen", torch.zeros((), dtype=torch.int64))

    @property
    def num_filled(self) -> int:
        return min(int(self.num_seen), len(self.vectors_MD))

    def columns(self, views: Views) -> Iterator[Columns]:
        yield from self.as_columns(views, origin="queue")

    def as_columns(self, views: Views, *, origin: str) -> Iterator[Columns]:
        """What is remembered, as one block of columns; none before the first accepted step."""
        if self.num_filled > 0:
            texts_M = self.text_ids_M[: self.num_filled].clone()
            repeats = views.says_own_text(texts_M)
            yield Columns(
                origin=origin,
                vectors=self.vectors_MD[: self.num_filled].clone(),
                struck=None if repeats is None else replace(repeats, known_N=texts_M != UNKNOWN_TEXT),
                text_ids=texts_M,
            )

    def repeats(self, views: Views) -> Tensor:
        """(B, filled) bool: the queued text is the row's anchor or positive."""
        queued_M = self.text_ids_M[: self.num_filled]
        return views.own_text(queued_M) & (queued_M != UNKNOWN_TEXT)

    def observe(self, views: Views) -> None:
        self.remember(views.positive, views.text_ids.get("positive"))

    @torch.no_grad()
    def remember(self, given_BD: Tensor, texts_B: Tensor | None) -> None:
        """Take in B vectors and the numbers of their texts (None: unknown); the oldest leave."""
        num_rows, size = len(given_BD), len(self.vectors_MD)
        newest = slice(max(0, num_rows - size), None)
        vectors_BD = unit(given_BD.detach())[newest]
        skipped = num_rows - len(vectors_BD)
        slots = (self.num_seen + skipped + torch.arange(len(vectors_BD), device=vectors_BD.device)) % max(
            size, 1
        )
        self.vectors_MD[slots] = vectors_BD.to(self.vectors_MD.dtype)
        self.text_ids_M[slots] = UNKNOWN_TEXT if texts_B is None else texts_B[newest]
        self.num_seen += num_rows


PART = Queue
