"""The table of methods, end to end on a tiny encoder: planned, measured once, chosen, summed up, told as a page."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from contrapose.errors import TrainingDiverged
from contrapose.evaluate.seed_noise import shared_noise
from contrapose.evaluate.statistics import holm
from contrapose.experiment.comparison_table import ComparisonRow, ComparisonTable, comparison_table
from contrapose.experiment.trials import Trial, TrialResult, Trials
from studies import methods_plan, methods_summary, methods_table
from studies.docstring_questions import DocstringQuestions
from studies.methods_claims import CLAIMS, judged, verdict
from studies.methods_figure import figure
from studies.methods_page import ARMS, measured_of, page
from studies.methods_plan import CHOSEN, PAPER, SETTINGS, Start, methods
from studies.methods_settings import paper_options
from studies.methods_tables import in_short
from tests.studies.inputs import write_inputs

#: SimCSE, one with a recipe of its own, and one that a start without a masked-language head cannot serve.
SOME = ("simcse", "focal-infonce", "diffcse")


@pytest.fixture(scope="module")
def monkeymodule() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory, monkeymodule: pytest.MonkeyPatch) -> Start:
    """A start whose table is measured: three methods, two seeds."""
    inputs = write_inputs(tmp_path_factory.mktemp("methods"))
    for test, dev in {
        "STS/STSBenchmark/sts-test.csv": "STS/STSBenchmark/sts-dev.csv",
        "SICK/SICK_test_annotated.txt": "SICK/SICK_trial.txt",
    }.items():
        shutil.copy(inputs / "data" / dev, inputs / "data" / test)
    questions = DocstringQuestions((("Open a file.", "It is read."), ("Sum up.", "All numbers are added.")))
    monkeymodule.setattr(methods_plan, "docstring_questions", lambda: questions)
    for module in (methods_plan, methods_summary):
        monkeymodule.setattr(module, "methods", lambda: SOME)
    monkeymodule.setattr(methods_plan, "METHODS", SOME[:2])
    made = Start(
        name="tiny",
        model=str(inputs / "model"),
        corpus=str(inputs / "text.txt"),
        senteval=str(inputs / "data"),
        out=inputs / "out",
        seeds=1,
        seeds_of_five=2,
        steps=2,
        batch_size=8,
        sentences=40,
    )
    methods_table.measure(made)
    return made


def test_every_method_is_in_the_plan_with_more_seeds_for_the_five(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("\n".join(f"sentence number {number}" for number in range(99)) + "\n")
    whole = Start(name="a", model="minilm", corpus=str(text), senteval=str(tmp_path), out=tmp_path / "out")
    papers = [trial for trial in whole.planned() if trial.factors.get("arm") == PAPER]
    by_method = {
        name: [t.factors["seed"] for t in papers if t.factors["method"] == name] for name in methods()
    }
    assert set(by_method) == set(methods())
    assert by_method["hncse"] == [0, 1, 2, 3, 4]
    assert by_method["sscl"] == [0, 1, 2]
    assert len({trial.key for trial in whole.planned()}) == len(whole.planned())


def test_the_papers_hyperparameters_are_those_of_its_recipe() -> None:
    assert paper_options("hncse-pm")["raw_vectors"] is True
    assert paper_options("focal-infonce")["margin"] == 0.3
    assert paper_options("simcse")["learning_rate"] == 3e-5
    assert paper_options("hncse") == {
        **paper_options("hncse-hnm"),
        **paper_options("hncse-pm"),
        "method": "hncse",
    }


def test_what_is_measured_is_not_measured_again(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Start, "measure", lambda *_: pytest.fail("measured again"))
    methods_table.measure(start)


def test_the_choice_is_the_best_of_four_on_the_development_split(start: Start) -> None:
    rows = Trials(start.folder, experiment="methods").rows()
    dev = {}
    for setting in SETTINGS:
        trial = start._judged_on_dev("simcse", setting)
        dev[setting] = rows[trial.key].body["facts"]["dev"]
    best = max(dev, key=lambda setting: dev[setting])
    chosen = start.choice("simcse", rows)
    assert chosen is not None
    paper = paper_options("simcse")
    assert (
        chosen.get("learning_rate", paper["learning_rate"]),
        chosen.get("temperature", paper["temperature"]),
    ) == best
    # Seed 0 of the paper's own setting was not trained twice.
    own = start._judged_on_dev("simcse", (3e-5, 0.05))
    assert own.key == start.run("simcse", PAPER, 0).key


def test_the_summary_has_means_differences_and_reasons(start: Start, tmp_path: Path) -> None:
    starts = {
        "tiny": {k: v for k, v in vars(start).items() if k in Start.__dataclass_fields__ and k != "out"}
    }
    (start.out / "starts.json").write_text(json.dumps(starts))
    methods_table.main(["--out", str(start.out), "--summary", str(tmp_path / "methods.jsonl")])
    report = methods_summary.read(tmp_path / "methods.jsonl")
    assert report is not None
    arms = report["starts"]["tiny"]["arms"]
    assert set(arms) == {PAPER, CHOSEN}
    by_name = {row["method"]: row for row in arms[PAPER]["rows"]}
    assert set(by_name) == {"simcse", "focal-infonce"}
    assert by_name["simcse"]["seeds"] == [0, 1]
    assert by_name["simcse"]["differences"] == {}
    main = arms[PAPER]["main"]
    difference = by_name["focal-infonce"]["differences"][main]
    means = [by_name[name]["values"][main]["mean"] for name in ("focal-infonce", "simcse")]
    assert difference["difference"] == pytest.approx(means[0] - means[1], abs=2e-3)
    assert difference["low"] <= difference["difference"] <= difference["high"]
    assert "diffcse" in arms[PAPER]["refused"]
    assert set(arms[CHOSEN]["choices"]) == {"simcse", "focal-infonce"}
    first, last = report["starts"]["tiny"]["measured"]
    assert first <= last

    written = page(report)
    assert "| [`focal-infonce`](methods/focal-infonce.md) | 2 |" in written
    assert "- `diffcse`: " in written
    said = next(line for line in written.splitlines() if line.startswith("| Focal-InfoNCE is above SimCSE"))
    of_arms = [cell.strip() for cell in said.strip("|").split("|")[1:]]
    assert len(of_arms) == 2
    assert all(cell.startswith(("holds here", "does not hold here", "cannot be judged")) for cell in of_arms)
    assert "| claim | with each paper's hyperparameters | with the best of four settings |" in written
    assert "### What the papers claim, after 2 steps" in written
    assert "### Focal-InfoNCE beside SimCSE: alignment and uniformity" in written
    assert written.count(" | uniformity | -") == 2, "once for each arm"
    assert f"Measured {first}" in written
    assert [panel.y_names for panel in figure(report)] == [["focal-infonce"]]
    assert measured_of(report, "diffcse")[0].startswith("- From tiny it cannot be trained: ")
    assert measured_of(report, "focal-infonce")[0].startswith(
        "- From tiny, with each paper's hyperparameters: "
    )


def test_the_page_begins_with_what_is_clear() -> None:
    def row(method: str, mean: float, words: str = "") -> dict[str, Any]:
        change = {"words": words, "low": -1.0, "high": 1.0}
        return {
            "method": method,
            "learning_rate": 3e-5,
            "values": {"mean STS": {"mean": mean, "std": 0.1, "seeds": 3}},
            "differences": {"mean STS": change} if words else {},
        }

    rows = [
        row("hcl", 60, "worse"), row("simcse", 70), row("dcl", 75, "better"), row("twins", 78, "better"),
        row("sscl", 71, "better on these rows, with one seed"), row("cards", 72, "no clear change"),
    ]  # fmt: skip
    arm = {"main": "mean STS", "rows": rows, "refused": {}, "choices": {}}
    (said,) = in_short({"arms": {CHOSEN: arm, PAPER: {**arm, "rows": []}}}, ARMS)
    assert said == (
        "- With the best of four settings SimCSE has 70.00. Clearly above it: `twins`, `dcl`. Clearly below it: 1 of 5 "
        "methods; one seed alone makes nothing clear, and 1 of them have one."
    )
    slower = {**row("diffcse", 60, "worse"), "learning_rate": 7e-6}
    (said,) = in_short({"arms": {PAPER: {**arm, "rows": [rows[1], slower]}}}, ARMS)
    assert said.endswith(
        "Clearly below it: none of 1 methods; 1 had another learning rate than SimCSE, which says little of them."
    )


def test_columns_without_rows_are_tested_with_the_noise_of_all_methods() -> None:
    """By hand: moderated errors of limma, Student's t, Holm; a seed that SimCSE has not is left out."""
    uniformity = {
        "simcse": (1.0, 2.0, 3.0),
        "a": (1.5, 2.4, 3.6),
        "b": (1.1, 2.0, 2.9, 9.9),
        "c": (2.0, 3.1),
        "d": (0.0,),
    }
    rows = tuple(
        ComparisonRow(
            name=name,
            seeds=tuple(range(len(values))),
            failed=(),
            values={"u": values},
            spreads={},
            intervals={},
        )
        for name, values in uniformity.items()
    )
    table = ComparisonTable(baseline="simcse", columns={"u": ("u",)}, metrics={}, main="u", rows=rows)
    tests = methods_summary._over_seeds(table)["u"]
    assert set(tests) == set("abcd")
    differences = {"a": [0.5, 0.4, 0.6], "b": [0.1, 0.0, -0.1], "c": [1.0, 1.1], "d": [-1.0]}
    noise = shared_noise(differences.values())
    assert noise is not None
    p_values = []
    for name, each in differences.items():
        error, freedom = noise.moderated(each)
        test = tests[name]
        assert test["difference"] == pytest.approx(np.mean(each), abs=1e-3)
        low, high = stats.t.interval(0.95, freedom, loc=np.mean(each), scale=error)
        assert (test["low"], test["high"]) == pytest.approx((low, high), abs=1e-3)
        assert test["seeds"] == len(each)
        p_values.append(2 * stats.t.sf(abs(np.mean(each)) / error, freedom))
    assert [tests[name]["p_corrected"] for name in "abcd"] == pytest.approx(holm(p_values), abs=1e-5)


def test_without_results_the_page_says_so() -> None:
    assert "Not measured yet." in page(None)
    assert measured_of(None, "simcse") == []


def test_a_claim_holds_only_where_the_interval_and_the_corrected_p_value_say_so() -> None:
    clear = {"difference": -1.0, "low": -1.5, "high": -0.5, "p_corrected": 0.01, "seed_error": 0.1}
    assert verdict(clear).startswith("does not hold here")
    assert verdict(clear, lower=True).startswith("holds here")
    assert verdict({**clear, "p_corrected": 0.2}).startswith("cannot be judged")
    assert verdict({**clear, "seed_error": None}, lower=True).startswith("cannot be judged with one seed")
    pairs = [{"method": "hncse", "beside": "hncse-pm", **clear}]
    said = judged({"rows": [], "pairs": pairs, "main": "mean"})
    assert [claim.words for claim in said] == ["hard negative mixing adds to positive"]


def arm(change: dict[str, Any], **rates: float) -> dict[str, Any]:
    rows = [
        {"method": name.replace("_", "-"), "learning_rate": rate, "differences": {"mean": change}}
        for name, rate in rates.items()
    ]
    return {"rows": rows, "pairs": [], "main": "mean"}


def test_an_arm_judges_no_claim_about_methods_that_it_trained_with_unlike_rates() -> None:
    clear = {"difference": -9.0, "low": -9.5, "high": -8.5, "p_corrected": 0.01, "seed_error": 0.1}
    unlike = arm(clear, simcse=3e-5, diffcse=7e-6)
    (words,) = judged(unlike).values()
    assert words.startswith(
        "cannot be judged: trained with a learning rate of 7e-06, SimCSE with 3e-05 (-9.00"
    )
    (words,) = judged(unlike, tuned=True).values()
    assert words.startswith("does not hold here")
    (words,) = judged(arm(clear, simcse=3e-5, diffcse=3e-5)).values()
    assert words.startswith("does not hold here")


def test_a_teacher_that_is_the_start_judges_nothing_in_any_arm() -> None:
    clear = {"difference": -9.0, "low": -9.5, "high": -8.5, "p_corrected": 0.01, "seed_error": 0.1}
    for tuned in (False, True):
        (words,) = judged(arm(clear, simcse=3e-5, kdmcse=3e-5), tuned=tuned).values()
        assert words.startswith("cannot be judged: its teacher here is the start")


def test_a_seed_that_diverged_moves_no_other_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SimCSE has 50, 60, 40 points; "bad" 50, nothing, 40: equal seeds differ by 0, and not by -10."""
    points = {"simcse": (50, 60, 40), "bad": (50, None, 40), "lost": (None, None, None)}

    def measured(trial: Trial, folder: Path) -> TrialResult:
        value = points[trial.factors["method"]][trial.factors["seed"]]
        if value is None:
            raise TrainingDiverged("10 steps in a row")
        numbers = {
            name: {"metric": "m", "protocol": "p", "value": float(value), "rows": 100} for name in "ab"
        }
        return TrialResult(values=numbers, evidence={"a|m|values": (np.arange(100) < value).astype(float)})

    trials = Trials(tmp_path, experiment="methods")
    entries = trials.run(
        [
            Trial(factors={"method": name, "seed": seed}, options={"method": name, "seed": seed})
            for name in points
            for seed in range(3)
        ],
        measured,
    )
    groups = {name: [e for e in entries if e.body["factors"]["method"] == name] for name in ("simcse", "bad")}
    table = comparison_table(trials.ledger, groups, "simcse", paired_seeds=True)
    change = table.of("bad").changes["a"].change
    assert (change.difference, change.seeds) == (0, (2, 2))
    by_seed = [methods_summary._by_seed(table.of(name), "b") for name in groups]
    assert by_seed == [{0: 50, 1: 60, 2: 40}, {0: 50, 2: 40}]
    lost = [entry for entry in entries if entry.body["factors"]["method"] == "lost"]
    assert methods_summary._failed(lost)[1] == "seed 1: 10 steps in a row"


def test_further_pairs_are_of_the_family_of_the_differences_to_the_baseline(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    names = ("simcse", "one", "two", "both")

    def measured(trial: Trial, folder: Path) -> TrialResult:
        rows = random.normal(50 + names.index(trial.factors["method"]) / 9, 1, 200)
        value = {"metric": "m", "protocol": "p", "value": float(rows.mean()), "rows": 200}
        return TrialResult(values={"a": value}, evidence={"a|m|values": rows / 100})

    trials = Trials(tmp_path, experiment="methods")
    entries = trials.run(
        [
            Trial(factors={"method": name, "seed": seed}, options={"method": name, "seed": seed})
            for name in names
            for seed in range(2)
        ],
        measured,
    )
    groups = {name: [e for e in entries if e.body["factors"]["method"] == name] for name in names}
    pairs = [("both", "one"), ("both", "two")]
    table = comparison_table(trials.ledger, groups, "simcse", paired_seeds=True, pairs=pairs)
    changes = [*(table.of(name).changes["a"] for name in names[1:]), *(table.pairs[pair] for pair in pairs)]
    assert [each.p_corrected for each in changes] == holm([each.change.p_value for each in changes])
    (noise,) = {each.change.noise for each in changes}
    assert noise is not None


def test_claims_are_about_methods_and_columns_that_there_are() -> None:
    assert {claim.beside for claim in CLAIMS} <= set(methods())
    assert len({claim.words for claim in CLAIMS}) == len(CLAIMS)
