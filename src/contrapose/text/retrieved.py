"""Negatives from the whole corpus: of each row's nearest other texts, some are drawn anew at every step.

    neighbours of row i    the K rows of other text with the largest cosine to row i, by the pretrained model
    negative_1 of row i    one of them, drawn uniformly (``retrieved_by=uniform``); or the nearest; or any row at all

Sentences of one batch are seldom about one thing, so most of a batch's negatives are easy. A neighbour is hard: the
model finds it alike. It is read by the encoder as it is now, with gradient, and is a further column of every row.

Wang et al. 2022, "Improving Contrastive Learning of Sentence Embeddings with Case-Augmented Positives and Retrieved
Negatives" (CARDS), SIGIR; https://arxiv.org/abs/2206.02457

The vectors lie in a mapped file and are searched in blocks, exactly: memory grows with the corpus by 6 bytes for each
neighbour of each row. With ``refresh_neighbours`` the search is repeated with the model as it is then; what it gave is
saved with the checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from contrapose.contract import TextPart, TextRows
from contrapose.seeds import derive
from contrapose.text.neighbours import (
    NeighboursBy,
    RefreshNeighbours,
    check_neighbours,
    keys_of,
    neighbours_in_blocks,
    other_rows,
)


class RetrievedNegatives(TextPart):
    """Gives ``negative_1``, and further ones where ``retrieved`` is above 1; the other views are another part's.

    A row without a neighbour (all are copies of it, or above the ceiling) gets a row drawn from the whole corpus.
    """

    name = "retrieved"
    idea = "Negatives are drawn from each row's nearest other texts in the whole corpus."
    gives = ("negative_1",)
    advice = (
        "A retrieved negative may mean what its row means: try --set similarity_ceiling=0.9, more --set neighbours, or "
        "a lower --learning-rate, and judge with labels (--dev-data, contrapose evaluate)."
    )

    def __init__(
        self,
        *,
        neighbours: Annotated[
            int, Field(ge=1, description="nearest other texts of a row, from which its negatives are drawn")
        ] = 64,
        retrieved: Annotated[int, Field(ge=1, le=64, description="retrieved negatives per row")] = 1,
        retrieved_by: Annotated[
            Literal["uniform", "nearest", "random"],
            Field(description="drawn from the neighbours, the nearest of them, or any row of the corpus"),
        ] = "uniform",
        similarity_ceiling: Annotated[
            float | None,
            Field(gt=-1, le=1, description="leave out neighbours with a larger cosine than this"),
        ] = None,
        refresh_neighbours: RefreshNeighbours = 0,
        neighbours_by: NeighboursBy = "exact",
    ) -> None:
        if retrieved_by == "random" and (similarity_ceiling is not None or refresh_neighbours):
            raise ValueError(
                "retrieved_by=random looks at no neighbours: leave similarity_ceiling and refresh_neighbours out"
            )
        if retrieved_by != "random" and retrieved > neighbours:
            raise ValueError(f"retrieved={retrieved} negatives cannot be drawn from neighbours={neighbours}")
        self.num_neighbours, self.num_retrieved = neighbours, retrieved
        self.retrieved_by, self.ceiling = retrieved_by, similarity_ceiling
        self.neighbours_by = neighbours_by
        self.refresh_every = refresh_neighbours or None
        self.looks_at_vectors = retrieved_by != "random"

    def check(self, corpus: TextRows, rows_N: np.ndarray) -> None:
        wanted = 1 if self.retrieved_by == "random" else self.num_neighbours
        check_neighbours(len(rows_N), wanted, self.neighbours_by, what="--set neighbours")

    def refresh(self, corpus: TextRows, rows_N: np.ndarray, vectors_ND: np.ndarray) -> dict[str, np.ndarray]:
        """``neighbours`` (N, K) positions in ``rows_N``, nearest first and -1 where there are no more; ``cosines``
        (N, K); ``keys`` (N,), equal for equal texts."""
        keys_N = keys_of(corpus, rows_N)
        width = 0 if self.retrieved_by == "random" else self.num_neighbours
        neighbours_NK = np.full((len(rows_N), width), -1, dtype=np.int32)
        cosines_NK = np.zeros((len(rows_N), width), dtype=np.float16)
        if width:
            for block, near in neighbours_in_blocks(vectors_ND, keys_N, width, by=self.neighbours_by):
                rows_QK, order = allowed(near.rows_QK, near.scores_QK, self.ceiling)
                scores_QK = np.take_along_axis(near.scores_QK, order, axis=1)
                neighbours_NK[block] = rows_QK
                cosines_NK[block] = np.where(rows_QK < 0, 0, scores_QK)
        return {"neighbours": neighbours_NK, "cosines": cosines_NK, "keys": keys_N}

    def attach(self, corpus: TextRows, rows_N: np.ndarray, prepared: Mapping[str, np.ndarray]) -> None:
        self.corpus, self.rows_N, self.prepared = corpus, rows_N, prepared

    def texts(
        self, rows: Sequence[int], columns: Mapping[str, list[str]], *, seed: int, step: int
    ) -> dict[str, list[str]]:
        positions_BR, _ = self._drawn(rows, seed, step)
        texts, *_ = self.corpus.take(self.rows_N[positions_BR.ravel()]).values()
        return {
            f"negative_{number + 1}": texts[number :: self.num_retrieved]
            for number in range(self.num_retrieved)
        }

    def statistics(self, rows: Sequence[int], *, seed: int, step: int) -> dict[str, float]:
        """``retrieved_cosine``: to their row, when they were searched; ``retrieved_at_random``: the share of negatives
        that are any row, for want of a neighbour."""
        _, cosine_BR = self._drawn(rows, seed, step)
        at_random = np.isnan(cosine_BR)
        told = {"retrieved_at_random": float(at_random.mean())}
        return told if at_random.all() else {"retrieved_cosine": float(np.nanmean(cosine_BR)), **told}

    def facts(self) -> list[str]:
        if self.retrieved_by == "random":
            return ["negatives are drawn from the whole corpus"]
        num_N = (np.asarray(self.prepared["neighbours"]) >= 0).sum(1)
        first_N = np.asarray(self.prepared["cosines"])[:, 0].astype(np.float32)[num_N > 0]
        nearest = f"; the nearest has a mean cosine of {first_N.mean():.3f}" if len(first_N) else ""
        none = int((num_N == 0).sum())
        without = f"; {none:,} rows have none and get a random negative" if none else ""
        return [
            f"negatives are drawn from {num_N.mean():.1f} neighbours of each row on average{nearest}{without}"
        ]

    def _drawn(self, rows: Sequence[int], seed: int, step: int) -> tuple[np.ndarray, np.ndarray]:
        """(B, R) positions in the training rows, and (B, R) cosines, NaN where a row was drawn from all of them."""
        positions_B = np.searchsorted(self.rows_N, rows)
        near_BK = np.asarray(self.prepared["neighbours"][positions_B])
        cosine_BK = np.asarray(self.prepared["cosines"][positions_B], dtype=np.float32)
        missing = max(0, self.num_retrieved - near_BK.shape[1])
        near_BK = np.pad(near_BK, ((0, 0), (0, missing)), constant_values=-1)
        cosine_BK = np.pad(cosine_BK, ((0, 0), (0, missing)))
        order_BK = np.arange(near_BK.shape[1])[None].repeat(len(near_BK), axis=0)
        if self.retrieved_by == "uniform":
            rng = np.random.default_rng(derive(seed, "retrieved", step))
            order_BK = np.where(near_BK < 0, 2.0, rng.random(near_BK.shape)).argsort(axis=1, kind="stable")
        chosen_BR = order_BK[:, : self.num_retrieved]
        near_BR = np.take_along_axis(near_BK, chosen_BR, axis=1).astype(np.int64)
        cosine_BR = np.where(near_BR < 0, np.nan, np.take_along_axis(cosine_BK, chosen_BR, axis=1))
        for number in range(self.num_retrieved):
            if (without := near_BR[:, number] < 0).any():
                anything = other_rows(
                    self.prepared["keys"], positions_B, seed=seed, path=("any row", step, number)
                )
                near_BR[:, number] = np.where(without, anything, near_BR[:, number])
        return near_BR, cosine_BR


def allowed(
    rows_QK: np.ndarray, scores_QK: np.ndarray, ceiling: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Neighbours without those above the ceiling, moved to the front, -1 behind them; and where each one stood.

    >>> allowed(np.array([[4, 7, 9]]), np.array([[0.95, 0.8, 0.7]]), 0.9)[0].tolist()
    [[7, 9, -1]]
    """
    out_QK = rows_QK < 0
    if ceiling is not None:
        out_QK |= scores_QK > ceiling
    order_QK = out_QK.argsort(axis=1, kind="stable")
    left_QK = np.where(out_QK, -1, rows_QK)
    return np.take_along_axis(left_QK, order_QK, axis=1), order_QK


TEXT_PART = RetrievedNegatives
