"""Positive mixing (HNCSE-PM): where the hardest negative is nearly as close as the positive, mix it in.

    h(i)  = argmax_{j != i} c_ij        d1 = c_ii,  d2 = c_i,h(i),  gap = (d1 - d2) / d1
    near: d1 > d2 and gap <= threshold     l_i by ``near_mode``
    over: d1 <= d2                         l_i = d2 / (d1 + d2)
    far:  otherwise                        l_i = 0
    s_i   = (1 - l_i) u_i + l_i u_h(i)     u are unit vectors; gradient into both, none through l_i and h(i)

near_mode  ``similarity``: l = d2 / (d1 + d2);  ``fixed``: l = near_weight (0.2);  ``search``: one angle for the batch,
           (1 - l, l) proportional to (cos phi, sin phi), the best of ``search_angles`` in [0, pi/2] by
           J = mean_i (c'_ii - mean_{j != i} c'_ij)/t + mean_i rank_i  (smallest: the published objective), or by the
           largest margin. The published code searches 2-D with 2,000 trials per step and throws the result away; as
           cosines ignore length, one angle says the same.
columns    ``mixed``: the denominator holds every row's s_j (the code's way); ``own``: only the row's own column is
           mixed, so u_h(i) stays a true negative of row i (the paper's words).

HNCSE 2024, https://arxiv.org/abs/2411.12156.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from contrapose.maths.similarity import cosine_table, unit
from contrapose.objectives.contract import Part, Views

#: Below this a similarity is no basis for a ratio.
SMALLEST_COSINE = 1e-6
FIXED_NEAR_WEIGHT = 0.2


class MixedPositive:
    """Mixes each row's hardest negative into its positive where the two are close.

    >>> views = Views.pair(torch.eye(2), torch.eye(2))            # the negative is far: nothing is mixed
    >>> mixed, stats = MixedPositive().mix(views)
    >>> torch.equal(mixed.positive, views.positive), float(stats["share_far"])
    (True, 1.0)
    """

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
            float, Field(ge=0, le=1, description="(d1 - d2)/d1 up to which a row is near")
        ] = 0.1,
        columns: Annotated[
            Literal["mixed", "own"], Field(description="which columns of the denominator are mixed")
        ] = "mixed",
        search_objective: Annotated[
            Literal["paper", "max-margin"] | None,
            Field(description="what near_mode='search' looks for; paper"),
        ] = None,
        search_angles: Annotated[int | None, Field(ge=2, le=4096, description="size of its grid; 16")] = None,
        temperature: Annotated[
            float, Field(gt=0, le=10, description="cosines are divided by it; 1/scale")
        ] = 0.05,
    ) -> None:
        if near_weight is not None and near_mode != "fixed":
            raise ValueError(
                f"near_weight would be ignored with near_mode='{near_mode}'; set near_mode='fixed'"
            )
        if (search_objective or search_angles) and near_mode != "search":
            raise ValueError(
                f"search_* would be ignored with near_mode='{near_mode}'; set near_mode='search'"
            )
        self.near_mode, self.gap_threshold, self.columns = near_mode, gap_threshold, columns
        self.near_weight = FIXED_NEAR_WEIGHT if near_weight is None else near_weight
        self.search_objective = search_objective or "paper"
        self.search_angles = search_angles or 16
        self.temperature = temperature

    def mix(self, views: Views) -> tuple[Views, Mapping[str, Tensor]]:
        if views.num_rows < 2:
            return views, {}
        unit_BD = unit(views.positive)
        with torch.no_grad():
            cosine_BB = cosine_table(views.anchor, unit_BD)
            share_B, hardest_B, stats = self._shares(cosine_BB, unit_BD, views.repeats_anchor("positive"))
        mixed_BD = torch.lerp(unit_BD, unit_BD[hardest_B], share_B[:, None])
        # Rows that are not mixed keep their own vector to the bit, so that "nothing near" is exactly SimCSE.
        mixed_BD = torch.where(share_B[:, None] > 0, mixed_BD, views.positive.to(mixed_BD.dtype))
        name = "positive" if self.columns == "mixed" else "own_positive"
        return views.with_views(**{name: mixed_BD}), stats

    def _shares(
        self, cosine_BB: Tensor, unit_BD: Tensor, repeats_BB: Tensor | None
    ) -> tuple[Tensor, Tensor, Mapping[str, Tensor]]:
        """The share of the hardest negative in each row (B,), which negative that is (B,), and the log's statistics."""
        own_BB = torch.eye(len(cosine_BB), dtype=torch.bool, device=cosine_BB.device)
        excluded_BB = own_BB if repeats_BB is None else own_BB | repeats_BB
        positive_B = cosine_BB.diagonal()
        negative_B, hardest_B = cosine_BB.masked_fill(excluded_BB, -torch.inf).max(dim=1)
        has_negative_B = torch.isfinite(negative_B)
        gap_B = (positive_B - negative_B) / positive_B.clamp_min(SMALLEST_COSINE)
        near_B = has_negative_B & (positive_B > negative_B) & (gap_B <= self.gap_threshold)
        over_B = has_negative_B & (positive_B <= negative_B)
        both_positive_B = (positive_B > SMALLEST_COSINE) & (negative_B > SMALLEST_COSINE)
        ratio_B = torch.where(
            both_positive_B, negative_B / (positive_B + negative_B), torch.zeros_like(positive_B)
        )
        share_B = torch.where(over_B, ratio_B, torch.zeros_like(positive_B))
        if self.near_mode == "similarity":
            share_B = torch.where(near_B, ratio_B, share_B)
        elif self.near_mode == "fixed":
            share_B = torch.where(near_B, torch.full_like(share_B, self.near_weight), share_B)
        elif near_B.any():
            share_B = torch.where(
                near_B, self._searched(cosine_BB, unit_BD, share_B, near_B, hardest_B), share_B
            )
        stats = {
            "share_near": near_B.float().mean(),
            "share_over": over_B.float().mean(),
            "share_far": (~near_B & ~over_B).float().mean(),
            "mixing_share": share_B.mean(),
        }
        return share_B, hardest_B, stats

    def _searched(
        self, cosine_BB: Tensor, unit_BD: Tensor, share_B: Tensor, near_B: Tensor, hardest_B: Tensor
    ) -> Tensor:
        """The best share for all near rows (a scalar tensor), from Gram matrices: no mixture is built."""
        phi_G = torch.linspace(
            0, math.pi / 2, self.search_angles, device=cosine_BB.device, dtype=cosine_BB.dtype
        )
        share_G = phi_G.sin() / (phi_G.sin() + phi_G.cos())
        share_GB = torch.where(near_B, share_G[:, None], share_B)
        between_B = (unit_BD * unit_BD[hardest_B]).sum(-1)
        squared_GB = (1 - share_GB) ** 2 + share_GB**2 + 2 * share_GB * (1 - share_GB) * between_B
        norm_GB = squared_GB.clamp_min(SMALLEST_COSINE**2).sqrt()
        mixed_GBB = (
            (1 - share_GB)[:, None, :] * cosine_BB + share_GB[:, None, :] * cosine_BB[:, hardest_B]
        ) / norm_GB[:, None, :]
        own_GB = mixed_GBB.diagonal(dim1=1, dim2=2)
        table_GBB = mixed_GBB
        if self.columns == "own":
            table_GBB = torch.diagonal_scatter(cosine_BB.expand_as(mixed_GBB), own_GB, dim1=1, dim2=2)
        num_others = cosine_BB.shape[0] - 1
        margin_GB = own_GB - (table_GBB.sum(2) - own_GB) / num_others
        if self.search_objective == "max-margin":
            return share_G[margin_GB.mean(1).argmax()]
        # Rows that share a partner meet in one point at the end of the grid: rounding must not decide their rank.
        rank_GB = 1 + (table_GBB > own_GB[:, :, None] + SMALLEST_COSINE).sum(2)
        return share_G[
            (margin_GB.mean(1) / self.temperature + rank_GB.mean(1, dtype=cosine_BB.dtype)).argmin()
        ]


PART = Part(
    name="mixed-positive",
    idea="The hardest negative is mixed into a positive that is hardly closer (HNCSE-PM).",
    role="positive mixer",
    build=MixedPositive,
)
