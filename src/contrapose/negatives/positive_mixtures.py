"""A random negative with a share of the row's own positive mixed in: near the anchor, and still a negative (MixCSE).

    m_i = l u_i + (1 - l) u_r(i)              u: unit positives;  r(i): another row, drawn at random;  l: positive_share
    columns of row i: cos(a_i, m_i)           and with mixture_scope="all" those of the other rows' mixtures too

In a trained batch random negatives are far away and push with almost nothing; a mixture stays near, so that the
gradient does not fade. No gradient enters the mixture (``detach_mixture``): with one, the row's own positive would be
pushed away as a part of it. The other row is of another text, and none that a filter strikes out; a row without such a
one has no mixture. With scope="all" a mixture of another row is struck out where either of its two parts is the row's
text, a repeat of it, or struck out by a filter.

``mixed_anchors`` adds the other side: mixtures of anchors, in the anchor's place, against all positives (B further
columns). ``raw_vectors`` mixes z in place of u. Both, with mixture_scope="all", are the published code's way.

Zhang, Zhang, Mensah, Liu, Mao 2022, "Unsupervised Sentence Representation via Contrastive Learning with Mixing
Negatives", AAAI; https://ojs.aaai.org/index.php/AAAI/article/view/21428
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from contrapose.contract import Columns, Part, RawVectors, Views
from contrapose.maths.similarity import at_least_fp32, cosine_table, take_rows, unit
from contrapose.seeds import numpy_generator


class PositiveMixtures(Part):
    """Mixtures of each row's positive and another row's, as columns. See the module's docstring.

    >>> part = PositiveMixtures(positive_share=0.5)
    >>> [columns] = part.columns(Views.pair(torch.eye(2), torch.eye(2)))
    >>> columns.vectors.shape, columns.valid.tolist()
    (torch.Size([2, 1, 2]), [[True], [True]])
    """

    name = "positive-mixtures"
    idea = "A random negative with a share of the row's own positive mixed in, as a hard negative (MixCSE)."
    needs_table = "it draws partners among the pairs that are no repeats"

    def __init__(
        self,
        *,
        positive_share: Annotated[
            float, Field(ge=0, le=0.5, description="lambda: share of the row's own positive in its mixture")
        ] = 0.2,
        mixture_scope: Annotated[
            Literal["own", "all"], Field(description="a row sees its own mixture, or those of all rows")
        ] = "own",
        mixed_anchors: Annotated[
            bool,
            Field(description="mixtures of anchors against all positives as well, as the published code"),
        ] = False,
        detach_mixture: Annotated[bool, Field(description="no gradient into the mixture")] = True,
        raw_vectors: RawVectors = False,
    ) -> None:
        super().__init__()
        self.positive_share, self.scope, self.mixed_anchors = positive_share, mixture_scope, mixed_anchors
        self.detach_mixture, self.raw_vectors = detach_mixture, raw_vectors

    def columns(self, views: Views) -> Iterator[Columns]:
        ruled_out_BB = views.ruled_out()
        partner_B, has_partner_B = self._partners(views, ~ruled_out_BB)
        mixture_BD = self._mixture(views.positive, partner_B)
        # Row i sees the mixture of row j where neither part of it is ruled out for row i; its own, where it has one.
        others_BB = ~ruled_out_BB & ~ruled_out_BB[:, partner_B] & has_partner_B[None, :]
        visible_BB = others_BB | torch.diag(has_partner_B)
        if self.scope == "own":
            yield Columns(origin="mixtures", vectors=mixture_BD[:, None, :], valid=has_partner_B[:, None])
        else:
            yield Columns(origin="mixtures", vectors=mixture_BD, valid=visible_BB)
        if self.mixed_anchors:
            cosine_BB = cosine_table(self._mixture(views.anchor, partner_B), views.positive)
            beside_BB = ~ruled_out_BB & ~ruled_out_BB[partner_B] & has_partner_B[:, None]
            own_BB = torch.diag(has_partner_B)
            yield Columns(origin="mixed_anchors", cosines=cosine_BB, valid=beside_BB | own_BB)

    def _mixture(self, vectors_BD: Tensor, partner_B: Tensor) -> Tensor:
        vectors_BD = at_least_fp32(vectors_BD) if self.raw_vectors else unit(vectors_BD)
        mixture_BD = self.positive_share * vectors_BD + (1 - self.positive_share) * take_rows(
            vectors_BD, partner_B
        )
        return self._constant(mixture_BD) if self.detach_mixture else mixture_BD

    def _constant(self, mixture_BD: Tensor) -> Tensor:
        return mixture_BD.detach()

    def _partners(self, views: Views, allowed_BB: Tensor) -> tuple[Tensor, Tensor]:
        """(B,) a row of another text for each row, drawn uniformly; and whether there is one."""
        rng = numpy_generator(views.seed, "positive-mixtures", views.step)
        draws_B = torch.from_numpy(rng.random(views.num_rows)).to(allowed_BB.device)
        num_allowed_B = allowed_BB.sum(1)
        chosen_B = (draws_B * num_allowed_B).long().clamp(max=(num_allowed_B - 1).clamp_min(0))
        # The row whose number among the allowed ones was drawn.
        is_chosen_BB = allowed_BB & (allowed_BB.cumsum(1) == chosen_B[:, None] + 1)
        return is_chosen_BB.int().argmax(1), num_allowed_B > 0


PART = PositiveMixtures
