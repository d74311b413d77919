from __future__ import annotations

import numpy as np
import pytest

from contrapose.errors import UsageError
from contrapose.evaluate.retrieval_pairs import accuracy_at_1, mrr_at_10, pair_retrieval


def loop_ranks(queries: np.ndarray, targets: np.ndarray, texts: list[str]) -> list[float]:
    ranks = []
    for i, query in enumerate(queries):
        cosine = [query @ t / np.linalg.norm(query) / np.linalg.norm(t) for t in targets]
        best = max(c for c, text in zip(cosine, texts, strict=True) if text == texts[i])
        ranks.append(1.0 + sum(c > best for c, text in zip(cosine, texts, strict=True) if text != texts[i]))
    return ranks


def test_ranks_equal_the_loop_with_identical_texts_as_hits() -> None:
    generator = np.random.default_rng(0)
    targets = generator.standard_normal((40, 6))
    texts = [f"text {i % 25}" for i in range(40)]
    queries = targets[:30] + 1.5 * generator.standard_normal((30, 6))
    expected = loop_ranks(queries, targets, texts)
    assert pair_retrieval(queries, targets, target_texts=texts).tolist() == expected
    assert len(set(expected)) > 3


def test_blocks_do_not_change_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, targets = np.random.default_rng(0).standard_normal((2, 50, 4))
    whole = pair_retrieval(queries, targets)
    monkeypatch.setattr("contrapose.maths.nearest.CELLS", 7 * 50)
    assert pair_retrieval(queries, targets).tolist() == whole.tolist()


def test_oracle_is_first_and_constant_is_last_or_in_the_middle() -> None:
    targets = np.random.default_rng(0).standard_normal((50, 8))
    assert pair_retrieval(3 * targets, targets).tolist() == [1.0] * 50
    constant = np.full((50, 8), 0.37, dtype=np.float32)
    assert pair_retrieval(constant, constant).tolist() == [50.0] * 50
    assert pair_retrieval(constant, constant, ties="average").tolist() == [25.5] * 50
    assert pair_retrieval(np.zeros((50, 8)), targets).tolist() == [50.0] * 50


def test_random_vectors_find_what_chance_finds() -> None:
    queries, targets = np.random.default_rng(1).standard_normal((2, 400, 16))
    ranks = pair_retrieval(queries, targets)
    assert 180 < ranks.mean() < 221
    assert mrr_at_10(ranks).mean() < 0.03


def test_identical_text_placed_better_is_a_hit() -> None:
    targets = np.array([[1.0, 0.0], [0.0, 1.0], [0.7, 0.7]])
    query = np.array([[0.0, 1.0]])
    assert pair_retrieval(query, targets).tolist() == [3.0]
    assert pair_retrieval(query, targets, target_texts=["same", "same", "other"]).tolist() == [1.0]


def test_true_target_may_be_any_column() -> None:
    targets = np.eye(4)
    order = np.array([2, 0, 3, 1, 2])
    assert pair_retrieval(targets[order], targets, true_target=order).tolist() == [1.0] * 5
    with pytest.raises(UsageError, match="one true target among 4"):
        pair_retrieval(targets, targets, true_target=np.array([0, 1, 2, 4]))


def test_metrics_per_query() -> None:
    ranks = np.array([1.0, 2.0, 10.0, 10.5, 500.0])
    assert mrr_at_10(ranks).tolist() == [1.0, 0.5, 0.1, 0.0, 0.0]
    assert accuracy_at_1(ranks).tolist() == [1.0, 0.0, 0.0, 0.0, 0.0]


def test_tables_that_cannot_be_searched_are_refused() -> None:
    good = np.eye(3)
    with pytest.raises(UsageError, match="finite vectors"):
        pair_retrieval(good, np.where(good == 1, np.nan, good))
    with pytest.raises(UsageError, match="2 target texts for 3"):
        pair_retrieval(good, good, target_texts=["a", "b"])
    with pytest.raises(UsageError, match="ties must be"):
        pair_retrieval(good, good, ties="best")
    with pytest.raises(UsageError, match="one true target"):
        pair_retrieval(np.ones((4, 3)), good)
