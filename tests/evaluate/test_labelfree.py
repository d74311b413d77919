from __future__ import annotations

import numpy as np
import pytest

from contrapose.errors import UsageError
from contrapose.evaluate.labelfree import label_free


def views(noise: float, rows: int = 120, width: int = 16) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    rows_ND = generator.standard_normal((rows, width))
    return rows_ND, rows_ND + noise * generator.standard_normal((rows, width))


def test_score_falls_with_noise_and_ends_at_chance() -> None:
    scores = [label_free(*views(noise)) for noise in (0.0, 1.0, 2.0, 1000.0)]
    values = [found.score for found in scores]
    assert values == sorted(values, reverse=True)
    assert scores[0].retrieval_mrr == 1.0
    assert scores[-1].retrieval_mrr < 0.1
    assert [found.score for found in scores] == pytest.approx(
        [-(found.alignment + found.uniformity) for found in scores]
    )
    assert [found.alignment for found in scores] == sorted(found.alignment for found in scores)
    assert not any(found.collapsed for found in scores)


def test_collapse_is_flagged_even_where_retrieval_still_works() -> None:
    first, second = views(0.0)
    found = label_free(0.1 * first + 1.0, 0.1 * second + 1.0)
    assert found.collapsed
    assert found.retrieval_mrr == 1.0
    assert -0.5 < found.uniformity < 0
    assert found.score < label_free(first, second).score


def test_one_vector_for_everything_scores_nothing() -> None:
    found = label_free(np.ones((120, 16)), np.ones((120, 16)))
    assert found.collapsed
    assert found.score == pytest.approx(0.0, abs=1e-5)
    assert found.retrieval_mrr == pytest.approx(1 / 120)


def test_both_directions_count_alike() -> None:
    first, second = views(1.5)
    assert label_free(first, second).score == pytest.approx(label_free(second, first).score)


def test_views_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UsageError, match="two views of at least two rows"):
        label_free(np.ones((3, 2)), np.ones((2, 2)))
    with pytest.raises(UsageError, match="at least two rows"):
        label_free(np.ones((1, 2)), np.ones((1, 2)))
