"""Pseudo-negatives (PNR): what a frozen earlier model says of the batch's other texts, as further negatives.

    columns of row i: cos(a_i, f_j)      f_j: the earlier model's vector of row j's positive,  j != i

A model that learns new text moves its vectors to where they fit the new text best, and there they may collide with what
it knew. Its own earlier vectors, as negatives, keep it off them. The row's own text is none: the earlier model is right
about that, see the part ``previous-targets``. Anchors are compared as the encoder gives them, before a train-only head,
which the earlier model does not have. No gradient enters the earlier model.

Cha, Cho, Moon 2024, "Regularizing with Pseudo-Negatives for Continual Self-Supervised Learning", ICML;
https://arxiv.org/abs/2306.05101
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from contrapose.contract import (
    PREVIOUS,
    Columns,
    Part,
    Previous,
    PreviousDropout,
    Views,
    needs_previous,
    no_rows,
)
from contrapose.maths.similarity import cosine_table


class PseudoNegatives(Part):
    """The earlier model's vectors of the other rows' positives, as columns.

    >>> further = {"anchor@pooled": torch.eye(3), "positive@previous": torch.eye(3)}
    >>> [columns] = PseudoNegatives().columns(Views.pair(torch.eye(3), torch.eye(3)).with_views(**further))
    >>> columns.valid.int().tolist()
    [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    """

    name = "pseudo-negatives"
    idea = "What a frozen earlier model says of the other texts, as further negatives (PNR)."
    needs_table = "it compares all pairs of the batch with an earlier model"

    def __init__(self, *, previous: Previous = "start", previous_dropout: PreviousDropout = False) -> None:
        super().__init__()
        self.needs = needs_previous(previous, previous_dropout)

    def columns(self, views: Views) -> Iterator[Columns]:
        earlier_BD = views.of("positive", PREVIOUS).detach()
        cosine_BB = cosine_table(views.of("anchor", "pooled"), earlier_BD)
        valid_BB = ~torch.eye(views.num_rows, dtype=torch.bool, device=cosine_BB.device)
        if (repeats_BB := views.repeats_anchor("positive")) is not None:
            valid_BB = valid_BB & ~repeats_BB
        counted = cosine_BB.detach()[valid_BB]
        self.report(pseudo_negative_cosine=counted.mean() if len(counted) else no_rows())
        texts_B = views.text_ids.get("positive")
        yield Columns(origin=PREVIOUS, cosines=cosine_BB, valid=valid_BB, text_ids=texts_B)


PART = PseudoNegatives
