"""Documents from all over a search's ranking, with the search's scores: what an encoder learns to rank by.

    s(q, d)        score of document d for query q, by the search that teaches (``ranked_by``):
                     hybrid   cosine of the pretrained model and BM25, each in standard deviations over all documents,
                              summed (lexical/hybrid.py)
                     bm25     BM25 itself
    positive       the row's own document
    negative_k     the k-th candidate of the row
    targets        s(query of row i, document j) for every row i and every document j of the batch

Candidate k is drawn at every step from an interval of the ranking of all other documents. The intervals grow by a
constant factor, from the first rank to ``lowest_rank``: many candidates are from the top, where the order matters, and
some from far below. The queries are the first column of the data, the documents the second.

Wei et al. 2025, "Adapting General-Purpose Embedding Models to Private Datasets Using Keyword-based Retrieval"
(BMEmbed), with a language model's queries and BM25 alone; https://arxiv.org/abs/2506.00363

A ranking is made when its batch is, from vectors that were made once and an index of words: no table of all queries and
all documents is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from torch import Tensor

from contrapose.contract import TextPart, TextRows
from contrapose.errors import UsageError
from contrapose.lexical.bm25 import Bm25Index
from contrapose.lexical.hybrid import hybrid_scores, standardized
from contrapose.maths.similarity import unit
from contrapose.seeds import numpy_generator
from contrapose.text.identity import text_hashes

RankedBy = Literal["hybrid", "bm25", "cosine"]


class RankedCandidates(TextPart):
    """Gives query, own document, and candidates as ``negative_1`` ..; all their scores as the target
    ``teacher_scores``."""

    name = "ranked-candidates"
    idea = "Each query is given documents from all over a search's ranking, with the scores of that search."
    gives = ("anchor", "positive", "negative_1")
    gives_targets = ("teacher_scores",)
    fewest_columns = most_columns = 2
    advice = (
        "See whether the search that teaches beats the encoder (contrapose evaluate --retrieval DIR --hybrid); try a "
        "lower --learning-rate or fewer --steps, and judge with labels."
    )

    def __init__(
        self,
        *,
        candidates: Annotated[
            int, Field(ge=1, le=64, description="ranked documents beside a query's own")
        ] = 9,
        lowest_rank: Annotated[
            int, Field(ge=1, le=100_000, description="the last rank from which a candidate is drawn")
        ] = 1000,
        ranked_by: Annotated[
            RankedBy,
            Field(description="the search that teaches: both, words alone, or the pretrained model alone"),
        ] = "bm25",
        words_weight: Annotated[
            float, Field(ge=0, le=100, description="standard deviations of BM25 for one of the cosine")
        ] = 0.5,
    ) -> None:
        self.num_candidates, self.lowest_rank = candidates, lowest_rank
        self.ranked_by, self.words_weight = ranked_by, words_weight

    def check(self, corpus: TextRows, rows_N: np.ndarray) -> None:
        if len(rows_N) <= self.num_candidates:
            raise UsageError(
                f"the views '{self.name}' rank {len(rows_N)} documents, and each query is to get {self.num_candidates} "
                "beside its own: give more text, or fewer --set candidates"
            )

    def prepare(
        self, corpus: TextRows, rows_N: np.ndarray, encode: Callable[[Sequence[str]], Tensor]
    ) -> dict[str, np.ndarray]:
        """``queries``, ``documents`` (N, D) float16 unit vectors by the pretrained model; (N, 0) where words alone
        rank."""
        queries, documents = corpus.take(rows_N).values()
        if self.ranked_by == "bm25":
            return dict.fromkeys(("queries", "documents"), np.empty((len(rows_N), 0), dtype=np.float16))
        vectors_MD = unit(encode([*queries, *documents])).numpy().astype(np.float16)
        return {"queries": vectors_MD[: len(queries)], "documents": vectors_MD[len(queries) :]}

    def attach(self, corpus: TextRows, rows_N: np.ndarray, prepared: Mapping[str, np.ndarray]) -> None:
        self.rows_N = rows_N
        self.queries, self.documents = corpus.take(rows_N).values()
        self.query_ND, self.document_ND = prepared["queries"], np.asarray(prepared["documents"], np.float32)
        self.keys_N = text_hashes(self.documents).numpy()
        self._latest: tuple[object, tuple[np.ndarray, ...]] | None = None
        self.words = None if self.ranked_by == "cosine" else Bm25Index(self.documents)

    def texts(
        self, rows: Sequence[int], columns: Mapping[str, list[str]], *, seed: int, step: int
    ) -> dict[str, list[str]]:
        queries, documents = columns.values()
        chosen_BK = self._ranked(rows, seed, step)[0]
        negatives = {
            f"negative_{k + 1}": [self.documents[position] for position in chosen_B]
            for k, chosen_B in enumerate(chosen_BK.T)
        }
        return {"anchor": queries, "positive": documents, **negatives}

    def targets(self, rows: Sequence[int], *, seed: int, step: int) -> dict[str, np.ndarray]:
        """``teacher_scores`` (B, B * (1 + K)): of the documents of all rows, then of the first candidates of all rows
        .."""
        chosen_BK, scores_BN, positions_B = self._ranked(rows, seed, step)
        columns_C = np.concatenate([positions_B, chosen_BK.T.ravel()])
        return {"teacher_scores": scores_BN[:, columns_C].astype(np.float32)}

    def statistics(self, rows: Sequence[int], *, seed: int, step: int) -> dict[str, float]:
        """``teacher_finds``: the share of rows whose own document the search that teaches ranks first."""
        _, scores_BN, positions_B = self._ranked(rows, seed, step)
        own_B = scores_BN[np.arange(len(positions_B)), positions_B]
        return {"teacher_finds": float((scores_BN.max(1) <= own_B).mean())}

    def _ranked(self, rows: Sequence[int], seed: int, step: int) -> tuple[np.ndarray, ...]:
        """(B, K) positions of the candidates, (B, N) scores of all documents, (B,) positions of the rows.

        Kept for the next call: texts, targets and statistics of one batch are asked for one after another."""
        asked = (seed, step, tuple(int(row) for row in rows))
        if self._latest is None or self._latest[0] != asked:
            self._latest = (asked, self._rank(np.searchsorted(self.rows_N, rows), seed, step))
        return self._latest[1]

    def _rank(self, positions_B: np.ndarray, seed: int, step: int) -> tuple[np.ndarray, ...]:
        scores_BN = self._scores(positions_B)
        others_BN = scores_BN.copy()
        others_BN[self.keys_N[None, :] == self.keys_N[positions_B][:, None]] = -np.inf
        others = int((others_BN > -np.inf).sum(axis=1).min())  # copies of an own document are none of them
        depth = max(self.num_candidates, min(self.lowest_rank, others))
        top_BR = np.argsort(-others_BN, axis=1, kind="stable")[:, :depth]
        starts = interval_starts(depth, self.num_candidates)
        share_BK = numpy_generator(seed, "ranked", step).random((len(positions_B), self.num_candidates))
        ranks_BK = (starts[:-1] + share_BK * np.diff(starts)).astype(np.int64)
        return np.take_along_axis(top_BR, ranks_BK, axis=1), scores_BN, positions_B

    def _scores(self, positions_B: np.ndarray) -> np.ndarray:
        bm25_BN = None
        if self.words is not None:
            bm25_BN = self.words.scores([self.queries[position] for position in positions_B])
            if self.ranked_by == "bm25":
                return bm25_BN.astype(np.float64)
        cosine_BN = np.asarray(self.query_ND[positions_B], np.float32) @ self.document_ND.T
        return (
            standardized(cosine_BN)
            if bm25_BN is None
            else hybrid_scores(cosine_BN, bm25_BN, self.words_weight)
        )


def interval_starts(depth: int, intervals: int) -> np.ndarray:
    """(intervals + 1,) where each interval of ranks begins, from 0, and where the last ends; the ends grow by a
    constant factor as far as every interval has a rank.

    >>> interval_starts(1000, 9).tolist()
    [0, 2, 5, 10, 22, 46, 100, 215, 464, 1000]
    >>> interval_starts(4, 3).tolist()
    [0, 2, 3, 4]
    """
    ends = np.rint(depth ** (np.arange(1, intervals + 1) / intervals)).astype(np.int64)
    for at in range(1, intervals):
        ends[at] = max(ends[at], ends[at - 1] + 1)
    for at in range(intervals - 1, 0, -1):
        ends[at - 1] = min(ends[at - 1], ends[at] - 1) if ends[at - 1] >= ends[at] else ends[at - 1]
    return np.concatenate([[0], np.minimum(ends, depth)])


TEXT_PART = RankedCandidates
