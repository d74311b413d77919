"""Mutual neighbours: near both ways, by a definition written as loops; drawn by weight, seed and step."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from contrapose.errors import UsageError
from contrapose.text.mutual_neighbours import MutualNeighbours
from tests.reference import retrieval
from tests.text.rows import Rows, vectors

NUM, K = 40, 3
ROWS = np.setdiff1d(np.arange(NUM), [0, 7, 20])
TEXTS = [f"text {number}" for number in range(NUM)]
X_ND = vectors(len(ROWS))


def made(corpus: Rows | None = None, **numbers: Any) -> MutualNeighbours:
    part = MutualNeighbours(**{"mutual_k": K, **numbers})
    corpus = corpus or Rows(TEXTS)
    part.check(corpus, ROWS)
    part.attach(corpus, ROWS, part.refresh(corpus, ROWS, X_ND))
    return part


def mutual() -> list[set[str]]:
    texts = [TEXTS[row] for row in ROWS]
    near = [set(each) for each in retrieval.neighbours(X_ND.tolist(), texts, K, None)]
    by_row = near
    return [{texts[j] for j in by_row[i] if i in by_row[j]} for i in range(len(texts))]


def drawn(part: MutualNeighbours, step: int, seed: int = 0) -> list[str]:
    views = part.texts(ROWS, {"text": [TEXTS[row] for row in ROWS]}, seed=seed, step=step)
    assert views["anchor"] == [TEXTS[row] for row in ROWS]
    return views["positive"]


def test_all_mutual_neighbours_are_drawn_and_nobody_else() -> None:
    seen: list[set[str]] = [set() for _ in ROWS]
    corpus = Rows(TEXTS)
    part = made(corpus)
    for step in range(150):
        for texts, text in zip(seen, drawn(part, step), strict=True):
            texts.add(text)
    own = [{TEXTS[row]} for row in ROWS]
    assert seen == [near or mine for near, mine in zip(mutual(), own, strict=True)]
    assert any(mutual())
    assert not all(mutual())
    assert not {0, 7, 20} & set(corpus.taken)


def test_nearer_ones_are_drawn_more_often() -> None:
    part = made()
    cosines = np.asarray(part.prepared["cosines"], np.float64)
    row = int((cosines > 0).sum(1).argmax())
    counts = Counter(drawn(part, step)[row] for step in range(3000))
    weights = {
        TEXTS[ROWS[n]]: w
        for n, w in zip(part.prepared["neighbours"][row], cosines[row], strict=True)
        if n >= 0
    }
    assert len(weights) > 1
    for text, weight in weights.items():
        assert counts[text] / 3000 == pytest.approx(max(weight, 1e-3) / sum(weights.values()), abs=0.04)


def test_draws_follow_seed_and_step_and_are_the_same_again() -> None:
    assert drawn(made(), 0) == drawn(made(), 0)
    assert drawn(made(), 0) != drawn(made(), 1)
    assert drawn(made(), 0) != drawn(made(), 0, seed=1)


def test_what_is_drawn_is_told() -> None:
    told = made().statistics(ROWS, seed=0, step=0)
    assert told["mutual_positives"] == pytest.approx(np.mean([bool(near) for near in mutual()]))
    assert -1 <= told["mutual_cosine"] <= 1
    assert "of the rows have mutual neighbours" in made().facts()[0]


def test_more_neighbours_than_the_corpus_has_are_refused() -> None:
    with pytest.raises(UsageError, match="--set mutual_k"):
        MutualNeighbours(mutual_k=40).check(Rows(TEXTS), ROWS)


def test_words_may_be_asked_too() -> None:
    """Numbers are drawn in tens: texts of one ten share a word, and others none."""
    texts = [f"ten{number // 10} text{number}" for number in range(NUM)]
    alone, both = made(Rows(texts)), made(Rows(texts), mutual_words_k=9)
    near, near_both = (np.asarray(part.prepared["neighbours"]) for part in (alone, both))
    same_ten = (near >= 0) & (ROWS[near] // 10 == ROWS[:, None] // 10)
    assert set(np.flatnonzero(near_both >= 0)) == set(np.flatnonzero(same_ten))
    assert 0 < same_ten.sum() < (near >= 0).sum()
