"""Over seeds: what is drawn by chance twice is not called better, and what is better is found."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from contrapose.errors import UsageError
from contrapose.evaluate.over_seeds import compare_methods, spread
from contrapose.evaluate.per_example import PerExampleScores
from contrapose.evaluate.statistics import in_words


def method(
    number: int, *, better: float = 0.0, luck: float = 0.1, seeds: int = 3, rows: int = 150
) -> list[PerExampleScores]:
    """Per-row values: how hard the row is (the same for all methods of ``number // 2``), a seed's luck, and noise."""
    hard_N = np.random.default_rng((77, number // 2)).normal(size=rows)
    generator = np.random.default_rng((78, number))
    return [
        PerExampleScores(
            "mean", hard_N + better + luck * generator.normal() + 0.3 * generator.normal(size=rows)
        )
        for _ in range(seeds)
    ]


def test_spread_is_that_of_scipy() -> None:
    values = [71.2, 73.4, 70.9, 72.2]
    found = spread(values)
    expected = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-12)
    assert found.std == pytest.approx(stats.tstd(values), abs=1e-12)
    assert found.words == f"71.93 ± {found.std:.2f} (4 seeds)"


def test_one_seed_has_no_spread_and_says_so() -> None:
    found = spread([70.0])
    assert (found.std, found.low, found.high, found.seeds) == (None, None, None, 1)
    assert "one seed" in found.words


@pytest.mark.parametrize("values", [[], [float("nan")], [70.0, float("inf")]])
def test_a_spread_of_nothing_is_refused(values: list[float]) -> None:
    with pytest.raises(UsageError, match="one finite number per seed"):
        spread(values)


def test_equal_methods_are_called_different_about_one_time_in_twenty() -> None:
    """Also where the luck of the seeds is larger than that of the rows, which the rows alone cannot see."""
    alarms = of_rows_alone = 0
    for number in range(120):
        before, after = method(2 * number), method(2 * number + 1)
        change = compare_methods(before, after, resamples=200)
        alarms += in_words(change) != "no clear change"
        of_rows_alone += in_words(before[0].change_to(after[0])) != "no clear change"
        assert (change.seed_error or 0) > change.row_error / 10
    assert alarms <= 13, "of 120; 6 are expected, 13 has a chance below 1 in 100"
    assert of_rows_alone > 40, "the luck of one seed must matter, or this test shows nothing"


def test_the_luck_of_the_rows_counts_too() -> None:
    """Two methods that differ by chance on the rows at hand only: their seeds agree perfectly."""
    alarms = 0
    for number in range(60):
        generator = np.random.default_rng((5, number))
        first_N, second_N = generator.normal(size=(2, 80))
        change = compare_methods(
            [PerExampleScores("mean", first_N)] * 3, [PerExampleScores("mean", second_N)] * 3, resamples=300
        )
        assert change.seed_error == pytest.approx(0, abs=1e-9)
        alarms += in_words(change) != "no clear change"
    assert alarms <= 9, "of 60; 3 are expected"


def test_a_better_method_is_found_and_the_interval_holds_the_truth() -> None:
    held = 0
    for number in range(40):
        change = compare_methods(method(2 * number, luck=0.02), method(2 * number + 1, luck=0.02, better=0.3))
        assert in_words(change) == "better"
        held += change.low <= 30 <= change.high
    assert held >= 33


def test_turned_round_it_is_worse_by_as_much() -> None:
    before, after = method(0, luck=0.02), method(1, luck=0.02, better=0.5)
    there, back = compare_methods(before, after), compare_methods(after, before)
    assert there.difference == pytest.approx(-back.difference)
    assert (in_words(there), in_words(back)) == ("better", "worse")
    assert there.low == pytest.approx(-back.high, abs=2)


def test_a_mean_over_tasks_is_surer_than_one_of_them() -> None:
    tasks = [[method(2 * t + side, better=side * 0.1, luck=0.02) for side in (0, 1)] for t in range(5)]
    before, after = ([[task[side][s] for task in tasks] for s in range(3)] for side in (0, 1))
    together, alone = compare_methods(before, after), compare_methods(*tasks[0])
    assert together.row_error < alone.row_error
    assert together.rows == 5 * alone.rows


def test_one_seed_against_three_is_compared_with_a_caution() -> None:
    change = compare_methods(method(0)[:1], method(1))
    assert change.seeds == (1, 3)
    assert change.seed_error is not None
    assert change.caution.startswith("the baseline ran with one seed")
    assert compare_methods(method(0)[:1], method(1)[:1]).seed_error is None
    assert compare_methods(method(0), method(1)).caution == ""


def test_what_cannot_be_compared_is_refused() -> None:
    gold = np.arange(20.0)
    one = PerExampleScores("spearman", gold, gold)
    with pytest.raises(UsageError, match="at least one seed"):
        compare_methods([], [one])
    with pytest.raises(UsageError, match="gold values differ"):
        compare_methods([one], [PerExampleScores("spearman", gold, gold[::-1].copy())])
    with pytest.raises(UsageError, match="one seed has 2 tasks where the first has 1"):
        compare_methods([one], [[one, one]])


def test_paired_seeds_take_out_what_equal_seeds_share() -> None:
    """The luck of a seed moves both methods alike: unpaired it hides the difference, paired it does not."""
    generator = np.random.default_rng(5)
    luck, noise = generator.normal(size=4), 0.05 * generator.normal(size=(2, 4))
    rows_N = generator.normal(size=400)
    before, after = (
        [PerExampleScores("mean", rows_N + luck[seed] + noise[side, seed] + 0.3 * side) for seed in range(4)]
        for side in (0, 1)
    )
    paired = compare_methods(before, after, paired_seeds=True)
    differences = [100 * (a.values_N - b.values_N).mean() for a, b in zip(after, before, strict=True)]
    assert paired.difference == pytest.approx(np.mean(differences))
    assert paired.seed_error == pytest.approx(np.std(differences, ddof=1) / 2)
    assert in_words(paired) == "better"
    assert in_words(compare_methods(before, after)) == "no clear change"
    with pytest.raises(UsageError, match="paired one by one, and there are 4 and 3"):
        compare_methods(before, after[:3], paired_seeds=True)
