"""Hard negative mixing (HNCSE-HNM): pairs of a row's hardest negatives make synthetic, harder ones.

    T_i   = the k vectors u of the pool with the largest cos(a_i, u), without the row's own positive and what filters
            strike out of the batch
    g_ip  = alpha u_x + (1 - alpha) u_y          x, y two different members of T_i;  p = 1 .. num_mixtures
    columns of row i: cos(a_i, g_ip)             u are unit vectors

The mixtures are never built. With W_i (mixtures x k) holding alpha and 1 - alpha, cosines c_i of the k parents and
their Gram matrix G_i,

    cos(a_i, g_ip) = (W_i c_i)_p / sqrt( (W_i G_i W_i^T)_pp )

so memory is O(B k (D + num_mixtures)) instead of O(B num_mixtures D), with the same values and gradients. Choosing
the parents has no gradient; the cosines have one, into anchors and parents alike, unless ``detach_negatives``.

Filters judge the batch's columns before they are mixed. Of a queue's vectors repeats of the row's text are no parents;
what a filter would strike out there may be one.

``raw_vectors`` is the published code's way: z in place of u, so that the longer parent weighs more. W then holds
alpha |z_x| and (1 - alpha) |z_y|; the rest is the same.

HNCSE 2024, https://arxiv.org/abs/2411.12156; in the spirit of MoCHi (Kalantidis et al. 2020).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from contrapose.contract import Columns, Part, RawVectors, Views
from contrapose.maths.similarity import SMALLEST_NORM, at_least_fp32, cosine_table, take_rows, unit
from contrapose.negatives.queue import Queue, QueueSize
from contrapose.seeds import numpy_generator

#: A mixture shorter than this has no direction: its parents point opposite ways. Its cosine is then 0.
SMALLEST_SQUARED_NORM = 1e-12
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
        if self.detach_negatives:
            pool_PD = pool_PD.detach()
        cosine_BP = cosine_table(views.anchor, pool_PD)
        hardness_BP = cosine_BP.detach().masked_fill(~allowed_BP, -torch.inf)
        chosen_BK = hardness_BP.topk(k, dim=1).indices
        allowed_BK = allowed_BP.gather(1, chosen_BK)
        parents_BKD = take_rows(pool_PD, chosen_BK)
        gram_BKK = parents_BKD @ parents_BKD.transpose(1, 2)
        pairs_BSK = self._weights(views, k).to(cosine_BP)
        is_parent_BSK = pairs_BSK > 0
        if self.raw_vectors:
            length_BK = take_rows(self._lengths(views)[:, None], chosen_BK).squeeze(-1)
            pairs_BSK = weighted_by_length(pairs_BSK, length_BK)
        cosine_BS, unit_BSK = mix(cosine_BP.gather(1, chosen_BK), gram_BKK, pairs_BSK)
        valid_BS = ~(is_parent_BSK & ~allowed_BK[:, None, :]).any(-1)
        self.report(**mixture_stats(cosine_BS, unit_BSK, gram_BKK, valid_BS))
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

    def _weights(self, views: Views, k: int) -> Tensor:
        """(B, mixtures, k): in each mixture the shares of its two parents, 0 elsewhere."""
        rng = numpy_generator(views.seed, "mixed-negatives", views.step)
        first, second = np.triu_indices(k, 1)
        shape = (views.num_rows, len(first) if self.pairs == "all" else self.num_mixtures)
        if self.pairs == "sample":
            drawn = rng.integers(len(first), size=shape)
        else:
            every = np.broadcast_to(np.arange(len(first)), (views.num_rows, len(first)))
            drawn = every if self.pairs == "all" else rng.permuted(every, axis=1)[:, : self.num_mixtures]
        share = np.full(drawn.shape, self.alpha)
        if self.alpha_beta > 0:
            share = rng.beta(self.alpha_beta, self.alpha_beta, size=drawn.shape)
        weights = np.zeros((*drawn.shape, k))
        np.put_along_axis(weights, first[drawn][..., None], share[..., None], axis=-1)
        np.put_along_axis(weights, second[drawn][..., None], 1 - share[..., None], axis=-1)
        return torch.from_numpy(weights)


def weighted_by_length(weights_BSK: Tensor, length_BK: Tensor) -> Tensor:
    """Weights of raw vectors as weights of their unit vectors, adding up to 1: cosines ignore a common factor.

    >>> weighted_by_length(torch.tensor([[[0.5, 0.5]]]), torch.tensor([[1.0, 3.0]]))
    tensor([[[0.2500, 0.7500]]])
    """
    weights_BSK = weights_BSK * length_BK[:, None, :]
    return weights_BSK / weights_BSK.sum(-1, keepdim=True).clamp_min(SMALLEST_NORM)


def mix(cosine_BK: Tensor, gram_BKK: Tensor, weights_BSK: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines of the anchor with mixtures (B, S), from Gram matrices; and weights that make unit mixtures (B, S, K).

    >>> cosine, gram, halves = torch.tensor([[1.0, 0.0]]), torch.eye(2)[None], torch.tensor([[[0.5, 0.5]]])
    >>> mix(cosine, gram, halves)[0]
    tensor([[0.7071]])
    """
    squared_norm_BS = ((weights_BSK @ gram_BKK) * weights_BSK).sum(-1)
    norm_BS = squared_norm_BS.clamp_min(SMALLEST_SQUARED_NORM).sqrt()
    unit_BSK = weights_BSK / norm_BS[:, :, None]
    return (unit_BSK @ cosine_BK[..., None]).squeeze(-1), unit_BSK


@torch.no_grad()
def mixture_stats(
    cosine_BS: Tensor, unit_BSK: Tensor, gram_BKK: Tensor, valid_BS: Tensor
) -> dict[str, Tensor]:
    """How hard the mixtures that count are (mean cosine with the anchor) and how different (1 - their mean cosine)."""
    unit_BSK = unit_BSK.masked_fill(~valid_BS[:, :, None], 0)
    # The sum over pairs of mixtures is the squared length of their sum, less each with itself: no (S, S) table.
    sum_B1K = unit_BSK.sum(1, keepdim=True)
    all_pairs = (sum_B1K @ gram_BKK * sum_B1K).sum()
    with_itself = ((unit_BSK @ gram_BKK) * unit_BSK).sum()
    num_valid_B = valid_BS.sum(1)
    # 0 / 0 where there is nothing to average: not a number, as for any empty selection.
    return {
        "mixture_difficulty": cosine_BS.masked_fill(~valid_BS, 0).sum() / num_valid_B.sum(),
        "mixture_diversity": 1 - (all_pairs - with_itself) / (num_valid_B * (num_valid_B - 1)).sum(),
    }


PART = MixedNegatives
