"""What a sweep says of known numbers: with rows and without, with noise and without."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from scipy.stats import spearmanr

from contrapose.errors import UsageError
from contrapose.experiment.measuring import Setting
from contrapose.experiment.results import Results
from contrapose.experiment.sensitivity import Sensitivity, sensitivity
from contrapose.experiment.sweep import LABEL_FREE, Sweep
from contrapose.experiment.sweep_words import header, in_words, rows
from contrapose.experiment.trials import Trial, TrialResult, Trials
from contrapose.ledger import Entry

GOLD = np.linspace(0, 5, 300)


class Swept(NamedTuple):
    sweep: Sweep
    trials: Trials
    entries: list[Entry]

    @property
    def results(self) -> Results:
        return self.sweep.results(self.trials.folder, self.trials.ledger, self.entries)

    @property
    def sensitivity(self) -> Sensitivity:
        margins = dict.fromkeys(entry.body["factors"]["margin"] for entry in self.entries)
        groups = [
            ({"margin": margin}, [each for each in self.entries if each.body["factors"]["margin"] == margin])
            for margin in margins
        ]
        return sensitivity(
            self.sweep.factors,
            groups,
            self.trials.ledger,
            defaults={"margin": 0.3},
            seeds=self.sweep.seeds,
            digits=4,
        )


def swept(folder: Path, scores: dict[float, list[float | None]], *, data: bool = False) -> Swept:
    """Margin -> score per seed. With data, a score is the noise of the cosines instead."""
    asked = Sweep(
        setting=Setting(
            corpus=("-",), data=("d",) if data else (), tasks=("sts",) if data else (), split="dev"
        ),
        method="focal-infonce",
        over="margin=0..1",
        seeds=len(next(iter(scores.values()))),
    )
    trials = Trials(folder, experiment="sweep")
    planned, results = [], {}
    for margin, by_seed in scores.items():
        for seed, score in enumerate(by_seed):
            each = {"margin": margin, "seed": seed}
            planned.append(Trial(factors=each, options=each))
            results[planned[-1].key] = _measured(score, seed, data)
    return Swept(asked, trials, trials.run(planned, lambda trial, folder: results[trial.key]))


def _measured(score: float | None, seed: int, data: bool) -> TrialResult:
    if score is None:
        return TrialResult(facts={"failed": "diverged"})
    if not data:
        return TrialResult(
            values={LABEL_FREE: {"metric": LABEL_FREE, "protocol": "label-free", "value": score}}
        )
    cosine = GOLD + score * np.random.default_rng(seed).standard_normal(len(GOLD))
    value = 100 * float(spearmanr(cosine, GOLD).statistic)
    values = {"T": {"metric": "spearman", "protocol": "p", "value": value}}
    return TrialResult(values=values, evidence={"T|spearman|values": cosine, "T|spearman|gold": GOLD})


def test_without_rows_the_region_is_what_lies_within_the_noise_of_seeds(tmp_path: Path) -> None:
    made = swept(tmp_path, {0.0: [1.0, 1.2], 0.3: [5.0, 5.2], 0.6: [5.1, 5.3], 0.9: [2.0, 2.2]})
    response = made.sensitivity
    assert response.noise == pytest.approx(np.sqrt(0.02))
    assert [setting.near for setting in response.configurations] == [False, True, True, False]
    said = in_words(response)
    assert said[0].startswith("best region: margin from 0.3 to 0.6; 2 of 4 settings")
    assert "no setting is clearly better than the defaults" in said[1]


def test_one_seed_leaves_everything_open_and_is_never_called_better(tmp_path: Path) -> None:
    said = " ".join(in_words(swept(tmp_path, {0.0: [1.0], 0.3: [2.0], 0.9: [9.0]}).sensitivity))
    assert "best region: unknown" in said
    assert "a highest number is not a better setting" in said
    assert "clearly better than the defaults (" in said
    assert "no setting is clearly better" in said


def test_with_rows_clear_gains_over_the_defaults_are_told_with_their_place(tmp_path: Path) -> None:
    made = swept(tmp_path, {0.0: [60.0] * 4, 0.3: [4.0] * 4, 0.6: [0.5] * 4, 0.9: [0.51] * 4}, data=True)
    response = made.sensitivity
    assert [setting.values["margin"] for setting in response.better] == [0.6, 0.9]
    assert in_words(response)[1].startswith("clearly better than the defaults (margin 0.3;")
    words = {row[0]: row[-1] for row in rows(response)}
    assert words == {"0.6": "better", "0.9": "better", "0.3": "the defaults", "0": "worse"}
    one = swept(tmp_path / "one", {0.3: [4.0], 0.6: [0.5]}, data=True).sensitivity
    assert one.better == []
    assert rows(one)[0][-1] == "one seed: unknown"


def test_diverged_settings_are_counted_and_never_the_best(tmp_path: Path) -> None:
    response = swept(tmp_path, {0.0: [9.0, None], 0.3: [1.0, 1.1]}).sensitivity
    assert response.best.values == {"margin": 0.3}
    assert "1 of 2 settings diverged" in in_words(response)
    assert rows(response)[-1][:2] == ["0", "1 diverged"]
    with pytest.raises(UsageError, match="every setting diverged"):
        swept(tmp_path / "none", {0.3: [None]}).sensitivity  # noqa: B018


def test_a_region_that_is_unknown_is_not_the_highest_alone(tmp_path: Path) -> None:
    made = swept(tmp_path, {0.0: [1.0], 0.3: [5.0]})
    plain = made.results.json
    assert plain["region"] == []
    assert {setting["within_noise_of_highest"] for setting in plain["settings"]} == {None}


def test_the_report_repeats_the_numbers_of_the_ledger(tmp_path: Path) -> None:
    made = swept(tmp_path, {0.0: [1.0, 1.2], 0.3: [5.0, 5.2]})
    response = made.sensitivity
    results = made.results
    results.write()
    by_value = {setting["values"]["margin"]: setting for setting in results.json["settings"]}
    for entry in made.trials.rows().values():
        factors, value = entry.body["factors"], entry.body["values"][LABEL_FREE]["value"]
        assert by_value[factors["margin"]]["scores"][factors["seed"]] == value
    text = (tmp_path / "results.md").read_text()
    assert "| 0.3 | 5.1000 ± 0.1414 |" in text
    assert header(response)[0] == "margin"


def test_the_region_that_charts_mark_is_the_one_that_the_words_tell(tmp_path: Path) -> None:
    made = swept(tmp_path, {0.0: [1.0, 1.2], 0.3: [5.0, 5.2], 0.6: [5.1, 5.3], 0.9: [2.0, 2.2]})
    plain = made.results.json
    assert plain["region"] == [{"margin": 0.3}, {"margin": 0.6}]
    assert "margin from 0.3 to 0.6" in plain["in_words"][0]


def test_a_sweep_on_a_test_split_is_refused_with_the_reason() -> None:
    with pytest.raises(UsageError, match="never reads a test split"):
        Sweep(setting=Setting(corpus=("x",), split="test"), method="simcse", over="temperature=0.1..1")
