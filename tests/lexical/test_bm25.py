"""BM25 against its formula, written in loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contrapose.lexical.bm25 import K1, B, Bm25Index
from contrapose.lexical.hybrid import hybrid_scores, standardized
from contrapose.lexical.words import words

TEXT = st.lists(st.sampled_from(["red", "blue", "green", "paint", "of"]), max_size=8).map(" ".join)


def by_loop(texts: list[str], query: str) -> list[float]:
    counted = [words(text) for text in texts]
    mean = sum(map(len, counted)) / len(counted)
    scores = []
    for text in counted:
        score = 0.0
        for word in words(query):
            have = sum(word in other for other in counted)
            idf = math.log(1 + (len(counted) - have + 0.5) / (have + 0.5))
            n = text.count(word)
            if n:
                score += idf * n / (n + K1 * (1 - B + B * len(text) / mean))
        scores.append(score)
    return scores


@settings(max_examples=80, deadline=None)
@given(texts=st.lists(TEXT, min_size=1, max_size=8), query=TEXT)
def test_scores_are_those_of_the_formula(texts: list[str], query: str) -> None:
    (scores,) = Bm25Index(texts).scores([query])
    # An empty text counts as one empty word in bm25s's mean length.
    if all(words(text) for text in texts):
        assert scores == pytest.approx(by_loop(texts, query), rel=1e-4, abs=1e-6)
    assert np.isfinite(scores).all()


def test_a_word_that_no_text_has_and_texts_without_words_score_nothing() -> None:
    assert Bm25Index(["red", "blue"]).scores(["yellow", "", "?!"]).tolist() == [[0, 0]] * 3
    assert Bm25Index(["", "..."]).scores(["red"]).tolist() == [[0, 0]]
    assert Bm25Index([]).scores(["red"]).shape == (1, 0)


def test_a_rare_word_counts_more_than_a_common_one() -> None:
    index = Bm25Index(["the 0x80070057 error", "the other error", "the third error"])
    assert index.scores(["error 0x80070057"])[0].argmax() == 0


def test_standardised_scores_have_mean_0_and_deviation_1_and_equal_ones_are_zeros() -> None:
    scores = standardized(np.array([[1.0, 2.0, 6.0], [0.7, 0.7, 0.7]]))
    assert scores[0].mean() == pytest.approx(0)
    assert scores[0].std() == pytest.approx(1)
    assert scores[1].tolist() == [0, 0, 0]
    assert standardized(np.full((1, 3), 0.1) + np.array([[0, 1e-17, 2e-17]])).tolist() == [[0, 0, 0]]


def test_the_sum_is_that_of_standard_deviations_and_scales_do_not_matter() -> None:
    cosines, bm25 = np.array([[0.9, 0.5, 0.1, 0.2]]), np.array([[0.0, 8.0, 3.0, 0.0]])
    summed = hybrid_scores(cosines, bm25, weight=0.5)
    by_hand = (cosines - cosines.mean()) / cosines.std() + 0.5 * (bm25 - bm25.mean()) / bm25.std()
    assert summed == pytest.approx(by_hand)
    assert hybrid_scores(cosines * 3 + 1, bm25 * 10, weight=0.5) == pytest.approx(summed)


def test_without_a_shared_word_the_cosines_decide() -> None:
    cosines = np.array([[0.3, 0.9, 0.5]])
    assert hybrid_scores(cosines, np.zeros((1, 3))).argsort().tolist() == cosines.argsort().tolist()
