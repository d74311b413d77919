"""The positive of a text is another text that is near to it both ways: for short texts in topics, where two dropout
views teach nothing and push a topic's texts apart.

    mutual(i)        the rows j of other text with  j in near_k(i)  and  i in near_k(j)
    positive of i    one of mutual(i), drawn at every step with weight cos(i, j); the row's own text where there is none

    near_k(i)        the k rows nearest to i by the cosine of the pretrained model (``mutual_k``); of these, where
                     ``mutual_words_k`` is given, those that are among as many nearest to i by BM25 too

Being near both ways leaves out hubs, which are near to everything; being near by words too, what the model confuses.
Each positive that is drawn is an estimate of the weighted sum over all of them. The other rows of a batch are often of
the same topic: use ``positive-aware-filter``.

Reciprocal neighbours: Qin et al. 2011, "Hello neighbor", CVPR. As positives of contrast: Dwibedi et al. 2021, "With a
Little Help from My Friends: Nearest-Neighbor Contrastive Learning of Visual Representations";
https://arxiv.org/abs/2104.14548
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from contrapose.contract import TextPart, TextRows, first_texts
from contrapose.lexical.bm25 import Bm25Index
from contrapose.seeds import numpy_generator
from contrapose.text.neighbours import (
    NeighboursBy,
    RefreshNeighbours,
    check_neighbours,
    keys_of,
    neighbours_in_blocks,
)

#: Texts that ask at once: their scores for all others are in memory.
TEXTS_PER_BLOCK = 1_024


class MutualNeighbours(TextPart):
    """Gives the row's text as anchor, and a mutual neighbour's as positive."""

    name = "mutual-neighbours"
    idea = "The positive is another text of the corpus, near both ways by the pretrained model."
    needs_dropout = True  # of rows without a mutual neighbour
    advice = (
        "Neighbours may mean different things: try a smaller --set mutual_k, --with positive-aware-filter with a "
        "larger --set positive_margin, or a lower --learning-rate, and judge with labels (--dev-data, contrapose "
        "evaluate)."
    )

    def __init__(
        self,
        *,
        mutual_k: Annotated[
            int, Field(ge=1, le=1000, description="each of two texts is among so many nearest of the other")
        ] = 5,
        mutual_words_k: Annotated[
            int, Field(ge=0, le=1000, description="and among so many nearest by words (BM25); 0: not asked")
        ] = 0,
        refresh_neighbours: RefreshNeighbours = 0,
        neighbours_by: NeighboursBy = "exact",
    ) -> None:
        self.k, self.words_k, self.neighbours_by = mutual_k, mutual_words_k, neighbours_by
        self.refresh_every = refresh_neighbours or None

    def check(self, corpus: TextRows, rows_N: np.ndarray) -> None:
        check_neighbours(len(rows_N), self.k, self.neighbours_by, what="--set mutual_k")

    def refresh(self, corpus: TextRows, rows_N: np.ndarray, vectors_ND: np.ndarray) -> dict[str, np.ndarray]:
        """``neighbours`` (N, k): positions in ``rows_N``, -1 where one is not mutual; ``cosines`` (N, k), 0 there."""
        near_NK = np.full((len(rows_N), self.k), -1, dtype=np.int32)
        cosine_NK = np.zeros(near_NK.shape, dtype=np.float32)
        keys_N = keys_of(corpus, rows_N)
        for block, near in neighbours_in_blocks(vectors_ND, keys_N, self.k, by=self.neighbours_by):
            near_NK[block], cosine_NK[block] = near.rows_QK, near.scores_QK
        if self.words_k:
            texts = [text for _, block in first_texts(corpus, rows_N) for text in block]
            near_NK = np.where(is_near_by_words(texts, near_NK, self.words_k), near_NK, -1)
        mutual_NK = is_mutual(near_NK)
        return {
            "neighbours": np.where(mutual_NK, near_NK, -1).astype(np.int32),
            "cosines": np.where(mutual_NK, cosine_NK, 0).astype(np.float16),
        }

    def attach(self, corpus: TextRows, rows_N: np.ndarray, prepared: Mapping[str, np.ndarray]) -> None:
        self.corpus, self.rows_N, self.prepared = corpus, rows_N, prepared

    def texts(
        self, rows: Sequence[int], columns: Mapping[str, list[str]], *, seed: int, step: int
    ) -> dict[str, list[str]]:
        (own,) = columns.values()
        positions_B, drawn_B, _ = self._drawn(rows, seed, step)
        (positives,) = self.corpus.take(self.rows_N[np.where(drawn_B < 0, positions_B, drawn_B)]).values()
        return {"anchor": own, "positive": positives}

    def statistics(self, rows: Sequence[int], *, seed: int, step: int) -> dict[str, float]:
        """``mutual_positives``: the share of rows that have one; ``mutual_cosine``: its cosine when it was sought."""
        _, drawn_B, cosine_B = self._drawn(rows, seed, step)
        there_B = drawn_B >= 0
        told = {"mutual_positives": float(there_B.mean())}
        return told if not there_B.any() else {**told, "mutual_cosine": float(cosine_B[there_B].mean())}

    def facts(self) -> list[str]:
        count_N = (np.asarray(self.prepared["neighbours"]) >= 0).sum(1)
        return [
            f"{(count_N > 0).mean():.0%} of the rows have mutual neighbours, {count_N[count_N > 0].mean():.1f} each; "
            "the others keep their own text as positive"
            if count_N.any()
            else "no row has a mutual neighbour: every positive is the row's own text"
        ]

    def _drawn(self, rows: Sequence[int], seed: int, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(B,) positions of the rows, of the neighbours that were drawn (-1: none), and the cosines of the two."""
        positions_B = np.searchsorted(self.rows_N, rows)
        near_BK = np.asarray(self.prepared["neighbours"][positions_B]).astype(np.int64)
        cosine_BK = np.asarray(self.prepared["cosines"][positions_B], dtype=np.float64)
        weight_BK = np.where(near_BK >= 0, np.maximum(cosine_BK, 1e-3), 0.0)
        total_B = weight_BK.sum(1)
        point_B = numpy_generator(seed, "mutual", step).random(len(positions_B)) * total_B
        chosen_B = np.minimum((weight_BK.cumsum(1) <= point_B[:, None]).sum(1), self.k - 1)
        at = (np.arange(len(positions_B)), chosen_B)
        return positions_B, np.where(total_B > 0, near_BK[at], -1), cosine_BK[at]


def is_mutual(near_NK: np.ndarray) -> np.ndarray:
    """(N, K) bool: whether i is among the neighbours of its own neighbour ``near_NK[i, k]``; never for -1.

    >>> is_mutual(np.array([[1], [0], [0]])).ravel().tolist()
    [True, True, False]
    """
    own_N1 = np.arange(len(near_NK))[:, None]
    mutual_NK = near_NK >= 0
    for k in range(near_NK.shape[1]):
        mutual_NK[:, k] &= (near_NK[near_NK[:, k]] == own_N1).any(1)
    return mutual_NK


def is_near_by_words(texts: Sequence[str], near_NK: np.ndarray, words_k: int) -> np.ndarray:
    """(N, K) bool: whether ``near_NK[i, k]`` is among the ``words_k`` other texts that i finds first by BM25, equals
    of the last included; a text without a word in common is not.

    >>> texts = ["a red rope", "the red rope", "blue paint", "red"]
    >>> is_near_by_words(texts, np.array([[1, 2], [0, 3], [0, 1], [0, 1]]), 1).tolist()
    [[True, False], [True, False], [False, False], [True, True]]
    """
    index = Bm25Index(texts)
    found_NK = np.zeros(near_NK.shape, dtype=bool)
    for start in range(0, len(texts), TEXTS_PER_BLOCK):
        block = np.arange(start, min(start + TEXTS_PER_BLOCK, len(texts)))
        scores_QN = index.scores([texts[int(row)] for row in block])
        scores_QN[np.arange(len(block)), block] = 0
        least_Q1 = np.sort(scores_QN, axis=1)[:, -min(words_k, len(texts)), None]
        own_QK = np.take_along_axis(scores_QN, np.maximum(near_NK[block], 0), axis=1)
        found_NK[block] = (near_NK[block] >= 0) & (own_QK > 0) & (own_QK >= least_Q1)
    return found_NK


TEXT_PART = MutualNeighbours
