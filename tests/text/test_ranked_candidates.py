"""Ranked candidates: one of each interval of the ranking, with the scores of the search that teaches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from contrapose.errors import UsageError
from contrapose.lexical.bm25 import Bm25Index
from contrapose.lexical.hybrid import hybrid_scores
from contrapose.text.ranked_candidates import RankedCandidates, interval_starts
from tests.text.rows import Rows

NUM = 30
WORDS = ["tide", "rope", "mast", "sail", "wind", "hull", "keel", "bow", "stern", "deck", "anchor", "oar"]
ROWS = np.setdiff1d(np.arange(NUM), [3, 11])


def text(row: int, length: int) -> str:
    random = np.random.default_rng(100 * length + row)
    return " ".join(random.choice(WORDS, size=length))


QUERIES = [text(row, 3) for row in range(NUM)]
DOCUMENTS = [text(row, 9) for row in range(NUM)]
DOCUMENTS[9] = DOCUMENTS[8]  # a copy is nobody's candidate of the other


class Pairs(Rows):
    columns = ("anchor", "positive")

    def take(self, row_ids: Any) -> dict[str, list[str]]:
        rows = [int(row) for row in row_ids]
        self.taken += rows
        return {"anchor": [QUERIES[row] for row in rows], "positive": [DOCUMENTS[row] for row in rows]}


def encode(texts: Sequence[str]) -> Tensor:
    return torch.tensor([[each.split().count(word) + 0.1 for word in WORDS] for each in texts])


def made(corpus: Pairs | None = None, **numbers: Any) -> RankedCandidates:
    part = RankedCandidates(**{"candidates": 4, "lowest_rank": 20, **numbers})
    corpus = corpus or Pairs(QUERIES)
    part.check(corpus, ROWS)
    part.attach(corpus, ROWS, part.prepare(corpus, ROWS, encode))
    return part


def scores(by: str, weight: float = 0.5) -> np.ndarray:
    queries, documents = [QUERIES[row] for row in ROWS], [DOCUMENTS[row] for row in ROWS]
    bm25 = Bm25Index(documents).scores(queries).astype(np.float64)
    q, d = (torch.nn.functional.normalize(encode(side)).numpy() for side in (queries, documents))
    return bm25 if by == "bm25" else hybrid_scores(q @ d.T, bm25, weight)


def views(part: RankedCandidates, rows: Any, step: int = 0, seed: int = 0) -> dict[str, list[str]]:
    columns = {"anchor": [QUERIES[row] for row in rows], "positive": [DOCUMENTS[row] for row in rows]}
    return part.texts(rows, columns, seed=seed, step=step)


@pytest.mark.parametrize("by", ["bm25", "hybrid"])
def test_each_candidate_is_from_its_interval_of_the_ranking(by: str) -> None:
    part, whole, rows = made(ranked_by=by), scores(by), ROWS[[2, 5, 8]]
    starts = interval_starts(20, 4)
    documents = [DOCUMENTS[row] for row in ROWS]
    for step in range(30):
        given = views(part, rows, step)
        for number, row in enumerate(rows):
            at = int(np.searchsorted(ROWS, row))
            ranking = [n for n in np.argsort(-whole[at], kind="stable") if documents[n] != documents[at]]
            for k in range(4):
                # fp16 vectors may swap scores that are all but equal, so texts of a near score count as well
                interval = [whole[at, n] for n in ranking[starts[k] : starts[k + 1]]]
                candidate = whole[at, documents.index(given[f"negative_{k + 1}"][number])]
                assert min(interval) - 2e-2 <= candidate <= max(interval) + 2e-2


def test_the_targets_are_the_scores_of_the_texts_that_are_given() -> None:
    part, whole, rows = made(ranked_by="bm25"), scores("bm25"), ROWS[[0, 4, 6, 9]]
    given = views(part, rows, step=3)
    target = part.targets(rows, seed=0, step=3)["teacher_scores"]
    documents = [DOCUMENTS[row] for row in ROWS]
    texts = [
        each
        for name in ("positive", "negative_1", "negative_2", "negative_3", "negative_4")
        for each in given[name]
    ]
    at = np.searchsorted(ROWS, rows)
    expected = whole[at][:, [documents.index(each) for each in texts]]
    assert target.shape == (4, 20)
    assert target.dtype == np.float32
    np.testing.assert_allclose(target, expected, rtol=1e-6)


def test_held_out_rows_are_nobodys_candidates_and_copies_of_the_own_document_neither() -> None:
    corpus = Pairs(QUERIES)
    part = made(corpus)
    own = [DOCUMENTS[row] for row in ROWS]
    for step in range(40):
        given = views(part, ROWS, step)
        for name in ("negative_1", "negative_2", "negative_3", "negative_4"):
            assert all(one != other for one, other in zip(given[name], own, strict=True))
            assert not {DOCUMENTS[3], DOCUMENTS[11]} & set(given[name])
    assert not {3, 11} & set(corpus.taken)


def test_draws_follow_seed_and_step_and_are_the_same_again() -> None:
    assert views(made(), ROWS) == views(made(), ROWS)
    assert views(made(), ROWS) != views(made(), ROWS, step=1) != views(made(), ROWS, seed=1)


def test_the_share_of_queries_whose_document_is_found_is_told() -> None:
    whole = scores("bm25")
    finds = np.mean(whole.max(1) <= whole[np.arange(len(ROWS)), np.arange(len(ROWS))])
    assert made(ranked_by="bm25").statistics(ROWS, seed=0, step=0) == {"teacher_finds": pytest.approx(finds)}


@pytest.mark.parametrize("depth", [4, 5, 17, 1000])
@pytest.mark.parametrize("intervals", [1, 3, 4])
def test_intervals_cover_the_ranking_and_each_has_a_rank(depth: int, intervals: int) -> None:
    starts = interval_starts(depth, intervals)
    assert starts[0] == 0
    assert starts[-1] == depth
    assert (np.diff(starts) >= 1).all()


def test_fewer_documents_than_candidates_are_refused() -> None:
    with pytest.raises(UsageError, match="rank 4 documents, and each query is to get 4"):
        RankedCandidates(candidates=4).check(Pairs(QUERIES), ROWS[:4])
