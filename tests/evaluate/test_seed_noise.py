"""Variances learned from many methods: limma's numbers, few false alarms with few seeds, and more found than alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from contrapose.errors import UsageError
from contrapose.evaluate import seed_noise
from contrapose.evaluate.over_seeds import compare_methods
from contrapose.evaluate.per_example import PerExampleScores
from contrapose.evaluate.seed_noise import MOST_FREEDOM, SharedNoise, _fitted, shared_noise
from contrapose.evaluate.statistics import holm

#: Variances and their degrees of freedom; what squeezeVar of limma 3.54.1 says of them.
VARIANCES = np.array([0.04, 0.30, 0.001, 0.5, 0.12, 0.09, 2.0, 0.02, 0.7, 0.15])
DEGREES = np.array([2, 2, 1, 1, 2, 4, 4, 2, 1, 2])
LIMMA_FREEDOM, LIMMA_VARIANCE = 1.79955511584435, 0.119025107296818
LIMMA_MODERATED = (
    0.0774280755984072, 0.2142862034964793, 0.0768665848127119, 0.2551091909953378, 0.1195382687978140,
    0.0990062563904637, 1.4163486813512278, 0.0669005272985555, 0.3265491133130235, 0.1353295912475915,
)  # fmt: skip


def test_the_fit_is_that_of_limma() -> None:
    noise = _fitted(VARIANCES, DEGREES)
    assert noise.freedom == pytest.approx(LIMMA_FREEDOM, rel=1e-9)
    assert noise.variance == pytest.approx(LIMMA_VARIANCE, rel=1e-9)
    for variance, own, expected in zip(VARIANCES, DEGREES, LIMMA_MODERATED, strict=True):
        values = np.sqrt(variance * own / (own + 1)) * np.where(np.arange(own + 1) % 2, 1.0, -1.0)
        values *= math.sqrt(variance / values.var(ddof=1))
        error, freedom = noise.moderated(values)
        assert error**2 * len(values) == pytest.approx(expected, rel=1e-9)
        assert freedom == pytest.approx(own + LIMMA_FREEDOM)


def test_variances_as_alike_as_chance_makes_them_are_pooled() -> None:
    noise = _fitted(np.array([0.10, 0.11, 0.095, 0.105, 0.1]), np.array([4] * 5))
    assert noise == SharedNoise(variance=pytest.approx(0.102), freedom=MOST_FREEDOM, pooled=20)
    assert noise.moderated([1.0]) == (pytest.approx(math.sqrt(0.102)), MOST_FREEDOM)


def test_methods_that_do_just_what_the_baseline_does_have_no_noise() -> None:
    noise = shared_noise([[0.0, 0.0]] * 4)
    assert noise is not None
    assert noise.moderated([0.0, 0.0]) == (0.0, 4.0)


@pytest.mark.parametrize("seeds", [2, 3])
@pytest.mark.parametrize("alike", [2, 4, None])
def test_few_seeds_find_more_with_others_and_alarm_no_more_often(alike: int | None, seeds: int) -> None:
    """Twenty-two methods beside one baseline, their true variances alike or not. Without any difference, at most about
    one table in twenty names one; a large difference is found more often than two or three seeds alone find it."""
    generator = np.random.default_rng(0)
    alarms = found = found_alone = 0
    for _ in range(200):
        spreads = np.ones(22) if alike is None else np.sqrt(alike / generator.chisquare(alike, 22))
        baseline = generator.normal(size=seeds)
        methods = [spread * generator.normal(size=seeds) - baseline for spread in spreads]
        noise = shared_noise(methods)
        assert noise is not None
        alarms += min(holm([p_value(differences, noise) for differences in methods])) < 0.05
        for differences, spread in zip(methods, spreads, strict=True):
            moved = differences + 8 * spread
            found += p_value(moved, noise) < 0.05 / 22
            found_alone += stats.ttest_1samp(moved, 0).pvalue < 0.05 / 22
    assert alarms <= 20, "of 200; 10 are expected"
    assert found > 1.3 * found_alone


def test_taken_at_its_word_the_estimate_makes_false_alarms(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the limit is for: the same tables as above without it."""
    monkeypatch.setattr(seed_noise, "MOST_FREEDOM", 1e6)
    generator = np.random.default_rng(0)
    alarms = 0
    for _ in range(200):
        spreads = np.sqrt(4 / generator.chisquare(4, 22))
        baseline = generator.normal(size=2)
        methods = [spread * generator.normal(size=2) - baseline for spread in spreads]
        noise = shared_noise(methods)
        assert noise is not None
        alarms += min(holm([p_value(differences, noise) for differences in methods])) < 0.05
    assert alarms > 25, "of 200; 10 are expected of a test that keeps its promise"


def p_value(differences: np.ndarray, noise: SharedNoise) -> float:
    error, freedom = noise.moderated(differences)
    return float(2 * stats.t.sf(abs(differences.mean()) / error, freedom))


def test_one_seed_is_compared_with_the_noise_of_the_others() -> None:
    rows_N = np.random.default_rng(1).normal(size=300)
    before, after = PerExampleScores("mean", rows_N), PerExampleScores("mean", rows_N + 0.3)
    alone = compare_methods([before], [after], paired_seeds=True)
    assert (alone.seed_error, alone.caution != "") == (None, True)
    noise = SharedNoise(variance=4.0, freedom=6.0, pooled=20)
    change = compare_methods([before], [after], paired_seeds=True, noise=noise)
    assert (change.seed_error, change.caution) == (2.0, "")
    with pytest.raises(UsageError, match="paired_seeds=True"):
        compare_methods([before], [after], noise=noise)
    reach = 2.0 * stats.t.ppf(0.975, 6)
    assert (change.low, change.high) == pytest.approx((30 - reach, 30 + reach), abs=0.3)
