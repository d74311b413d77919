"""Retrieved negatives: of other texts, from the neighbours, drawn by seed and step; what cannot be is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from contrapose.errors import UsageError
from contrapose.objectives.catalogue import recipe
from contrapose.text.retrieved import RetrievedNegatives
from tests.reference import retrieval
from tests.text.rows import Rows, vectors

NUM = 40
#: Rows of the corpus that may be trained on: not all, so that positions and row numbers differ.
ROWS = np.setdiff1d(np.arange(NUM), [0, 7, 20])
TEXTS = [f"text {number % 33}" for number in range(NUM)]  # seven rows have a copy
X_ND = vectors(len(ROWS))


def made(corpus: Rows | None = None, **numbers: Any) -> RetrievedNegatives:
    part = RetrievedNegatives(**{"neighbours": 6, **numbers})
    corpus = corpus or Rows(TEXTS)
    part.check(corpus, ROWS)
    part.attach(corpus, ROWS, part.refresh(corpus, ROWS, X_ND))
    return part


def drawn(part: RetrievedNegatives, step: int = 0, seed: int = 0, rows: Any = ROWS) -> dict[str, list[str]]:
    return part.texts(rows, {"text": [TEXTS[row] for row in rows]}, seed=seed, step=step)


def reference(k: int, ceiling: float | None = None) -> list[list[str]]:
    texts = [TEXTS[row] for row in ROWS]
    return [[texts[n] for n in near] for near in retrieval.neighbours(X_ND.tolist(), texts, k, ceiling)]


def test_the_nearest_are_those_of_the_definition() -> None:
    part = made(retrieved_by="nearest", retrieved=3)
    views = drawn(part)
    assert [list(texts) for texts in zip(*views.values(), strict=True)] == [near[:3] for near in reference(6)]
    assert list(views) == ["negative_1", "negative_2", "negative_3"]


def test_every_neighbour_is_drawn_and_nothing_else() -> None:
    seen: list[set[str]] = [set() for _ in ROWS]
    part = made()
    for step in range(120):
        for texts, text in zip(seen, drawn(part, step)["negative_1"], strict=True):
            texts.add(text)
    assert seen == [set(near) for near in reference(6)]


@pytest.mark.parametrize("numbers", [{}, {"retrieved_by": "random"}, {"similarity_ceiling": -0.2}], ids=str)
def test_the_own_text_is_never_its_own_negative_and_held_out_rows_are_nobodys(
    numbers: dict[str, Any],
) -> None:
    corpus = Rows(TEXTS)
    part = made(corpus, **numbers)
    for step in range(60):
        for row, text in zip(ROWS, drawn(part, step)["negative_1"], strict=True):
            assert text != TEXTS[row]
    assert not {0, 7, 20} & set(corpus.taken)


def test_several_negatives_of_a_row_differ() -> None:
    part = made(retrieved=6)
    for texts, near in zip(zip(*drawn(part).values(), strict=True), reference(6), strict=True):
        assert sorted(texts) == sorted(near)


def test_texts_above_the_ceiling_are_left_out_and_want_is_counted() -> None:
    part, ceiling = made(similarity_ceiling=0.5, retrieved_by="nearest"), 0.5
    within = reference(6, ceiling)
    told = drawn(part)["negative_1"]
    assert any(len(near) < 6 for near in within)
    assert [text for text, near in zip(told, within, strict=True) if near] == [
        near[0] for near in within if near
    ]
    nobody = made(similarity_ceiling=-0.99)
    assert nobody.statistics(ROWS, seed=0, step=0) == {"retrieved_at_random": 1.0}
    assert "37 rows have none and get a random negative" in nobody.facts()[0]


def test_draws_follow_seed_and_step_and_are_the_same_again() -> None:
    part = made()
    one, again, step, seed = drawn(part), drawn(made()), drawn(part, step=1), drawn(part, seed=1)
    assert one == again
    assert one != step
    assert one != seed


def test_what_is_told_is_what_was_drawn() -> None:
    part = made(retrieved_by="nearest")
    unit = X_ND / np.linalg.norm(X_ND, axis=1, keepdims=True)
    texts = [TEXTS[row] for row in ROWS]
    nearest = [near[0] for near in retrieval.neighbours(X_ND.tolist(), texts, 1)]
    expected = np.mean([unit[row] @ unit[other] for row, other in enumerate(nearest)])
    told = part.statistics(ROWS, seed=0, step=0)
    assert told["retrieved_cosine"] == pytest.approx(expected, abs=1e-3)
    assert told["retrieved_at_random"] == 0
    assert part.facts() == [
        "negatives are drawn from 6.0 neighbours of each row on average; "
        f"the nearest has a mean cosine of {expected:.3f}"
    ]


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        ({"retrieved": 9}, "retrieved=9 negatives cannot be drawn from neighbours=8"),
        ({"retrieved_by": "random", "similarity_ceiling": 0.5}, "looks at no neighbours"),
        ({"retrieved_by": "random", "refresh_neighbours": 5}, "looks at no neighbours"),
        ({"similarity_ceiling": 2}, "similarity_ceiling"),
        ({"neighbours": 0}, "neighbours"),
        ({"retrieved_by": "chance"}, "retrieved_by"),
    ],
    ids=str,
)
def test_numbers_that_contradict_are_refused_before_anything_is_loaded(
    numbers: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UsageError, match=reason) as refused:
        recipe("simcse", (), {"neighbours": 8, **numbers}, views="retrieved")
    assert "\n" not in str(refused.value)


def test_too_few_rows_and_rows_of_one_text_are_refused() -> None:
    with pytest.raises(UsageError, match="neighbours=64 asks for more neighbours than the corpus has"):
        RetrievedNegatives().check(Rows(TEXTS), ROWS)
    RetrievedNegatives(retrieved_by="random").check(Rows(TEXTS), ROWS)
    same = Rows(["same"] * NUM)
    with pytest.raises(UsageError, match="have one text"):
        RetrievedNegatives(neighbours=2).refresh(same, ROWS, X_ND)


def test_a_row_without_length_is_no_error() -> None:
    zeros = X_ND.copy()
    zeros[3] = 0
    part, corpus = RetrievedNegatives(neighbours=4), Rows(TEXTS)
    part.attach(corpus, ROWS, part.refresh(corpus, ROWS, zeros))
    assert drawn(part)["negative_1"][3] != TEXTS[ROWS[3]]
