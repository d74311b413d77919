"""What a sweep says of known numbers: with rows and without, with noise and without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from contrapose.errors import UsageError
from contrapose.experiment.measuring import Setting
from contrapose.experiment.sensitivity import sensitivity, told
from contrapose.experiment.sweep import LABEL_FREE, Sweep, Swept
from contrapose.experiment.sweep_report import header, rows, write_report
from contrapose.experiment.trials import Measured, Trial, Trials

GOLD = np.linspace(0, 5, 300)


def swept(
    folder: Path, scores: dict[float, list[float | None]], *, data: bool = False, over: str = ""
) -> Swept:
    """Margin -> score per seed. With data, a score is the noise of the cosines instead."""
    asked = Sweep(
        setting=Setting(
            corpus=("-",), data=("d",) if data else (), tasks=("sts",) if data else (), split="dev"
        ),
        method="focal-infonce",
        over=over or "margin=0..1",
        seeds=len(next(iter(scores.values()))),
    )
    trials = Trials(folder, experiment="sweep")
    entries = []
    for margin, found in scores.items():
        factors = [{"margin": margin, "seed": seed} for seed in range(len(found))]
        mine = [Trial(factors=each, options=each) for each in factors]
        made = {
            trial.key: _measured(score, trial.options["seed"], data)
            for trial, score in zip(mine, found, strict=True)
        }
        entries.append(tuple(trials.run(mine, lambda trial, place, made=made: made[trial.key])))
    return Swept(
        sweep=asked, folder=folder, points=tuple({"margin": margin} for margin in scores), entries=tuple(entries),
        defaults={"margin": 0.3}, trials=trials,
    )  # fmt: skip


def _measured(score: float | None, seed: int, data: bool) -> Measured:
    if score is None:
        return Measured(facts={"failed": "diverged"})
    if not data:
        return Measured(values={LABEL_FREE: {"metric": LABEL_FREE, "protocol": "label-free", "value": score}})
    cosine = GOLD + score * np.random.default_rng(seed).standard_normal(len(GOLD))
    value = 100 * float(spearmanr(cosine, GOLD).statistic)
    values = {"T": {"metric": "spearman", "protocol": "p", "value": value}}
    return Measured(values=values, evidence={"T|spearman|values": cosine, "T|spearman|gold": GOLD})


def test_without_rows_the_region_is_what_lies_within_the_noise_of_seeds(tmp_path: Path) -> None:
    made = swept(tmp_path, {0.0: [1.0, 1.2], 0.3: [5.0, 5.2], 0.6: [5.1, 5.3], 0.9: [2.0, 2.2]})
    found = sensitivity(made)
    assert found.noise == pytest.approx(np.sqrt(0.02))
    assert [setting.near for setting in found.settings] == [False, True, True, False]
    said = told(found)
    assert said[0].startswith("best region: margin from 0.3 to 0.6; 2 of 4 settings")
    assert "no setting is clearly better than the defaults" in said[1]


def test_one_seed_leaves_everything_open_and_is_never_called_better(tmp_path: Path) -> None:
    said = " ".join(told(sensitivity(swept(tmp_path, {0.0: [1.0], 0.3: [2.0], 0.9: [9.0]}))))
    assert "best region: unknown" in said
    assert "a highest number is not a better setting" in said
    assert "clearly better than the defaults (" in said
    assert "no setting is clearly better" in said


def test_with_rows_clear_gains_over_the_defaults_are_told_with_their_place(tmp_path: Path) -> None:
    made = swept(tmp_path, {0.0: [60.0] * 4, 0.3: [4.0] * 4, 0.6: [0.5] * 4, 0.9: [0.51] * 4}, data=True)
    found = sensitivity(made)
    assert [setting.values["margin"] for setting in found.better] == [0.6, 0.9]
    assert told(found)[1].startswith("clearly better than the defaults (margin 0.3;")
    words = {row[0]: row[-1] for row in rows(found)}
    assert words == {"0.6": "better", "0.9": "better", "0.3": "the defaults", "0": "worse"}
    one = sensitivity(swept(tmp_path / "one", {0.3: [4.0], 0.6: [0.5]}, data=True))
    assert one.better == []
    assert rows(one)[0][-1] == "one seed: unknown"


def test_diverged_settings_are_counted_and_never_the_best(tmp_path: Path) -> None:
    found = sensitivity(swept(tmp_path, {0.0: [9.0, None], 0.3: [1.0, 1.1]}))
    assert found.best.values == {"margin": 0.3}
    assert "1 of 2 settings diverged" in told(found)
    assert rows(found)[-1][:2] == ["0", "1 diverged"]
    with pytest.raises(UsageError, match="every setting diverged"):
        sensitivity(swept(tmp_path / "none", {0.3: [None]}))


def test_a_region_that_is_unknown_is_not_the_highest_alone(tmp_path: Path) -> None:
    made = swept(tmp_path, {0.0: [1.0], 0.3: [5.0]})
    plain = write_report(made, sensitivity(made)).json
    assert plain["region"] == []
    assert {setting["within_noise_of_highest"] for setting in plain["settings"]} == {None}


def test_the_report_repeats_the_numbers_of_the_ledger(tmp_path: Path) -> None:
    made = swept(tmp_path, {0.0: [1.0, 1.2], 0.3: [5.0, 5.2]})
    found = sensitivity(made)
    report = write_report(made, found)
    by_value = {setting["values"]["margin"]: setting for setting in report.json["settings"]}
    for entry in made.trials.rows().values():
        factors, value = entry.body["factors"], entry.body["values"][LABEL_FREE]["value"]
        assert by_value[factors["margin"]]["scores"][factors["seed"]] == value
    text = (tmp_path / "results.md").read_text()
    assert "| 0.3 | 5.1000 ± 0.1414 |" in text
    assert header(found)[0] == "margin"


def test_the_region_that_charts_mark_is_the_one_that_the_words_tell(tmp_path: Path) -> None:
    made = swept(tmp_path, {0.0: [1.0, 1.2], 0.3: [5.0, 5.2], 0.6: [5.1, 5.3], 0.9: [2.0, 2.2]})
    plain = write_report(made, sensitivity(made)).json
    assert plain["region"] == [{"margin": 0.3}, {"margin": 0.6}]
    assert "margin from 0.3 to 0.6" in plain["in_words"][0]


def test_a_sweep_on_a_test_split_is_refused_with_the_reason() -> None:
    with pytest.raises(UsageError, match="never reads a test split"):
        Sweep(setting=Setting(corpus=("x",), split="test"), method="simcse", over="temperature=0.1..1")
