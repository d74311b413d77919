"""The metrics are those of scikit-learn and of trec_eval's definition, to rounding."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrapose.evaluate.metrics import average_precision, ndcg, recall, reciprocal_rank_of, v_measure

sklearn_metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn comes with the extra 'st'")

rows = st.integers(2, 40).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 1), min_size=n, max_size=n),
        st.lists(st.integers(0, 9), min_size=n, max_size=n),
    )
)


@given(rows)
def test_average_precision_is_that_of_scikit_learn_with_ties(found: tuple[list[int], list[int]]) -> None:
    labels, scores = np.array(found[0]), np.array(found[1]) / 7
    ours = average_precision(labels, scores)
    if not labels.any():
        assert math.isnan(ours)
    else:
        assert ours == pytest.approx(sklearn_metrics.average_precision_score(labels, scores), abs=1e-12)


@given(rows)
def test_v_measure_is_that_of_scikit_learn(found: tuple[list[int], list[int]]) -> None:
    classes, clusters = map(np.array, found)
    assert v_measure(classes, clusters) == pytest.approx(
        sklearn_metrics.v_measure_score(classes, clusters), abs=1e-12
    )


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=30),
    st.lists(st.integers(0, 3), max_size=10),
    st.integers(1, 12),
)
def test_ndcg_is_the_definition_written_with_loops(
    retrieved: list[int], missed: list[int], cutoff: int
) -> None:
    judged = [*retrieved, *missed]
    gained = sum(gain / math.log2(rank + 1) for rank, gain in enumerate(retrieved[:cutoff], start=1))
    best = sorted(judged, reverse=True)[:cutoff]
    ideal = sum(gain / math.log2(rank + 1) for rank, gain in enumerate(best, start=1))
    expected = gained / ideal if ideal else 0.0
    assert ndcg(np.array(retrieved), np.array(judged), cutoff) == pytest.approx(expected, abs=1e-12)


def test_gains_below_zero_count_as_nothing() -> None:
    assert ndcg(np.array([-1, 1]), np.array([-1, 1]), 10) == pytest.approx(1 / math.log2(3))
    assert recall(np.array([-1, 1]), np.array([-1, 1, 1]), 10) == 0.5
    assert reciprocal_rank_of(np.array([-1, 0, 1]), 10) == pytest.approx(1 / 3)
    assert recall(np.array([0]), np.array([0]), 10) == 0.0
