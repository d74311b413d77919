"""Hard negative pairs by mixup (Core-tuning): a further negative of each row, with a share of the anchor in it.

    hn_i = (1 - l_i) a_i + l_i u_p(i)      l_i ~ Beta(a, a), at least 0.8;    p(i): another row, drawn

a are the unit anchors, u the unit positives. The column is seen by row i alone, and it is harder than u_p(i), since it
lies nearer to the anchor. Partner and share are drawn anew for every step, from seed and step. The gradient enters
both vectors, unless ``detach_hard_negative`` makes the mixture a constant. Texts that repeat the row's, what a filter
strikes out, and rows of its class where labels are known, are no partners; a row that has none gets no column.

Zhang et al. 2021, "Unleashing the Power of Contrastive Self-Supervised Visual Models via Contrast-Regularized
Fine-Tuning", NeurIPS; https://arxiv.org/abs/2102.06605
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from contrapose.contract import Columns, MixupShape, Part, Views
from contrapose.maths.mixup import beta_shares, drawn_partner
from contrapose.maths.similarity import take_rows, unit

#: The share of the other text: the mixture stays a negative.
LEAST_SHARE = 0.8


class HardNegativePairs(Part):
    """One column of each row's own.

    >>> import torch
    >>> [mixed] = HardNegativePairs().columns(Views.pair(torch.eye(3), torch.eye(3)))
    >>> mixed.origin, mixed.vectors.shape
    ('hard-negative-mixup', torch.Size([3, 1, 3]))
    """

    name = "hard-negative-mixup"
    idea = "A drawn negative of each row is mixed with the row's anchor (Core-tuning)."
    needs_table = "it draws partners among the pairs that are no repeats"

    def __init__(
        self,
        *,
        mixup_shape: MixupShape = 1.0,
        detach_hard_negative: Annotated[
            bool, Field(description="no gradient into the vectors that a hard negative is mixed of")
        ] = False,
    ) -> None:
        super().__init__()
        self.mixup_shape, self.detach = mixup_shape, detach_hard_negative

    def columns(self, views: Views) -> Iterator[Columns]:
        anchor_BD, positive_BD = unit(views.anchor), unit(views.positive)
        path = (views.seed, self.name, views.step)
        partner_B, has_partner_B = drawn_partner(views.may_be_negative(), *path, "partner")
        drawn_B = beta_shares(self.mixup_shape, views.num_rows, *path, "share", least=LEAST_SHARE)
        share_B1 = drawn_B.to(positive_BD)[:, None]
        mixed_BD = (1 - share_B1) * anchor_BD + share_B1 * take_rows(positive_BD, partner_B)
        if self.detach:
            mixed_BD = mixed_BD.detach()
        self.report(hard_negative_share=share_B1.mean())
        yield Columns(origin=self.name, vectors=mixed_BD[:, None, :], valid=has_partner_B[:, None])


PART = HardNegativePairs
