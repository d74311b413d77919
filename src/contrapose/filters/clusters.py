"""False negatives by clusters (IFND): a negative that says the same as the anchor is no negative.

At known steps the whole corpus is encoded and clustered, several times, from many small clusters to few large ones:

    y_n    = the cluster of row n: the centroid mu of largest cosine with e_n            in each of the clusterings
    conf_n = exp(e_n . mu_{y_n} / kappa) / sum_k exp(e_n . mu_k / kappa)                 kappa: confidence_temperature
    row n is accepted where conf_n is among the rho(t) N largest;  rho(t) = accepted_share * step / steps of the run

    F(i) = { column j : its text and row i are accepted and in one cluster }             in any clustering, or in all

Early clusters are poor, so few rows are believed at first. What becomes of F(i) is ``false_negatives``:

    eliminate    F(i) is struck out of the negatives of row i
    attract      F(i) are further positives; this term makes InfoNCE the mean over them:
                 mean_i 1/(1 + |F(i)|) sum_{j in F(i)} (c_ii - c_ij) / t

Rows are known by their number, columns from elsewhere (a queue, retrieved texts) by their text, where it is the first
text of a row. What is struck out of the batch enters no mixture. With ``attract``, columns from elsewhere are struck
out all the same, and what does not pull the row's own positive by c_ii / t is refused, as are mixtures of negatives. No
gradient enters the choice. A text is never its own false negative, and the positive always stays.

Chen et al. 2022, "Incremental False Negative Detection for Contrastive Learning", ICLR;
https://arxiv.org/abs/2106.03719
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from contrapose.contract import Needs, Part, ScoreTable, Supplies, Temperature, Views
from contrapose.errors import UsageError
from contrapose.maths.k_means import doubts, spherical_k_means, unit_rows
from contrapose.maths.similarity import cosine_table
from contrapose.seeds import derive, numpy_generator

#: Rows that the centroids are made of; every row is then given to one.
SAMPLED_ROWS = 100_000
#: A clustering has this share of the clusters of the finer one before it.
COARSER = 4
UNKNOWN = -1
#: Attraction adds cosines over the temperature to a loss that takes the row's own positive off in that way.
ANOTHER_PULL = (
    "With false_negatives=attract further positives are pulled as InfoNCE pulls the row's own, and here "
)
MIXED = "With false_negatives=attract texts of one cluster are positives, and here they would be mixed into negatives."
NOT_ATTRACTED_WITH: Mapping[str, str] = {
    "focal-infonce": ANOTHER_PULL + "that one enters as a square.",
    "dcl": ANOTHER_PULL + "that one is not in the denominator, where further ones would stay and be pushed.",
    "core-tuning": ANOTHER_PULL + "that one has a focal weight.",
    "mixed-positive": ANOTHER_PULL + "that one is a mixture.",
    "hard-positive-mixup": ANOTHER_PULL + "that one is a mixture.",
    **dict.fromkeys(("mixed-negatives", "hard-negative-mixup", "positive-mixtures"), MIXED),
}


def default_clusters(num_rows: int) -> int:
    """4 sqrt(N), and at least four rows of the sample for each cluster: 126 of 1,000 rows, 4,000 of a million.

    >>> default_clusters(1_000), default_clusters(1_000_000), default_clusters(12)
    (126, 4000, 3)
    """
    return max(1, min(round(4 * math.sqrt(num_rows)), min(num_rows, SAMPLED_ROWS) // 4))


class ClusterFilter(Part):
    """Pseudo-labels of all rows, in buffers, and what is done with negatives of the anchor's own.

    >>> ClusterFilter.role()
    'negative filter, regularizer'
    """

    name = "cluster-filter"
    idea = "Negatives of the anchor's own cluster are left out, or become positives (IFND)."

    clusters_GN: Tensor
    ranks_GN: Tensor

    def __init__(
        self,
        *,
        false_negatives: Annotated[
            Literal["eliminate", "attract"],
            Field(description="negatives of the anchor's cluster are left out, or become further positives"),
        ] = "eliminate",
        accepted_share: Annotated[
            float, Field(ge=0, le=1, description="share of rows whose cluster is believed at the last step")
        ] = 0.5,
        num_clusters: Annotated[
            int | None,
            Field(ge=1, le=1_000_000, description="clusters of the finest clustering; 4 sqrt(rows)"),
        ] = None,
        num_clusterings: Annotated[
            int,
            Field(ge=1, le=8, description="clusterings, each with a quarter of the clusters of the last"),
        ] = 3,
        agree: Annotated[
            Literal["any", "all"],
            Field(description="in how many clusterings two texts must be in one cluster"),
        ] = "all",
        confidence_temperature: Annotated[
            float,
            Field(gt=0, le=10, description="kappa of the softmax over centroids: how sure of a cluster"),
        ] = 0.1,
        recluster_every: Annotated[
            int, Field(ge=1, le=10_000_000, description="steps between two clusterings of the corpus")
        ] = 1_000,
        temperature: Temperature = 0.05,
    ) -> None:
        super().__init__()
        self.needs = Needs(row_texts=True)
        self.refresh_every = recluster_every
        self.false_negatives, self.agree, self.temperature = false_negatives, agree, temperature
        self.accepted_share, self.confidence_temperature = accepted_share, confidence_temperature
        self.num_clusters, self.num_clusterings = num_clusters, num_clusterings
        self._seed, self._text_ids_N, self._row_of_text_N = 0, torch.empty(0), torch.empty(0)
        self._make_room(0)
        if false_negatives == "attract":
            self.excludes = NOT_ATTRACTED_WITH

    def _make_room(self, num_rows: int) -> None:
        shape = (self.num_clusterings, num_rows)
        self.register_buffer("clusters_GN", torch.full(shape, UNKNOWN, dtype=torch.int32))
        #: Share of the rows that are surer of their cluster: a row is accepted where this is below rho.
        self.register_buffer("ranks_GN", torch.ones(shape))

    def attach(self, supplies: Supplies) -> None:
        """Make room for a label per row. Raises UsageError where there are more clusters than rows to make them of."""
        rows = min(supplies.num_training_rows or SAMPLED_ROWS, SAMPLED_ROWS)
        if self.num_clusters is not None and self.num_clusters > rows:
            there = "the corpus has" if rows < SAMPLED_ROWS else "the centroids are made of"
            raise UsageError(
                f"num_clusters is {self.num_clusters:,}, and {there} {rows:,} rows to train on: each cluster needs a "
                f"row at least, so choose {rows:,} or fewer, for example --set num_clusters={default_clusters(rows)}"
            )
        self._seed = supplies.seed
        self._make_room(supplies.num_rows or 0)
        if supplies.text_ids_N is not None:
            # Of rows of one text the first counts: a stable sort leaves it in front.
            self._text_ids_N, self._row_of_text_N = supplies.text_ids_N.sort(stable=True)

    @torch.no_grad()
    def refresh(self, step: int, row_ids: Tensor, vectors_ND: Tensor) -> None:
        """Cluster the corpus anew, on the processor: the same labels wherever the encoder runs."""
        rows_ND, device = vectors_ND.cpu().numpy(), self.clusters_GN.device
        random = numpy_generator(self._seed, self.name, step)
        size = min(SAMPLED_ROWS, len(rows_ND))
        sample_SD = unit_rows(rows_ND[np.sort(random.choice(len(rows_ND), size, replace=False))])
        self.clusters_GN.fill_(UNKNOWN)
        self.ranks_GN.fill_(1.0)
        for level, clusters in enumerate(self.sizes(len(rows_ND))):
            seed = derive(self._seed, self.name, step, level)
            centroids_KD = spherical_k_means(sample_SD, clusters, seed)
            cluster_N, doubt_N = doubts(rows_ND, centroids_KD, self.confidence_temperature)
            surest_first_N = np.argsort(doubt_N, kind="stable")
            rank_N = np.empty(len(rows_ND), dtype=np.float32)
            rank_N[surest_first_N] = np.arange(len(rows_ND), dtype=np.float32) / len(rows_ND)
            into = row_ids.to(device)
            self.clusters_GN[level, into] = torch.from_numpy(cluster_N).to(device, torch.int32)
            self.ranks_GN[level, into] = torch.from_numpy(rank_N).to(device, self.ranks_GN.dtype)

    def sizes(self, num_rows: int) -> list[int]:
        """Clusters of each clustering, finest first.

        >>> ClusterFilter().sizes(1_000_000), ClusterFilter(num_clusters=1, num_clusterings=2).sizes(9)
        ([4000, 1000, 250], [1, 1])
        """
        finest = min(self.num_clusters or default_clusters(num_rows), num_rows)
        return [max(min(2, finest), finest // COARSER**level) for level in range(self.num_clusterings)]

    def filter(self, views: Views, table: ScoreTable) -> ScoreTable:
        alike_BC = torch.zeros_like(table.valid_BC)
        for origin, alike in self._alike_by_origin(views, table):
            alike_BC[:, table.origins[origin]] = alike
        alike_BC &= table.negative_BC
        self.report(
            false_negatives=alike_BC.sum(1).float().mean(),
            accepted_share=torch.tensor(self.share(views), device=alike_BC.device),
        )
        if self.false_negatives == "attract":
            alike_BC[:, table.origins["batch"]] = False
        return table.without(alike_BC)

    def terms(self, views: Views) -> Mapping[str, Tensor]:
        if self.false_negatives == "eliminate":
            return {}
        cosine_BB = cosine_table(views.anchor, views.positive)
        alike_BB = torch.zeros_like(cosine_BB, dtype=torch.bool)
        if views.row_ids is not None:
            alike_BB = self._alike(views, self._known(views.row_ids))
        if (repeats_BB := views.repeats_anchor("positive")) is not None:
            alike_BB = alike_BB & ~repeats_BB
        nearer_BB = (cosine_BB.diagonal()[:, None] - cosine_BB) / self.temperature
        sum_B = nearer_BB.where(alike_BB, torch.zeros_like(nearer_BB)).sum(1)
        return {"attraction": (sum_B / (1 + alike_BB.sum(1))).mean()}

    def share(self, views: Views) -> float:
        """rho: the share of rows whose clusters are believed at this step; the last one where nobody says how many
        steps there are."""
        done = 1.0 if not views.num_steps else views.step / views.num_steps
        return self.accepted_share * done

    def _alike_by_origin(self, views: Views, table: ScoreTable) -> Iterator[tuple[str, Tensor]]:
        """(origin, which of its columns are alike) where their rows are known, by number or by text."""
        if views.row_ids is not None:
            yield "batch", self._alike(views, self._known(views.row_ids))
        for origin, text_ids in table.text_ids.items():
            if origin != "batch":
                # A text's first row may be another than the row itself: its own inner vectors stay all the same.
                yield origin, self._alike(views, self._rows_of_texts(text_ids)) & ~views.own_text(text_ids)

    def _known(self, row_ids: Tensor) -> Tensor:
        row_ids = row_ids.to(self.clusters_GN.device)
        return row_ids.masked_fill(row_ids >= self.clusters_GN.shape[1], UNKNOWN)

    def _rows_of_texts(self, text_ids: Tensor) -> Tensor:
        """The rows of the corpus whose first text these are."""
        known_N, rows_N = (each.to(text_ids.device) for each in (self._text_ids_N, self._row_of_text_N))
        if len(known_N) == 0:
            return torch.full_like(text_ids, UNKNOWN)
        nearest = torch.searchsorted(known_N, text_ids).clamp(max=len(known_N) - 1)
        return rows_N[nearest].masked_fill(known_N[nearest] != text_ids, UNKNOWN)

    def _alike(self, views: Views, columns: Tensor) -> Tensor:
        """(B, C): another row's text, in the same cluster as row i, and both are accepted."""
        if views.row_ids is None:
            return torch.zeros(views.num_rows, columns.shape[-1], dtype=torch.bool, device=columns.device)
        own_B = self._known(views.row_ids)
        columns_BC = columns.expand(len(own_B), columns.shape[-1])
        ours_GB1, theirs_GBC = self._labels(views, own_B)[..., None], self._labels(views, columns_BC)
        same_GBC = (ours_GB1 == theirs_GBC) & (ours_GB1 != UNKNOWN)
        same_BC = same_GBC.any(0) if self.agree == "any" else same_GBC.all(0)
        return same_BC & (columns_BC != own_B[:, None])

    def _labels(self, views: Views, rows: Tensor) -> Tensor:
        """(G, ...): the clusters of these rows as far as they are accepted."""
        if self.clusters_GN.shape[1] == 0:
            return torch.full((self.num_clusterings, *rows.shape), UNKNOWN, device=rows.device)
        known = rows.clamp_min(0)
        accepted = (self.ranks_GN[:, known] < self.share(views)) & (rows != UNKNOWN)
        return self.clusters_GN[:, known].masked_fill(~accepted, UNKNOWN)


PART = ClusterFilter
