"""Intervals and paired comparisons: they find what is there, and call chance chance as often as they promise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from contrapose.errors import UsageError
from contrapose.evaluate.per_example import PerExampleScores
from contrapose.evaluate.statistics import holm, in_words

ROWS = 300


def scores(strength: float, seed: int, gold: np.ndarray) -> np.ndarray:
    """Cosines that follow the gold scores as strongly as asked, and noise otherwise."""
    return strength * gold + np.random.default_rng(seed).normal(size=len(gold))


@pytest.fixture
def gold() -> np.ndarray:
    return np.random.default_rng(99).normal(size=ROWS)


def test_the_value_of_a_correlation_is_scipys(gold: np.ndarray) -> None:
    values = scores(1.0, 0, gold)
    assert PerExampleScores("spearman", values, gold).value() == pytest.approx(
        100 * stats.spearmanr(values, gold).statistic, abs=1e-10
    )


def test_a_real_difference_is_found_and_called_better(gold: np.ndarray) -> None:
    weak, strong = (PerExampleScores("spearman", scores(s, i, gold), gold) for i, s in enumerate((0.5, 1.5)))
    test = weak.change_to(strong)
    assert test.difference == pytest.approx(strong.value() - weak.value())
    assert in_words(test) == "better"
    assert in_words(strong.change_to(weak)) == "worse"


def test_the_same_model_is_no_change(gold: np.ndarray) -> None:
    one = PerExampleScores("spearman", scores(1.0, 0, gold), gold)
    test = one.change_to(one)
    assert (test.difference, test.p_value, test.better, test.worse) == (0.0, 1.0, 0, 0)
    assert in_words(test) == "no clear change"


def test_another_scale_of_cosines_changes_nothing(gold: np.ndarray) -> None:
    values, other = scores(1.0, 0, gold), scores(1.0, 1, gold)
    plain = PerExampleScores("spearman", values, gold).change_to(PerExampleScores("spearman", other, gold))
    scaled = PerExampleScores("spearman", values, gold).change_to(
        PerExampleScores("spearman", 0.9 + other / 100, gold)
    )
    assert scaled == plain


@pytest.mark.parametrize("kind", ["spearman", "mean"])
def test_two_equally_good_models_are_called_different_about_one_time_in_twenty(kind: str) -> None:
    alarms = 0
    for number in range(60):
        gold = np.random.default_rng(1000 + number).normal(size=80)
        first, second = (scores(1.0, 2 * number + side, gold) for side in (0, 1))
        if kind == "mean":
            one, other = (
                PerExampleScores("mean", (first > 0).astype(float)),
                PerExampleScores("mean", (second > 0).astype(float)),
            )
        else:
            one, other = PerExampleScores(kind, first, gold), PerExampleScores(kind, second, gold)
        alarms += in_words(one.change_to(other)) != "no clear change"
    assert alarms <= 9, "of 60; 3 are expected, 9 has a chance below 1 in 1,000"


def test_intervals_hold_the_truth_about_nineteen_times_in_twenty() -> None:
    everyone = np.random.default_rng(5).normal(size=100_000)
    truth = PerExampleScores("spearman", scores(1.0, 6, everyone), everyone).value()
    held = 0
    for number in range(40):
        gold = np.random.default_rng(2000 + number).normal(size=120)
        found = PerExampleScores("spearman", scores(1.0, 3000 + number, gold), gold).interval()
        held += found.low <= truth <= found.high
    assert held >= 33


def test_other_rows_cannot_be_paired(gold: np.ndarray) -> None:
    one = PerExampleScores("spearman", gold, gold)
    with pytest.raises(UsageError, match="gold values differ"):
        one.change_to(PerExampleScores("spearman", gold, gold[::-1].copy()))
    with pytest.raises(UsageError, match="cannot pair spearman over 300 rows with mean over 300"):
        one.change_to(PerExampleScores("mean", gold))


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], []), ([0.2], [0.2]), ([0.04, 0.01, 0.03], [0.06, 0.03, 0.06]), ([0.9, 0.8], [1.0, 1.0])],
)
def test_holm_is_the_step_down_correction(values: list[float], expected: list[float]) -> None:
    assert holm(values) == pytest.approx(expected)
