"""Hard positive pairs by mixup (Core-tuning): the positive moves towards the hardest negative.

    hp_i = l_i u_i + (1 - l_i) u_h(i)      l_i ~ Beta(a, a), at least 0.5;    h(i) = argmax_{j != i} c_ij

u are the unit positives, c the cosines of anchors with them. The row's own column is hp_i; the columns of other rows
keep their u_j, so u_h(i) stays a negative. Shares are drawn anew for every step, from seed and step. The gradient
enters both vectors, unless ``detach_hard_positive`` makes the negative a constant. Texts that repeat the row's, what a
filter strikes out, and rows of its class where labels are known, are no negatives; a row that has none keeps its
positive.

Zhang et al. 2021, "Unleashing the Power of Contrastive Self-Supervised Visual Models via Contrast-Regularized
Fine-Tuning", NeurIPS; https://arxiv.org/abs/2102.06605
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field

from contrapose.contract import MixupShape, Part, Views
from contrapose.maths.mixup import beta_shares, most_alike
from contrapose.maths.similarity import cosine_table, take_rows, unit

#: Below one half the mixture would lie on the side of the negative.
LEAST_SHARE = 0.5


class HardPositivePairs(Part):
    """A positive of each row's own, on the way to its hardest negative.

    >>> views = Views.pair(torch.eye(2), torch.eye(2))
    >>> mixed = HardPositivePairs().views(views).by_name["own_positive"]
    >>> bool((mixed.diagonal() >= 0.5).all())
    True
    """

    name = "hard-positive-mixup"
    idea = "The positive is mixed with the hardest negative, by a share that is drawn (Core-tuning)."
    needs_table = "it looks for the hardest negative of each row among all pairs"
    excludes: Mapping[str, str] = {
        "mixed-positive": "Both replace the row's positive by a mixture, and a row is compared with one positive.",
    }

    def __init__(
        self,
        *,
        mixup_shape: MixupShape = 1.0,
        detach_hard_positive: Annotated[
            bool, Field(description="no gradient into the negative that is mixed into a positive")
        ] = False,
    ) -> None:
        super().__init__()
        self.mixup_shape, self.detach = mixup_shape, detach_hard_positive

    def views(self, views: Views) -> Views:
        if views.num_rows < 2:
            return views
        unit_BD = unit(views.positive)
        with torch.no_grad():
            hardest_B, has_negative_B = most_alike(
                cosine_table(views.anchor, unit_BD), views.may_be_negative()
            )
        drawn_B = beta_shares(
            self.mixup_shape, views.num_rows, views.seed, self.name, views.step, least=LEAST_SHARE
        )
        share_B1 = drawn_B.to(unit_BD)[:, None]
        partner_BD = take_rows(unit_BD.detach() if self.detach else unit_BD, hardest_B)
        mixed_BD = share_B1 * unit_BD + (1 - share_B1) * partner_BD
        self.report(hard_positive_share=share_B1.mean())
        return views.with_views(own_positive=torch.where(has_negative_B[:, None], mixed_BD, unit_BD))


PART = HardPositivePairs
