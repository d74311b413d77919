"""The comparison table against numbers worked out from trials.jsonl by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from contrapose.errors import TrainingDiverged, UsageError
from contrapose.evaluate.statistics import holm
from contrapose.experiment.compare import Comparison, in_words, main_rows, task_rows
from contrapose.experiment.comparison_table import (
    MEAN,
    ComparisonTable,
    ScoresOfTask,
    by_method,
    comparison_table,
    per_example_scores_of,
)
from contrapose.experiment.measuring import Setting
from contrapose.experiment.trials import Trial, TrialResult, Trials

GOLD = np.linspace(0, 5, 200)


def measured(noise: float, seed: int) -> TrialResult:
    """Two tasks; more noise, lower correlation."""
    values, evidence = {}, {}
    for place, task in enumerate(("A", "B")):
        drawn = np.random.default_rng([seed, place]).standard_normal(len(GOLD))
        cosine = GOLD + noise * drawn
        value = 100 * float(spearmanr(cosine, GOLD).statistic)
        values[task] = {"metric": "spearman", "protocol": "p", "value": value, "rows": len(GOLD)}
        evidence |= {f"{task}|spearman|values": cosine, f"{task}|spearman|gold": GOLD}
    return TrialResult(values=values, evidence=evidence)


def experiment(folder: Path, noises: dict[str, float], seeds: int = 3, diverging: str = "") -> Trials:
    trials = [Trial(factors={"method": "start"}, options={"method": "start"})]
    trials += [
        Trial(factors={"method": name, "seed": seed}, options={"method": name, "seed": seed})
        for seed in range(seeds)
        for name in noises
    ]

    def measure(trial: Trial, folder: Path) -> TrialResult:
        name, seed = trial.options["method"], trial.options.get("seed", 9)
        if name == diverging and seed == 1:
            raise TrainingDiverged("10 steps in a row")
        return measured({"start": 3.0, **noises}[name], seed)

    made = Trials(folder, experiment="compare")
    made.run(trials, measure)
    return made


def read(made: Trials, baseline: str) -> ComparisonTable:
    return comparison_table(made.ledger, by_method(list(made.rows().values())), baseline)


def test_every_number_of_the_table_is_that_of_the_ledger(tmp_path: Path) -> None:
    made = experiment(tmp_path, {"a": 2.0, "b": 1.0})
    lines = [json.loads(line) for line in (tmp_path / "trials.jsonl").read_text().splitlines()]
    table = read(made, "a")
    assert table.main == MEAN
    for method in ("a", "b"):
        mine = [line["values"] for line in lines if line["factors"]["method"] == method]
        means = [np.mean([values[task]["value"] for task in ("A", "B")]) for values in mine]
        spread = table.of(method).spreads[MEAN]
        assert spread.mean == pytest.approx(np.mean(means))
        assert spread.std == pytest.approx(np.std(means, ddof=1))
        cell = next(row for row in main_rows(table) if row[0] == method)[2]
        assert cell == f"{np.mean(means):.2f} ± {np.std(means, ddof=1):.2f}"
        assert table.of(method).spreads["A"].mean == pytest.approx(np.mean([v["A"]["value"] for v in mine]))
        low, high = table.of(method).intervals[MEAN]
        assert low < np.mean(means) < high
    a, b = (table.of(name).spreads[MEAN].mean for name in ("a", "b"))
    assert table.of("b").changes[MEAN].change.difference == pytest.approx(b - a)


def test_p_values_are_corrected_after_holm_within_the_table_they_stand_in(tmp_path: Path) -> None:
    made = experiment(tmp_path, {"a": 2.0, "b": 1.9, "c": 1.0})
    table = read(made, "a")
    others = [row for row in table.rows if row.name != "a"]
    raw = [row.changes[MEAN].change.p_value for row in others]
    assert [row.changes[MEAN].p_corrected for row in others] == holm(raw)
    single = [(row, task) for row in others for task in ("A", "B")]
    raw = [row.changes[task].change.p_value for row, task in single]
    assert sorted(row.changes[task].p_corrected for row, task in single) == sorted(holm(raw))
    assert holm(raw) != raw


def test_words_follow_the_difference_and_the_noise(tmp_path: Path) -> None:
    table = read(experiment(tmp_path, {"a": 2.0, "same": 2.0001, "good": 0.5, "bad": 9.0}), "a")
    words = {row.name: row.changes[MEAN].words for row in table.rows if row.changes}
    assert (words["good"], words["bad"], words["same"]) == ("better", "worse", "no clear change")
    said = " ".join(in_words(table))
    assert "clearly better than a: good" in said
    assert "within the noise of seeds and test rows: same" in said
    assert "a" not in words


def test_the_start_may_be_the_baseline_and_one_seed_is_cautioned(tmp_path: Path) -> None:
    table = read(experiment(tmp_path, {"a": 1.0}, seeds=1), "start")
    assert table.of("a").spreads[MEAN].std is None
    assert table.of("a").changes[MEAN].change.seeds == (1, 1)
    assert "one seed only" in " ".join(in_words(table))


def test_a_diverged_trial_is_counted_and_its_method_has_a_seed_less(tmp_path: Path) -> None:
    table = read(experiment(tmp_path, {"a": 2.0, "b": 1.0}, diverging="b"), "a")
    row = table.of("b")
    assert (row.seeds, row.failed) == ((0, 2), ("10 steps in a row",))
    assert next(cells for cells in main_rows(table) if cells[0] == "b")[1] == "2 (1 diverged)"


def test_unlike_numbers_are_not_averaged(tmp_path: Path) -> None:
    made = Trials(tmp_path, experiment="compare")
    value = {"protocol": "p", "value": 1.0, "rows": 3}
    values = {"A": {"metric": "spearman", **value}, "B": {"metric": "accuracy", **value}}
    made.run(
        [Trial(factors={"method": "start"}, options={})], lambda trial, folder: TrialResult(values=values)
    )
    table = read(made, "start")
    assert (list(table.columns), table.main) == (["A", "B"], "A")


def test_nothing_measured_is_an_error(tmp_path: Path) -> None:
    made = Trials(tmp_path, experiment="compare")
    made.run([Trial(factors={"method": "start"}, options={})], lambda trial, folder: TrialResult())
    with pytest.raises(UsageError, match="no trial has a number"):
        read(made, "start")


def test_the_page_and_the_json_hold_the_same_methods(tmp_path: Path) -> None:
    made = experiment(tmp_path, {"a": 2.0, "b": 1.0})
    (tmp_path / "text.txt").write_text("a\n")
    setting = Setting(corpus=(str(tmp_path / "text.txt"),), tasks=("A", "B"))
    results = Comparison(setting=setting, methods=("a", "b")).results(
        tmp_path, made.ledger, list(made.rows().values())
    )
    results.write()
    page, plain = results.files[0].read_text(), json.loads(results.files[1].read_text())
    for method in ("start", "a", "b"):
        assert f"| {method} |" in page
    assert [method["method"] for method in plain["methods"]] == ["start", "a", "b"]
    assert plain["methods"][2]["numbers"]["mean"]["change"]["words"] == "better"
    assert plain["verdicts"][0] == "clearly better than a: b"
    assert "- clearly better than a: b" in page
    assert task_rows(read(made, "a"))[0] == ["method", "A", "B"]


def test_what_a_trial_measured_is_read_back_with_gold_and_parts(tmp_path: Path) -> None:
    gold, cosine, parts = np.arange(9.0), np.arange(9.0)[::-1].copy(), np.repeat([0, 1, 2], 3)
    value = {"metric": "spearman", "protocol": "p", "value": -100.0}
    arrays = {"values": cosine, "gold": gold, "parts": parts}
    measured = TrialResult(
        values={
            "A": value,
            "B": {**value, "metric": "accuracy", "value": 50.0},
            "C": {**value, "value": None},
        },
        evidence={
            **{f"A|spearman|{name}": array for name, array in arrays.items()},
            "B|accuracy|values": np.array([0.0, 1.0]),
            "C|spearman|values": cosine,
        },
    )
    trials = Trials(tmp_path, experiment="compare")
    (entry,) = trials.run([Trial(factors={}, options={})], lambda trial, folder: measured)
    evidence = per_example_scores_of(trials.ledger, entry)
    assert list(evidence) == ["A", "B"]
    assert evidence["A"].value() == pytest.approx(-100)
    assert evidence["A"].parts_N is not None
    assert (evidence["B"].kind, evidence["B"].value()) == ("mean", 50.0)


def test_two_models_get_the_same_draws_of_a_task_and_other_draws_of_another() -> None:
    rows = np.random.default_rng(0).random(50)
    first, again = (ScoresOfTask("mean", rows, task="A").resampled(resamples=20, seed=s) for s in (1, 2))
    other = ScoresOfTask("mean", rows, task="B").resampled(resamples=20)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
