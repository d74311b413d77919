"""Reading rows: gains, the noise of the seed, and words that say no more than the numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from studies import (
    ablation,
    divergence,
    dynamics,
    mixing,
)
from studies.reading import (
    SeedNoise,
    correlation,
    in_words,
    noise_alone,
    noise_paired,
    paired,
    points,
    pretrained_score,
    score,
)


def row(score: float | None, *, seed: int = 0, shift: float = 0.1, **factors: Any) -> dict[str, Any]:
    """A run as a ledger holds it; both tasks have the same value."""
    options = {"method": "m", "seed": seed, **{name: str(value) for name, value in factors.items()}}
    values = {} if score is None else {task: {"value": score} for task in ("STS-B", "SICK-R")}
    gain = {
        task: {"difference": (score or 0) - 80, "low": (score or 0) - 81, "high": (score or 0) - 79}
        for task in values
    }
    facts = {
        "moved": {"shift": shift, "cka": 1 - shift, "neighbours_kept": 1 - shift},
        "gain": gain,
        "curve": {},
    }
    return {
        "key": repr((score, options)),
        "options": options,
        "factors": {"seed": seed, **factors},
        "values": values,
        "facts": facts if score is not None else {"failed": "10 steps in a row"},
    }


def start(value: float = 80.0) -> dict[str, Any]:
    return {**row(value), "options": {"method": "start"}, "factors": {"method": "start"}, "facts": {}}


def test_the_noise_of_the_seed_is_the_pooled_spread_within_settings() -> None:
    first = [row(value, seed=seed, variant="a") for seed, value in enumerate((80.0, 81.0, 82.0))]
    second = [row(value, seed=seed, variant="b") for seed, value in enumerate((90.0, 91.0))]
    alone = [row(70.0, variant="c")]
    noise = noise_alone({"ablation": [start(), *first, *second, *alone], "dynamics": first})
    assert noise.df == 3
    assert noise.sd == pytest.approx(math.sqrt((2 * 1.0 + 0.5) / 3))


def test_what_all_settings_share_with_a_seed_is_no_noise_between_them() -> None:
    rows = [
        row(80 + effect + luck, seed=seed, variant=name)
        for name, effect in {"a": 0.0, "b": 1.0, "c": 2.0}.items()
        for seed, luck in enumerate((0.0, 5.0, -3.0))
    ]
    studies = {"ablation": rows}
    assert noise_alone(studies).sd > 3
    assert noise_paired(studies).sd == pytest.approx(0, abs=1e-9)
    assert noise_paired(studies).df == 4
    same = [
        {**each, "options": {**each["options"], "method": "twin"}, "key": f"twin {each['key']}"}
        for each in rows
    ]
    assert noise_paired({"ablation": rows + same}) == noise_paired(studies)


def test_the_paired_spread_is_the_residual_of_the_two_way_table() -> None:
    random = np.random.default_rng(3)
    table = (
        80 + random.normal(size=(40, 1)) + 3 * random.normal(size=(1, 4)) + 0.5 * random.normal(size=(40, 4))
    )
    rows = [row(float(table[i, j]), seed=j, variant=i) for i in range(40) for j in range(4)]
    noise = noise_paired({"ablation": rows})
    assert noise.df == 39 * 3
    assert 0.42 < noise.sd < 0.58


def test_each_corpus_has_its_own_luck_of_a_seed() -> None:
    """Seed 1 draws good sentences from one corpus and bad ones from the other: no noise between runs of one corpus."""
    rows = [
        row(80 + effect + luck[seed], seed=seed, variant=name, corpus=corpus)
        for corpus, luck in {"large": (0.0, 5.0), "small": (0.0, -5.0)}.items()
        for name, effect in {"a": 0.0, "b": 1.0}.items()
        for seed in (0, 1)
    ]
    noise = noise_paired({"ablation": rows})
    assert (noise.sd, noise.df) == (pytest.approx(0, abs=1e-9), 2)
    # A corpus with one setting has no pairs and adds nothing.
    assert (
        noise_paired({"ablation": [*rows, *(row(9.0 * seed, seed=seed, corpus="b") for seed in (0, 1))]})
        == noise
    )


def test_only_equal_seeds_are_compared() -> None:
    first = [row(80.0, seed=0), row(90.0, seed=1)]
    assert paired(first, [row(89.0, seed=1), row(70.0, seed=2)]) == (1.0, 1)
    assert paired(first, [row(70.0, seed=2)]) is None
    assert noise_paired({"ablation": [row(80.0)]}).band() == math.inf


def test_the_band_holds_nineteen_of_twenty_differences_of_equal_runs() -> None:
    random = np.random.default_rng(0)
    held = 0
    for _ in range(2_000):
        runs = random.normal(size=(4, 2))
        sd = float(np.sqrt(((runs - runs.mean(1, keepdims=True)) ** 2).sum() / 4))
        first, second = random.normal(size=2)
        held += abs(first - second) <= SeedNoise(sd, 4).band()
    assert 0.93 < held / 2_000 < 0.97


def test_the_band_is_wider_for_several_comparisons_and_narrower_for_several_seeds() -> None:
    noise = SeedNoise(sd=0.2, df=7)
    assert noise.band(comparisons=6) > noise.band() > noise.band(first=3, second=3)
    assert SeedNoise(0.0, 0).band() == math.inf


def test_a_difference_inside_the_noise_is_called_no_clear_difference() -> None:
    assert in_words(0.2, 0.3).startswith("no clear difference")
    assert in_words(-0.3, 0.3).startswith("no clear difference")
    assert in_words(0.4, 0.3).startswith("higher by 0.40")
    assert in_words(-0.4, 0.3).startswith("lower by 0.40")
    assert "unknown" in in_words(5.0, math.inf)


def test_scores_and_the_start_are_means_of_the_judged_tasks() -> None:
    assert score(row(81.5)) == 81.5
    assert score(row(None)) is None
    assert pretrained_score([row(90.0), start(79.0)]) == 79.0
    assert points(None) == "–"


def test_a_correlation_needs_runs_and_spread() -> None:
    assert correlation([1, 2, 3, 4], [4, 3, 2, 1]) is None
    assert correlation([1, 2, 3, 4, 5], [5, 4, 3, 2, 1]) is not None
    assert correlation([1, 1, 1, 1, 1], [1, 2, 3, 4, 5]) is None
    random = np.random.default_rng(1)
    unrelated = correlation(random.normal(size=12).tolist(), random.normal(size=12).tolist())
    assert unrelated is not None
    assert "not distinguishable from none" in unrelated.words


def test_the_ablation_tells_chance_from_effect() -> None:
    rows = [start()]
    for variant, value in {
        "simcse": 81.0,
        "focal-infonce": 81.1,
        "hncse-hnm": 84.0,
        "hncse-pm": 78.0,
    }.items():
        luck = 0.05 * len(variant)
        rows += [row(value + luck * (seed % 2), seed=seed, variant=variant) for seed in range(3)]
    words = ablation.answer(rows, {"ablation": rows}).words
    said = {line.split(" beside")[0]: line for line in words if " beside SimCSE" in line}
    assert "no clear difference" in said["focal-infonce"]
    assert "higher by 3" in said["hncse-hnm"]
    assert "lower by 2.9" in said["hncse-pm"]


def test_the_ablation_with_one_seed_says_that_the_noise_is_unknown() -> None:
    rows = [row(81.0, variant="simcse"), row(89.0, variant="hncse")]
    words = ablation.answer(rows, {"ablation": rows}).words
    assert "unknown" in words[0]
    assert any("whether that is more than chance is unknown" in line for line in words)


def test_dynamics_names_what_diverged_and_what_was_harmed() -> None:
    rows = [
        start(),
        row(None, method="simcse", setting="learning rate 1e-3"),
        row(60.0, method="hncse", setting="learning rate 1e-3"),
        row(80.5, method="simcse", setting="usual"),
    ]
    answer = dynamics.answer(rows, {"dynamics": rows})
    extreme = next(line for line in answer.words if line.startswith("Learning rate 1e-3"))
    assert "simcse: diverged, stopped" in extreme
    assert "hncse: harmed (-20.00)" in extreme
    assert {line[-1] for line in answer.table} == {"diverged, stopped", "harmed", "finished"}


def test_the_share_of_a_mixing_run_is_that_of_the_rows_that_are_mixed() -> None:
    """Half of the rows near, and a mean of 0.2 over all rows: 0.4 in the near ones."""
    plain, mixed = row(80.0, gap_threshold=None), row(81.0, gap_threshold=0.6)
    mixed["facts"]["curve"] = {"share_near": [0.5], "share_over": [0.0], "mixing_share": [0.2]}
    said = mixing.answer([plain, mixed], {}).words[-1]
    assert "(50.0% of the rows near, the negative's mean share in them 0.40)" in said


def test_dynamics_says_by_how_much_a_curve_changes_and_that_it_is_one_seed() -> None:
    run = row(80.0, method="simcse", setting="usual")
    run["facts"]["curve"] = {"step": [1, 2], "alignment": [0.15, 0.175]}
    said = dynamics.answer([run], {}).words[0]
    assert "alignment, of which less is better, changes along the run by +0.025 with simcse: one seed" in said


def test_mixing_says_closer_only_where_the_interval_leaves_out_zero() -> None:
    cell = {
        "near_mode": "similarity",
        "near": 0.5,
        "over": 0.0,
        "far": 0.5,
        "mixed": 9,
        "before": 0.9,
        "closer": 0.4,
        "share": 0.3,
    }
    closer = {**cell, "after": 0.95, "change": 0.05, "low": 0.04, "high": 0.06}
    unclear = {**cell, "after": 0.9, "change": 0.0, "low": -0.01, "high": 0.01}
    further = {**cell, "after": 0.85, "change": -0.05, "low": -0.06, "high": -0.04}
    for found, words in ((closer, "closer to"), (unclear, "no clearly different"), (further, "further from")):
        grid = [
            {**found, "gap_threshold": threshold, "near_mode": way}
            for threshold in (0.1, 0.6, 1.0)
            for way in mixing.MODES
        ]
        look = {**row(80.0), "factors": {"look": "the start"}, "facts": {"grid": grid}}
        told = mixing.answer([look], {"mixing": [look]}).words
        assert told[0].count(words) == len(mixing.WAYS) == 3
        conclusion = next(line for line in told if line.startswith("So, at a threshold of 1"))
        assert conclusion.count("with 1 of 1 encoders") == (3 if words == "closer to" else 0)


def test_mixing_says_of_a_search_that_takes_no_share_that_it_left_the_positive_alone() -> None:
    grid = [
        {"near_mode": way, "gap_threshold": threshold, "near": 1.0, "over": 0.0, "far": 0.0, "mixed": 0}
        for way in mixing.MODES
        for threshold in (0.1, 1.0)
    ]
    look = {**row(80.0), "factors": {"look": "the start"}, "facts": {"grid": grid}}
    told = mixing.answer([look], {"mixing": [look]})
    assert "by search left as it is" in told.words[0]
    assert "by search with 0 of 1 encoders (left alone with 1)" in told.words[2]
    assert {line[6] for line in told.table} == {"–"}


def test_divergence_counts_a_run_once_however_many_studies_hold_it() -> None:
    rows = [
        row(80 + 10 * shift, seed=seed, shift=shift)
        for seed, shift in enumerate((0.05, 0.1, 0.15, 0.2, 0.25))
    ]
    again = [{**each, "options": {**each["options"], "tasks": ["STS-B", "more"]}} for each in rows]
    answer = divergence.answer([], {"ablation": rows, "crosslingual": again})
    assert answer.table[0][1] == "5"
    assert "further means more" in answer.words[0]
