"""The table of methods against numbers worked out from trials.jsonl by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from contrapose.errors import TrainingDiverged, UsageError
from contrapose.evaluate.statistics import holm
from contrapose.experiment.standings import MEAN, Standings, standings
from contrapose.experiment.standings_text import main_rows, markdown, task_table, to_json, verdicts
from contrapose.experiment.trials import Measured, Trial, Trials

GOLD = np.linspace(0, 5, 200)


def measured(noise: float, seed: int) -> Measured:
    """Two tasks; more noise, lower correlation."""
    values, evidence = {}, {}
    for place, task in enumerate(("A", "B")):
        drawn = np.random.default_rng([seed, place]).standard_normal(len(GOLD))
        cosine = GOLD + noise * drawn
        value = 100 * float(spearmanr(cosine, GOLD).statistic)
        values[task] = {"metric": "spearman", "protocol": "p", "value": value, "rows": len(GOLD)}
        evidence |= {f"{task}|spearman|values": cosine, f"{task}|spearman|gold": GOLD}
    return Measured(values=values, evidence=evidence)


def experiment(folder: Path, noises: dict[str, float], seeds: int = 3, diverging: str = "") -> Trials:
    trials = [Trial(factors={"method": "start"}, options={"method": "start"})]
    trials += [
        Trial(factors={"method": name, "seed": seed}, options={"method": name, "seed": seed})
        for seed in range(seeds)
        for name in noises
    ]

    def measure(trial: Trial, place: Path) -> Measured:
        name, seed = trial.options["method"], trial.options.get("seed", 9)
        if name == diverging and seed == 1:
            raise TrainingDiverged("10 steps in a row")
        return measured({"start": 3.0, **noises}[name], seed)

    made = Trials(folder, experiment="compare")
    made.run(trials, measure)
    return made


def read(made: Trials, baseline: str) -> Standings:
    return standings(made.ledger, list(made.rows().values()), baseline)


def test_every_number_of_the_table_is_that_of_the_ledger(tmp_path: Path) -> None:
    made = experiment(tmp_path, {"a": 2.0, "b": 1.0})
    lines = [json.loads(line) for line in (tmp_path / "trials.jsonl").read_text().splitlines()]
    found = read(made, "a")
    assert found.main == MEAN
    for method in ("a", "b"):
        mine = [line["values"] for line in lines if line["factors"]["method"] == method]
        means = [np.mean([values[task]["value"] for task in ("A", "B")]) for values in mine]
        spread = found.of(method).spreads[MEAN]
        assert spread.mean == pytest.approx(np.mean(means))
        assert spread.std == pytest.approx(np.std(means, ddof=1))
        cell = next(row for row in main_rows(found) if row[0] == method)[2]
        assert cell == f"{np.mean(means):.2f} ± {np.std(means, ddof=1):.2f}"
        assert found.of(method).spreads["A"].mean == pytest.approx(np.mean([v["A"]["value"] for v in mine]))
        low, high = found.of(method).intervals[MEAN]
        assert low < np.mean(means) < high
    a, b = (found.of(name).spreads[MEAN].mean for name in ("a", "b"))
    assert found.of("b").changes[MEAN].change.difference == pytest.approx(b - a)


def test_p_values_are_corrected_after_holm_within_the_table_they_stand_in(tmp_path: Path) -> None:
    made = experiment(tmp_path, {"a": 2.0, "b": 1.9, "c": 1.0})
    found = read(made, "a")
    others = [row for row in found.rows if row.method != "a"]
    raw = [row.changes[MEAN].change.p_value for row in others]
    assert [row.changes[MEAN].p_corrected for row in others] == holm(raw)
    single = [(row, task) for row in others for task in ("A", "B")]
    raw = [row.changes[task].change.p_value for row, task in single]
    assert sorted(row.changes[task].p_corrected for row, task in single) == sorted(holm(raw))
    assert holm(raw) != raw


def test_words_follow_the_difference_and_the_noise(tmp_path: Path) -> None:
    found = read(experiment(tmp_path, {"a": 2.0, "same": 2.0001, "good": 0.5, "bad": 9.0}), "a")
    words = {row.method: row.changes[MEAN].words for row in found.rows if row.changes}
    assert (words["good"], words["bad"], words["same"]) == ("better", "worse", "no clear change")
    said = " ".join(verdicts(found))
    assert "clearly better than a: good" in said
    assert "within the noise of seeds and test rows: same" in said
    assert "a" not in words


def test_the_start_may_be_the_baseline_and_one_seed_is_cautioned(tmp_path: Path) -> None:
    found = read(experiment(tmp_path, {"a": 1.0}, seeds=1), "start")
    assert found.of("a").spreads[MEAN].std is None
    assert found.of("a").changes[MEAN].change.seeds == (1, 1)
    assert "one seed only" in " ".join(verdicts(found))


def test_a_diverged_trial_is_counted_and_its_method_has_a_seed_less(tmp_path: Path) -> None:
    found = read(experiment(tmp_path, {"a": 2.0, "b": 1.0}, diverging="b"), "a")
    row = found.of("b")
    assert (row.seeds, row.failed) == ((0, 2), ("10 steps in a row",))
    assert next(cells for cells in main_rows(found) if cells[0] == "b")[1] == "2 (1 diverged)"


def test_unlike_numbers_are_not_averaged(tmp_path: Path) -> None:
    made = Trials(tmp_path, experiment="compare")
    value = {"protocol": "p", "value": 1.0, "rows": 3}
    values = {"A": {"metric": "spearman", **value}, "B": {"metric": "accuracy", **value}}
    made.run([Trial(factors={"method": "start"}, options={})], lambda trial, place: Measured(values=values))
    found = read(made, "start")
    assert (list(found.columns), found.main) == (["A", "B"], "A")


def test_nothing_measured_is_an_error(tmp_path: Path) -> None:
    made = Trials(tmp_path, experiment="compare")
    made.run([Trial(factors={"method": "start"}, options={})], lambda trial, place: Measured())
    with pytest.raises(UsageError, match="no trial has a number"):
        read(made, "start")


def test_the_page_and_the_json_hold_the_same_methods(tmp_path: Path) -> None:
    found = read(experiment(tmp_path, {"a": 2.0, "b": 1.0}), "a")
    text = markdown(found, "Methods", ["fact"])
    plain = to_json(found)
    for row in found.rows:
        assert f"| {row.method} |" in text
    assert [method["method"] for method in plain["methods"]] == ["start", "a", "b"]
    assert plain["methods"][2]["numbers"]["mean"]["change"]["words"] == "better"
    assert task_table(found)[0] == ["method", "A", "B"]
