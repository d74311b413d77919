"""Positive mixing (HNCSE-PM): where the hardest negative is nearly as close as the positive, mix it in.

    h(i)  = argmax_{j != i} c_ij        d1 = c_ii,  d2 = c_i,h(i),  gap = (d1 - d2) / d1
    near: d1 > d2 and gap <= threshold     l_i by ``near_mode``
    over: d1 <= d2                         l_i = d2 / (d1 + d2)
    far:  otherwise                        l_i = 0
    s_i   = (1 - l_i) u_i + l_i u_h(i)     u are unit vectors; gradient into both, none through l_i and h(i)

Repeats of the row's text, and what a filter strikes out, are no negatives here.

near_mode  ``similarity``: l = d2 / (d1 + d2);  ``fixed``: l = near_weight (0.2);  ``search``: one angle for the batch,
           (1 - l, l) proportional to (cos phi, sin phi), the best of ``search_angles`` in [0, pi/2] by
           J = mean_i (c'_ii - mean_{j != i} c'_ij)/t + mean_i rank_i  (smallest: the published objective; a column
           that ties with the positive ranks above it), or by the largest margin, which is the paper's stated aim.
           The published code searches 2-D with 2,000 trials per step and throws the result away; as cosines ignore
           length, one angle says the same.
columns    ``mixed``: the denominator holds every row's s_j (the code's way); ``own``: only the row's own column is
           mixed, so u_h(i) stays a true negative of row i (the paper's words).

The published objective asks for a *small* margin, and no rank forbids it: on real text the search then takes the last
angles and all but replaces the near positive by the hardest negative: share .99, cosine .92 to .41 in the study
``mixing`` (docs/studies.md; the start, threshold 0.6). ``max_share=0.5`` ends the grid where both have equal weight, so
that the positive stays the larger part.

``raw_vectors`` is the published code's way: z_i in place of u_i, so that the longer vector weighs more.

HNCSE 2024, https://arxiv.org/abs/2411.12156.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from contrapose.contract import Part, RawVectors, Temperature, Views
from contrapose.maths.pair_mixtures import share_of_unit_vectors
from contrapose.maths.similarity import at_least_fp32, cosine_table, take_rows, unit

#: Below this a similarity is no basis for a ratio.
SMALLEST_COSINE = 1e-6
FIXED_NEAR_WEIGHT = 0.2


class MixedPositive(Part):
    """Mixes each row's hardest negative into its positive where the two are close.

    >>> views = Views.pair(torch.eye(2), torch.eye(2))            # the negative is far: nothing is mixed
    >>> part = MixedPositive()
    >>> torch.equal(part.views(views).positive, views.positive), float(part.statistics["share_far"])
    (True, 1.0)
    """

    name = "mixed-positive"
    idea = "The hardest negative is mixed into a positive that is hardly closer (HNCSE-PM)."
    needs_table = "it looks for the hardest negative of each row among all pairs"

    def __init__(
        self,
        *,
        near_mode: Annotated[
            Literal["similarity", "fixed", "search"],
            Field(description="the share of the negative in near rows"),
        ] = "similarity",
        near_weight: Annotated[
            float | None, Field(gt=0, lt=1, description="that share with near_mode='fixed'; 0.2 unless given")
        ] = None,
        gap_threshold: Annotated[
            float,
            Field(
                ge=0,
                le=1,
                description="how far the hardest negative's cosine may lie below the positive's in a near row, as a "
                "share of the positive's",
            ),
        ] = 0.1,
        columns: Annotated[
            Literal["mixed", "own"], Field(description="which columns of the denominator are mixed")
        ] = "mixed",
        search_objective: Annotated[
            Literal["paper", "max-margin"] | None,
            Field(description="what near_mode='search' looks for; paper unless given"),
        ] = None,
        search_angles: Annotated[
            int | None, Field(ge=2, le=4096, description="size of its grid; 16 unless given")
        ] = None,
        max_share: Annotated[
            float | None,
            Field(gt=0, le=1, description="the largest share it may take; 0.5 keeps the positive"),
        ] = None,
        raw_vectors: RawVectors = False,
        temperature: Temperature = 0.05,
    ) -> None:
        super().__init__()
        if near_weight is not None and near_mode != "fixed":
            raise ValueError(
                f"near_weight would be ignored with near_mode='{near_mode}'; set near_mode='fixed'"
            )
        if (search_objective or search_angles or max_share) and near_mode != "search":
            raise ValueError(
                f"search_* and max_share would be ignored with near_mode='{near_mode}'; set near_mode='search'"
            )
        self.near_mode, self.gap_threshold, self.mixed_columns = near_mode, gap_threshold, columns
        self.near_weight = FIXED_NEAR_WEIGHT if near_weight is None else near_weight
        self.search_objective = search_objective or "paper"
        self.search_angles = search_angles or 16
        self.max_share = max_share or 1.0
        self.raw_vectors = raw_vectors
        self.temperature = temperature

    def views(self, views: Views) -> Views:
        if views.num_rows < 2:
            return views
        with torch.no_grad():
            cosine_BB = cosine_table(views.anchor, views.positive)
            share_B, hardest_B, stats = self._shares(cosine_BB, views.positive, views.ruled_out())
        vectors_BD = at_least_fp32(views.positive) if self.raw_vectors else unit(views.positive)
        mixed_BD = torch.lerp(vectors_BD, take_rows(vectors_BD, hardest_B), share_B[:, None])
        # Rows that are not mixed keep their own vector to the bit, so that "nothing near" is exactly SimCSE.
        mixed_BD = torch.where(share_B[:, None] > 0, mixed_BD, views.positive.to(mixed_BD.dtype))
        name = "positive" if self.mixed_columns == "mixed" else "own_positive"
        self.report(**stats)
        return views.with_views(**{name: mixed_BD})

    def _shares(
        self, cosine_BB: Tensor, positive_BD: Tensor, excluded_BB: Tensor
    ) -> tuple[Tensor, Tensor, Mapping[str, Tensor]]:
        """The share of the hardest negative in each row (B,), which negative that is (B,), and the log's statistics."""
        positive_B = cosine_BB.diagonal()
        negative_B, hardest_B = cosine_BB.masked_fill(excluded_BB, -torch.inf).max(dim=1)
        # A row without a negative has one of cosine -inf here: it is neither near nor over.
        gap_B = (positive_B - negative_B) / positive_B.clamp_min(SMALLEST_COSINE)
        over_B = positive_B <= negative_B
        near_B = (gap_B <= self.gap_threshold) & (positive_B > negative_B)
        by_ratio_B = over_B | near_B if self.near_mode == "similarity" else over_B
        by_ratio_B = by_ratio_B & (torch.minimum(positive_B, negative_B) > SMALLEST_COSINE)
        share_B = (negative_B / (positive_B + negative_B)).masked_fill(~by_ratio_B, 0)
        if self.near_mode == "fixed":
            share_B = share_B.masked_fill(near_B, self.near_weight)
        elif self.near_mode == "search" and near_B.any():
            searched = self._searched(cosine_BB, positive_BD, share_B, near_B, hardest_B, ~excluded_BB)
            share_B = torch.where(near_B, searched, share_B)
        if not self.reports:
            return share_B, hardest_B, {}
        stats = {
            "share_near": near_B.float().mean(),
            "share_over": over_B.float().mean(),
            "share_far": (~near_B & ~over_B).float().mean(),
            "mixing_share": share_B.mean(),
        }
        return share_B, hardest_B, stats

    def _searched(
        self,
        cosine_BB: Tensor,
        positive_BD: Tensor,
        share_B: Tensor,
        near_B: Tensor,
        hardest_B: Tensor,
        negative_BB: Tensor,
    ) -> Tensor:
        """The best share for all near rows (a scalar tensor), from Gram matrices: no mixture is built."""
        unit_BD = unit(positive_BD)
        last = math.atan2(self.max_share, 1 - self.max_share)
        phi_G = torch.linspace(0, last, self.search_angles, device=cosine_BB.device, dtype=cosine_BB.dtype)
        share_G = phi_G.sin() / (phi_G.sin() + phi_G.cos())
        share_GB = torch.where(near_B, share_G[:, None], share_B)
        if self.raw_vectors:
            length_B = at_least_fp32(positive_BD).norm(dim=-1)
            share_GB = share_of_unit_vectors(share_GB, length_B, length_B[hardest_B])
        between_B = (unit_BD * unit_BD[hardest_B]).sum(-1)
        squared_GB = (1 - share_GB) ** 2 + share_GB**2 + 2 * share_GB * (1 - share_GB) * between_B
        norm_GB = squared_GB.clamp_min(SMALLEST_COSINE**2).sqrt()
        mixed_GBB = (
            (1 - share_GB)[:, None, :] * cosine_BB + share_GB[:, None, :] * cosine_BB[:, hardest_B]
        ) / norm_GB[:, None, :]
        own_GB = mixed_GBB.diagonal(dim1=1, dim2=2)
        table_GBB = mixed_GBB
        if self.mixed_columns == "own":
            table_GBB = torch.diagonal_scatter(cosine_BB.expand_as(mixed_GBB), own_GB, dim1=1, dim2=2)
        num_negatives_B = negative_BB.sum(1).clamp_min(1)
        margin_GB = (
            own_GB - table_GBB.where(negative_BB, torch.zeros_like(table_GBB)).sum(2) / num_negatives_B
        )
        if self.search_objective == "max-margin":
            return share_G[margin_GB.mean(1).argmax()]
        # Rows that share a partner meet in one point at the end of the grid: a tie ranks above, or the search would
        # be paid for making all of them the same.
        above_GBB = (table_GBB > own_GB[:, :, None] - SMALLEST_COSINE) & negative_BB
        rank_GB = 1 + above_GBB.sum(2)
        return share_G[
            (margin_GB.mean(1) / self.temperature + rank_GB.mean(1, dtype=cosine_BB.dtype)).argmin()
        ]


PART = MixedPositive
