"""Texts smoothed by their neighbours: the scores, by a definition written as loops; partners from anywhere."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from contrapose.errors import UsageError
from contrapose.text.smoothed_neighbours import SmoothedNeighbours
from tests.reference import retrieval
from tests.text.rows import Rows, vectors

NUM, K = 40, 4
ROWS = np.setdiff1d(np.arange(NUM), [0, 7, 20])
TEXTS = [f"text {number}" for number in range(NUM)]
X_ND = vectors(len(ROWS))


def made(corpus: Rows | None = None, x_ND: np.ndarray = X_ND, **numbers: Any) -> SmoothedNeighbours:
    part = SmoothedNeighbours(**{"smoothed_k": K, **numbers})
    corpus = corpus or Rows(TEXTS)
    part.check(corpus, ROWS)
    part.attach(corpus, ROWS, part.refresh(corpus, ROWS, x_ND))
    return part


def unit(x: list[float]) -> list[float]:
    length = math.sqrt(sum(value * value for value in x))
    return [value / length for value in x] if length else list(x)


def smoothed(k: int, share: float, texts: list[str]) -> list[list[float]]:
    """The definition, one number at a time."""
    units = [unit(row) for row in X_ND.tolist()]
    found = []
    for own, near in zip(units, retrieval.neighbours(X_ND.tolist(), texts, k, None), strict=True):
        mean = [0.0] * len(own)
        for other in near:
            weight = max(sum(a * b for a, b in zip(own, units[other], strict=True)), 0.0)
            mean = [value + weight * part for value, part in zip(mean, units[other], strict=True)]
        found.append(unit([(1 - share) * a + share * b for a, b in zip(own, unit(mean), strict=True)]))
    return found


@pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
def test_scores_are_those_of_the_definition(share: float) -> None:
    # Of 37 rows 37 / 200 neighbours are fewer than three, and three are the fewest.
    part = made(smoothing=share)
    views = part.texts(ROWS, {"text": [TEXTS[row] for row in ROWS]}, seed=1, step=2)
    scores = part.targets(ROWS, seed=1, step=2)["teacher_scores"]
    own = smoothed(3, share, [TEXTS[row] for row in ROWS])
    place = {TEXTS[row]: number for number, row in enumerate(ROWS)}
    others = [own[place[text]] for text in views["positive"]]
    expected = [[sum(a * b for a, b in zip(x, y, strict=True)) for y in others] for x in own]
    np.testing.assert_allclose(scores, expected, atol=2e-3)


def test_partners_are_other_texts_from_anywhere() -> None:
    part, seen = made(), set()
    for step in range(200):
        views = part.texts(ROWS, {"text": [TEXTS[row] for row in ROWS]}, seed=0, step=step)
        assert views["anchor"] == [TEXTS[row] for row in ROWS]
        assert all(a != b for a, b in zip(views["anchor"], views["positive"], strict=True))
        seen |= {views["positive"][3]}
    assert seen == {TEXTS[row] for row in ROWS} - {TEXTS[ROWS[3]]}


def test_draws_follow_seed_and_step_and_are_the_same_again() -> None:
    def drawn(seed: int, step: int) -> list[str]:
        return made().texts(ROWS, {"text": [TEXTS[row] for row in ROWS]}, seed=seed, step=step)["positive"]

    assert drawn(0, 0) == drawn(0, 0)
    assert drawn(0, 0) != drawn(0, 1)
    assert drawn(0, 0) != drawn(1, 0)


def test_a_copy_is_no_neighbour() -> None:
    texts = [f"text {number // 2}" for number in range(NUM)]
    rows = [texts[row] for row in ROWS]
    part = made(Rows(texts))
    own = np.asarray(part.prepared["smoothed"], np.float64)
    np.testing.assert_allclose(own, smoothed(3, 0.5, rows), atol=2e-3)


def test_a_text_without_direction_gets_its_neighbours_and_no_number_is_odd() -> None:
    x_ND = X_ND.copy()
    x_ND[5] = 0
    assert np.isfinite(np.asarray(made(x_ND=x_ND).prepared["smoothed"], np.float32)).all()


def test_many_rows_have_more_neighbours() -> None:
    part = SmoothedNeighbours()
    assert [part._neighbours(rows) for rows in (10, 600, 2_000, 1_000_000)] == [3, 3, 10, 20]


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(UsageError, match="smoothed_k=3 asks for more neighbours"):
        SmoothedNeighbours().check(Rows(TEXTS), np.arange(3))
