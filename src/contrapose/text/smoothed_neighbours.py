"""What an encoder would say of a text if it knew the texts around it: the scores that it then learns to give by itself.

    m(i)     sum_j max(c_ij, 0) u_j / | ... |        over the k nearest other texts j of text i
    s(i)     ( (1 - a) u_i + a m(i) ) / | ... |      a: ``smoothing``
    targets  s(i) . s(j)  for the row of every anchor i and of every other text j of the batch

u are the unit vectors of the pretrained model, c their cosines. Texts of one topic have common neighbours and come
nearer to each other, and what lies between two topics moves to one of them; no text is named a positive or a negative.
The anchors are ranked with texts drawn from anywhere (view ``positive``), so the whole space is kept, not the near part
alone. ``--method bmembed`` learns from such scores.

To move a vector towards the mean of its neighbours': Koohpayegani, Tejankar and Pirsiavash 2021, "Mean Shift for
Self-Supervised Learning" (ICCV), there of a memory that moves along; https://arxiv.org/abs/2105.07269
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
import torch
from pydantic import Field

from contrapose.contract import TextPart, TextRows
from contrapose.maths.similarity import unit
from contrapose.text.neighbours import (
    NeighboursBy,
    check_neighbours,
    keys_of,
    neighbours_in_blocks,
    other_rows,
)

#: A text has at most so many neighbours for each row of the corpus, and these at least: topics of few texts are small.
SHARE_OF_ROWS, FEWEST = 1 / 200, 3


class SmoothedNeighbours(TextPart):
    """Gives the row's text as anchor, any other as positive, and the scores of both after smoothing as the target
    ``teacher_scores``."""

    name = "smoothed-neighbours"
    idea = "Each text is given scores with others as if it lay nearer to the mean of its neighbours."
    gives_targets = ("teacher_scores",)
    most_columns = 1
    advice = (
        "Texts that come in no topics lose by it: try fewer --set smoothed_k, a smaller --set smoothing, or a lower "
        "--learning-rate, and judge with labels (--dev-data, contrapose evaluate)."
    )

    def __init__(
        self,
        *,
        smoothed_k: Annotated[
            int,
            Field(ge=1, le=1000, description="nearest texts that are averaged; fewer where rows are few"),
        ] = 20,
        smoothing: Annotated[
            float, Field(gt=0, le=1, description="share of the neighbours' mean in what is aimed at")
        ] = 0.5,
        neighbours_by: NeighboursBy = "exact",
    ) -> None:
        self.k, self.smoothing, self.neighbours_by = smoothed_k, smoothing, neighbours_by

    def check(self, corpus: TextRows, rows_N: np.ndarray) -> None:
        check_neighbours(
            len(rows_N), self._neighbours(len(rows_N)), self.neighbours_by, what="--set smoothed_k"
        )

    def _neighbours(self, rows: int) -> int:
        return min(self.k, max(FEWEST, round(SHARE_OF_ROWS * rows)))

    def refresh(self, corpus: TextRows, rows_N: np.ndarray, vectors_ND: np.ndarray) -> dict[str, np.ndarray]:
        """``smoothed`` (N, D) float16 unit vectors; ``keys`` (N,), equal for equal texts."""
        keys_N = keys_of(corpus, rows_N)
        smoothed_ND = np.empty(vectors_ND.shape, dtype=np.float16)
        k = self._neighbours(len(rows_N))
        for block, near in neighbours_in_blocks(vectors_ND, keys_N, k, by=self.neighbours_by):
            mean_QD = np.zeros((len(near.rows_QK), vectors_ND.shape[1]), dtype=np.float32)
            for rows_Q, cosine_Q in zip(near.rows_QK.T, near.scores_QK.T, strict=True):
                weight_Q = np.where(rows_Q >= 0, np.maximum(cosine_Q, 0), 0).astype(np.float32)
                mean_QD += weight_Q[:, None] * _unit(vectors_ND[np.maximum(rows_Q, 0)])
            own_QD = _unit(vectors_ND[block])
            smoothed_ND[block] = _unit((1 - self.smoothing) * own_QD + self.smoothing * _unit(mean_QD))
        return {"smoothed": smoothed_ND, "keys": keys_N}

    def attach(self, corpus: TextRows, rows_N: np.ndarray, prepared: Mapping[str, np.ndarray]) -> None:
        self.corpus, self.rows_N, self.prepared = corpus, rows_N, prepared

    def texts(
        self, rows: Sequence[int], columns: Mapping[str, list[str]], *, seed: int, step: int
    ) -> dict[str, list[str]]:
        (own,) = columns.values()
        _, others_B = self._positions(rows, seed, step)
        (others,) = self.corpus.take(self.rows_N[others_B]).values()
        return {"anchor": own, "positive": others}

    def targets(self, rows: Sequence[int], *, seed: int, step: int) -> dict[str, np.ndarray]:
        """``teacher_scores`` (B, B): of every anchor with every other text."""
        own_BD, others_BD = (
            np.asarray(self.prepared["smoothed"][positions_B], np.float32)
            for positions_B in self._positions(rows, seed, step)
        )
        return {"teacher_scores": own_BD @ others_BD.T}

    def _positions(self, rows: Sequence[int], seed: int, step: int) -> tuple[np.ndarray, np.ndarray]:
        """(B,) positions of the rows, and of texts from anywhere."""
        positions_B = np.searchsorted(self.rows_N, rows)
        keys_N = np.asarray(self.prepared["keys"])
        return positions_B, other_rows(keys_N, positions_B, seed=seed, path=("smoothed", step))


def _unit(vectors_QD: np.ndarray) -> np.ndarray:
    """Vectors of length 1; those of length 0 as they are."""
    return unit(torch.from_numpy(np.array(vectors_QD, dtype=np.float32))).numpy()


TEXT_PART = SmoothedNeighbours
