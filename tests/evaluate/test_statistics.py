from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap, permutation_test, spearmanr

from contrapose.errors import UsageError
from contrapose.evaluate.statistics import bootstrap_interval, paired_test, spearman


@given(st.lists(st.tuples(st.integers(0, 6), st.floats(-1e3, 1e3)), min_size=2, max_size=60))
def test_spearman_equals_scipy_with_ties(rows: list[tuple[int, float]]) -> None:
    a, b = np.array(rows, dtype=np.float64).T
    ours = spearman(a, b)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        assert np.isnan(ours)
    else:
        assert ours == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)


def test_spearman_of_order_reverse_and_constant() -> None:
    x = np.arange(10.0)
    assert spearman(x, np.exp(x)) == 1.0
    assert spearman(x, -x) == -1.0
    assert np.isnan(spearman(x, np.ones(10)))
    assert np.isnan(spearman(x, np.where(x == 3, np.nan, x)))
    assert np.isnan(spearman(np.ones(1), np.ones(1)))
    with pytest.raises(ValueError, match="10 values against 9"):
        spearman(x, x[1:])


def test_interval_of_a_mean_agrees_with_scipy() -> None:
    scores = np.random.default_rng(1).exponential(size=200)
    ours = bootstrap_interval(scores)
    theirs = bootstrap(
        (scores,), np.mean, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    assert ours.estimate == scores.mean()
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_interval_covers_the_truth_about_95_times_in_100() -> None:
    generator = np.random.default_rng(3)
    samples = generator.random((200, 100)) < 0.3
    covered = 0
    for sample in samples:
        interval = bootstrap_interval(sample.astype(float), resamples=300)
        covered += interval.low <= 0.3 <= interval.high
    assert 180 <= covered <= 199


def test_same_seed_same_interval_and_other_seed_another() -> None:
    scores = np.random.default_rng(0).random(30)
    assert bootstrap_interval(scores, seed=4) == bootstrap_interval(scores, seed=4)
    assert bootstrap_interval(scores, seed=4) != bootstrap_interval(scores, seed=5)


def test_blocks_of_memory_do_not_change_the_mean_path(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = np.random.default_rng(0).random(31)
    whole = bootstrap_interval(scores, resamples=100)
    monkeypatch.setattr("contrapose.evaluate.statistics.BLOCK", 31 * 7)
    in_blocks = bootstrap_interval(scores, resamples=100)
    assert (in_blocks.low, in_blocks.high) == pytest.approx((whole.low, whole.high), abs=0.05)


def test_vectorised_mean_equals_the_general_path() -> None:
    scores = np.random.default_rng(0).random(40)
    fast = bootstrap_interval(scores, resamples=200)
    slow = bootstrap_interval(scores, resamples=200, statistic=lambda rows: float(rows.mean()))
    assert (fast.low, fast.high) == pytest.approx((slow.low, slow.high), abs=1e-12)


def test_interval_of_any_statistic_of_rows() -> None:
    x = np.random.default_rng(0).random(80)
    rows = np.stack([x, x + 0.1 * np.random.default_rng(1).random(80)], axis=1)
    found = bootstrap_interval(rows, statistic=lambda r: spearman(r[:, 0], r[:, 1]), resamples=200)
    assert found.low < found.estimate < found.high <= 1.0
    assert found.estimate == spearman(rows[:, 0], rows[:, 1])


def test_paired_test_agrees_with_scipy_permutation() -> None:
    generator = np.random.default_rng(5)
    before = generator.random(60)
    after = before + 0.03 + 0.15 * generator.standard_normal(60)
    ours = paired_test(before, after, resamples=4_000)
    theirs = permutation_test(
        (after, before), lambda a, b: np.mean(a - b), permutation_type="samples",
        n_resamples=4_000, rng=np.random.default_rng(6),
    )  # fmt: skip
    assert ours.p_value == pytest.approx(theirs.pvalue, abs=0.02)
    assert ours.low < ours.difference < ours.high
    assert ours.better + ours.worse == ours.rows == 60


def test_no_difference_is_never_significant() -> None:
    scores = np.random.default_rng(0).random(50)
    same = paired_test(scores, scores)
    assert (same.difference, same.p_value, same.better, same.worse) == (0.0, 1.0, 0, 0)


def test_p_value_of_few_rows_is_exact_in_the_limit() -> None:
    # Three rows that all rise: 2 of the 8 sign patterns are as extreme.
    assert paired_test(np.zeros(3), np.array([0.1, 0.2, 0.3]), resamples=40_000).p_value == pytest.approx(
        0.25, abs=0.01
    )


def test_p_values_under_no_effect_are_spread_evenly() -> None:
    generator = np.random.default_rng(7)
    p_values = [paired_test(*generator.random((2, 40)), resamples=300, seed=i).p_value for i in range(200)]
    assert 0.4 < np.mean(p_values) < 0.6
    assert np.mean(np.array(p_values) < 0.05) < 0.12


@pytest.mark.parametrize("scores", [[], [1.0, np.nan], [np.inf]])
def test_rows_that_cannot_be_resampled_are_refused(scores: list[float]) -> None:
    with pytest.raises(UsageError):
        bootstrap_interval(np.array(scores))


def test_paired_test_needs_the_same_rows() -> None:
    with pytest.raises(UsageError, match="one score per query on both sides"):
        paired_test(np.zeros(3), np.zeros(4))
