"""The metrics are those of scikit-learn and of trec_eval's definition, to rounding."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrapose.evaluate.metrics import average_precision, ndcg, recall, reciprocal_rank_of, v_measure
from contrapose.evaluate.retrieval import top_documents

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


ranked = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6)), min_size=1, max_size=25)


@given(ranked, st.lists(st.integers(0, 3), max_size=6))
def test_a_ranking_is_scored_as_trec_eval_scores_it(found: list[tuple[int, int]], missed: list[int]) -> None:
    """From the cosines on, with ties: nDCG@10, recall@100 and the reciprocal rank, cut at 10."""
    pytrec_eval = pytest.importorskip("pytrec_eval", reason="pytrec_eval comes with the extra 'mteb'")
    gains = {f"d{row:02}": gain for row, (gain, _) in enumerate(found)}
    judged = gains | {f"m{row}": gain for row, gain in enumerate(missed)}
    scores = {f"d{row:02}": score / 8 for row, (_, score) in enumerate(found)}
    measures = {"ndcg_cut.10", "recall.100", "recip_rank"}
    theirs = pytrec_eval.RelevanceEvaluator({"q": judged}, measures).evaluate({"q": scores})["q"]
    # Documents on a quarter circle: their cosine with the query is their score.
    cosine = np.array(list(scores.values()))
    documents = np.stack([cosine, np.sqrt(1 - cosine**2)], axis=1)
    (order,) = top_documents(np.array([[1.0, 0.0]]), documents, list(scores))
    of_found = np.array([gains[list(scores)[row]] for row in order])
    of_judged = np.array(list(judged.values()))
    assert ndcg(of_found, of_judged, 10) == pytest.approx(theirs["ndcg_cut_10"], abs=1e-12)
    assert recall(of_found, of_judged, 100) == pytest.approx(theirs["recall_100"], abs=1e-12)
    cut = theirs["recip_rank"] if theirs["recip_rank"] >= 0.1 else 0.0
    assert reciprocal_rank_of(of_found, 10) == pytest.approx(cut, abs=1e-12)


def test_recall_and_reciprocal_rank_are_cut_off() -> None:
    gains = np.r_[np.zeros(99), 1, 1]
    assert recall(gains, gains, 100) == 0.5
    assert reciprocal_rank_of(gains[90:], 10) == 0.1
    assert reciprocal_rank_of(gains[89:], 10) == 0.0
