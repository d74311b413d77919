"""Hard negative mixing (HNCSE-HNM): pairs of a row's hardest negatives make synthetic, harder ones.

    T_i   = the k vectors u of the pool with the largest cos(a_i, u), without the row's own positive and what filters
            strike out of the batch
    g_ip  = alpha u_x + (1 - alpha) u_y          x, y two different members of T_i;  p = 1 .. num_mixtures
    columns of row i: cos(a_i, g_ip)             u are unit vectors

The mixtures are never built. With the cosines c of the anchor with the two parents, and their own product g,

    cos(a_i, g_ip) = (alpha c_x + (1 - alpha) c_y) / sqrt( alpha^2 + (1 - alpha)^2 + 2 alpha (1 - alpha) g )

so a mixture costs three numbers looked up in tables (maths/pair_mixtures.py) instead of a vector, with the same values
and gradients. Choosing the parents has no gradient; the cosines have one, into anchors and parents alike, unless
``detach_negatives``.

Filters judge the batch's columns before they are mixed. Of a queue's vectors repeats of the row's text are no parents;
what a filter would strike out there may be one.

``raw_vectors`` is the published code's way: z in place of u, so that the longer parent weighs more. Its share is then
alpha |z_x| / (alpha |z_x| + (1 - alpha) |z_y|); the rest is the same.

HNCSE 2024, https://arxiv.org/abs/2411.12156; in the spirit of MoCHi (Kalantidis et al. 2020).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from contrapose.contract import Columns, Part, RawVectors, Views
from contrapose.maths.pair_mixtures import (
    SMALLEST_SQUARED_NORM,
    looked_up,
    mixture_cosines,
    products_of_pairs,
    share_of_unit_vectors,
)
from contrapose.maths.similarity import at_least_fp32, cosine_table, unit
from contrapose.negatives.queue import Queue, QueueSize
from contrapose.seeds import numpy_generator

#: The published code's number of mixtures.
DEFAULT_NUM_MIXTURES = 40


class MixedNegatives(Part):
    """Synthetic negatives of each row, from its hardest negatives in the batch, a queue, or both.

    >>> source = MixedNegatives(width=4, k=2, num_mixtures=3)
    >>> [mixed] = source.columns(Views.pair(torch.eye(4), torch.eye(4)))
    >>> mixed.cosines.shape
    torch.Size([4, 3])
    """

    name = "mixed-negatives"
    idea = "Pairs of a row's hardest negatives, mixed into synthetic, harder ones (HNCSE-HNM)."
    needs_table = "it looks for the hardest negatives of each row among all pairs"

    def __init__(
        self,
        *,
        width: int,
        k: Annotated[int, Field(ge=2, le=10_000, description="hardest negatives per row, the parents")] = 10,
        num_mixtures: Annotated[
            int, Field(ge=1, le=100_000, description="synthetic negatives per row")
        ] = DEFAULT_NUM_MIXTURES,
        alpha: Annotated[
            float, Field(ge=0, le=1, description="share of the first parent, if constant")
        ] = 0.5,
        alpha_beta: Annotated[
            float, Field(ge=0, le=100, description="a > 0: draw each share from Beta(a, a); 1 is uniform")
        ] = 0.0,
        pairs: Annotated[
            Literal["sample", "sample-distinct", "all"],
            Field(description="draw pairs with or without repeats, or take all k(k-1)/2"),
        ] = "sample",
        pool: Annotated[
            Literal["batch", "queue", "batch+queue"], Field(description="where parents come from")
        ] = "batch",
        pool_queue_size: QueueSize = 0,  # its own name: the part "queue" can be added beside it
        detach_negatives: Annotated[bool, Field(description="no gradient into the parents")] = False,
        raw_vectors: RawVectors = False,
    ) -> None:
        super().__init__()
        if "queue" in pool and pool_queue_size == 0:
            raise ValueError(f"pool='{pool}' needs pool_queue_size above 0, for example pool_queue_size=256")
        if pool == "batch" and pool_queue_size > 0:
            raise ValueError(
                "pool_queue_size would be ignored with pool='batch'; set pool='batch+queue' or 'queue'"
            )
        if pairs == "all" and num_mixtures != DEFAULT_NUM_MIXTURES:
            raise ValueError(
                "num_mixtures would be ignored with pairs='all', which takes all k(k-1)/2; set k"
            )
        if alpha_beta > 0 and alpha != 0.5:
            raise ValueError("alpha would be ignored where alpha_beta draws it; set one of the two")
        if raw_vectors and pool != "batch":
            raise ValueError(
                f"raw_vectors needs pool='batch', and it is '{pool}': the queue keeps directions and no lengths"
            )
        self.k, self.num_mixtures, self.pairs, self.pool = k, num_mixtures, pairs, pool
        self.alpha, self.alpha_beta = alpha, alpha_beta
        self.detach_negatives, self.raw_vectors = detach_negatives, raw_vectors
        self.queue = Queue(width=width, queue_size=pool_queue_size)
        if "queue" in pool:
            self.excludes = {
                "federated": f"With pool={pool} the vectors of one client's text would be parents of the next one's "
                "negatives."
            }

    def columns(self, views: Views) -> Iterator[Columns]:
        pool_PD, allowed_BP = self._parents(views)
        # A row's own positive is in the pool of the batch and is no parent.
        k = min(self.k, pool_PD.shape[0] - ("batch" in self.pool))
        if k < 2:
            return
        # The batch's own table is asked for as the equation asks for it: then it is computed once.
        columns_PD = views.positive if self.pool == "batch" else pool_PD
        if self.detach_negatives:
            pool_PD, columns_PD = pool_PD.detach(), columns_PD.detach()
        cosine_BP = cosine_table(views.anchor, columns_PD)
        chosen_BK = cosine_BP.detach().masked_fill(~allowed_BP, -torch.inf).topk(k, dim=1).indices
        member_B2S, share_BS = (each.to(pool_PD.device) for each in self._pairs(views, k))
        share_BS = share_BS.to(pool_PD.dtype)
        parent_B2S = chosen_BK.gather(1, member_B2S)
        may_B2S = allowed_BP.gather(1, parent_B2S) | (torch.cat((share_BS, 1 - share_BS), dim=1) == 0)
        valid_BS = torch.logical_and(*may_B2S.chunk(2, dim=1))
        if self.raw_vectors:
            length_BP = self._lengths(views).expand(len(parent_B2S), -1)
            length_B2S = looked_up(length_BP, parent_B2S)
            share_BS = 1 - share_of_unit_vectors(1 - share_BS, *length_B2S.chunk(2, dim=1))
        # Of unit length whatever they are, so without a gradient; 0 where a vector has no direction.
        square_P = pool_PD.detach().square().sum(1)
        to_first_BS, to_second_BS = looked_up(cosine_BP, parent_B2S).chunk(2, dim=1)
        between_BS = products_of_pairs(pool_PD, chosen_BK, member_B2S)
        first_BS, second_BS = square_P[parent_B2S].chunk(2, dim=1)
        cosine_BS, square_BS = mixture_cosines(
            to_first_BS, to_second_BS, between_BS, share_BS, first_BS, second_BS
        )
        if self.reports:
            stats = mixture_stats(cosine_BS, square_BS, valid_BS, share_BS, member_B2S, chosen_BK, pool_PD)
            self.report(**stats)
        yield Columns(origin="mixed", cosines=cosine_BS, valid=valid_BS)

    def observe(self, views: Views) -> None:
        if "queue" in self.pool:
            self.queue.observe(views)

    def _parents(self, views: Views) -> tuple[Tensor, Tensor]:
        """Unit vectors that may become parents (P, D), and which row may use which (B, P)."""
        vectors, allowed = [], []
        unit_BD = unit(views.positive)
        if "batch" in self.pool:
            vectors.append(unit_BD)
            allowed.append(~views.ruled_out())
        if "queue" in self.pool:
            vectors.append(self.queue.vectors_MD[: self.queue.num_filled].to(unit_BD, copy=True))
            allowed.append(~self.queue.repeats(views))
        return torch.cat(vectors), torch.cat(allowed, dim=1)

    def _lengths(self, views: Views) -> Tensor:
        """Of the batch's positives, (B,)."""
        length_B: Tensor = at_least_fp32(views.positive).norm(dim=-1)
        return length_B.detach() if self.detach_negatives else length_B

    def _pairs(self, views: Views, k: int) -> tuple[Tensor, Tensor]:
        """Which of a row's k parents its mixtures are of, all firsts and then all seconds (B, 2 S), and the share of
        the first (B, S)."""
        rng = numpy_generator(views.seed, "mixed-negatives", views.step)
        first, second = pairs_of(k)
        shape = (views.num_rows, len(first) if self.pairs == "all" else self.num_mixtures)
        if self.pairs == "sample":
            drawn = rng.integers(len(first), size=shape)
        else:
            every = np.broadcast_to(np.arange(len(first)), (views.num_rows, len(first)))
            drawn = every if self.pairs == "all" else rng.permuted(every, axis=1)[:, : self.num_mixtures]
        members = torch.from_numpy(np.concatenate((first[drawn], second[drawn]), axis=1))
        share = np.full(drawn.shape, self.alpha)
        if self.alpha_beta > 0:
            share = rng.beta(self.alpha_beta, self.alpha_beta, size=drawn.shape)
        return members, torch.from_numpy(share)


@cache
def pairs_of(k: int) -> tuple[np.ndarray, np.ndarray]:
    """The first and the second member of every pair of k.

    >>> [each.tolist() for each in pairs_of(3)]
    [[0, 0, 1], [1, 2, 2]]
    """
    first, second = np.triu_indices(k, 1)
    return first, second


@torch.no_grad()
def mixture_stats(
    cosine_BS: Tensor,
    square_BS: Tensor,
    valid_BS: Tensor,
    share_BS: Tensor,
    member_B2S: Tensor,
    chosen_BK: Tensor,
    pool_PD: Tensor,
) -> dict[str, Tensor]:
    """How hard the mixtures that count are (mean cosine with the anchor) and how different (1 - their mean cosine)."""
    per_length_BS = square_BS.clamp_min(SMALLEST_SQUARED_NORM).rsqrt().masked_fill(~valid_BS, 0)
    weight_B2S = torch.cat((share_BS * per_length_BS, (1 - share_BS) * per_length_BS), dim=1)
    # The sum over pairs of mixtures is the squared length of their sum, less each with itself: no (S, S) table.
    weight_BK = torch.zeros(chosen_BK.shape, dtype=weight_B2S.dtype, device=weight_B2S.device)
    weight_BK.scatter_add_(1, member_B2S, weight_B2S)
    sum_BD = torch.nn.functional.embedding_bag(chosen_BK, pool_PD, mode="sum", per_sample_weights=weight_BK)
    between_others = sum_BD.square().sum() - (square_BS * per_length_BS.square()).sum()
    num_valid_B = valid_BS.sum(1)
    # 0 / 0 where there is nothing to average: not a number, as for any empty selection.
    return {
        "mixture_difficulty": cosine_BS.masked_fill(~valid_BS, 0).sum() / num_valid_B.sum(),
        "mixture_diversity": 1 - between_others / (num_valid_B * (num_valid_B - 1)).sum(),
    }


PART = MixedNegatives
