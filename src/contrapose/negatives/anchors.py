"""The other rows' anchors as further negatives, as SimCLR has them: both views of every other text are pushed away.

    columns of row i: cos(a_i, a_j), j != i

Chen, Kornblith, Norouzi, Hinton 2020, "A Simple Framework for Contrastive Learning of Visual Representations", ICML;
https://arxiv.org/abs/2002.05709
"""

from __future__ import annotations

from collections.abc import Iterator

from contrapose.contract import Columns, Part, Views
from contrapose.maths.struck import own_number


class AnchorNegatives(Part):
    """Every row's anchor as a column; its own, and those of its text, count for nothing.

    >>> import torch
    >>> [columns] = AnchorNegatives().columns(Views.pair(torch.eye(2), torch.eye(2)))
    >>> columns.counts((2, 2)).tolist()
    [[False, True], [True, False]]
    """

    name = "anchor-negatives"
    idea = "The other rows' anchors as further negatives, as SimCLR has them."

    def __init__(self) -> None:
        super().__init__()

    def columns(self, views: Views) -> Iterator[Columns]:
        struck = own_number(views.repeats("anchor"), views.num_rows, views.anchor.device)
        texts_B = views.text_ids.get("anchor")
        yield Columns(origin="anchors", vectors=views.anchor, struck=struck, text_ids=texts_B)


PART = AnchorNegatives
