"""A report tells the run's own verdict first, and never hides what labelled tasks say against it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contrapose.selection.reported import SIGNS, TONES, LabelledChange, PairedDifference, reported_verdict


def change(task: str, words: str) -> LabelledChange:
    value = {"better": 1.5, "worse": -1.5, "no clear change": 0.1}[words]
    difference = PairedDifference(
        value=value, low=value - 1, high=value + 1, p_value=0.01, p_corrected=0.02, words=words
    )
    return LabelledChange(task=task, name=task, difference=difference)


@pytest.mark.parametrize(
    ("words", "word"),
    [
        (["better"], "helps"),
        (["worse", "no clear change"], "harms"),
        (["no clear change"], "no clear change"),
        (["better", "worse"], "helps and harms"),
        ([], "not judged"),
    ],
)
def test_the_word_follows_from_the_differences(words: list[str], word: str) -> None:
    verdict = reported_verdict({}, [change(f"task {n}", each) for n, each in enumerate(words)])
    assert verdict.word == word
    assert verdict.happened
    assert verdict.advice
    assert word in SIGNS
    assert (word in TONES) == (word != "not judged")


def test_the_numbers_stand_behind_the_word() -> None:
    found = reported_verdict({}, [change("a", "better"), change("b", "no clear change")])
    assert "better on 1 (a +1.50 [+0.50, +2.50])" in found.number
    assert "no clear change on 1 (b +0.10 [-0.90, +1.10])" in found.number
    assert "inside its noise is no clear change" in found.number


def test_measures_of_one_task_are_told_apart_and_not_counted_as_tasks() -> None:
    found = [
        replace(change("cranfield", "better"), name=f"cranfield {measure}")
        for measure in ("nDCG@10", "recall@100")
    ]
    told = reported_verdict({}, found).number
    assert "Measured on 1 labelled task by 2 measures" in told
    assert "cranfield nDCG@10 +1.50" in told
    assert "cranfield recall@100 +1.50" in told


def test_a_score_without_labels_alone_is_no_verdict() -> None:
    found = reported_verdict({"score_before": 1.0, "score_chosen": 2.0, "criterion_about": "x"}, [])
    assert found.word == "not judged"
    assert "(x) rose from 1.00 to 2.00" in found.number
    assert "does not tell help from harm" in found.sure


def test_the_run_s_own_verdict_stands_first() -> None:
    own = {
        "verdict": {
            "word": "harms",
            "happened": "It fell.",
            "advice": "Stop.",
            "number": "-1.",
            "sure": "Quite.",
        }
    }
    found = reported_verdict(own, [change("a", "better")])
    assert (found.word, found.happened, found.advice) == ("harms", "It fell.", "Stop.")
    assert (found.number, found.sure) == ("-1.", "Quite.")
    assert found.labelled.startswith("Measured on 1 labelled task")
    assert found.source == "the run's own measure, and paired differences in the ledger"


def test_labelled_tasks_that_contradict_the_run_are_not_hidden() -> None:
    own = {"verdict": {"word": "helps", "text": "It rose."}}
    assert "labelled tasks say otherwise: worse" in reported_verdict(own, [change("a", "worse")]).against
    assert reported_verdict(own, [change("a", "better"), change("b", "no clear change")]).against == ""


def test_a_run_that_could_not_judge_itself_is_judged_by_the_ledger() -> None:
    own = {"verdict": {"word": "not judged", "text": "No text was held out."}}
    assert reported_verdict(own, [change("a", "worse")]).word == "harms"


@pytest.mark.parametrize("odd", [None, "harms", {"text": "x"}, {"word": 3}, []])
def test_a_verdict_of_another_form_is_passed_over(odd: object) -> None:
    assert reported_verdict({"verdict": odd}, []).word == "not judged"


def test_the_warning_comes_before_what_happened_and_the_word_is_not_said_twice() -> None:
    own = {"verdict": {"word": "helps", "happened": "Helps: it rose.", "number": "+1.", "sure": "Quite."}}
    verdict = reported_verdict(own, [change("a", "worse")])
    assert verdict.what_happened == [verdict.against, "It rose."]
    assert verdict.grounds == ["+1.", "Quite.", verdict.labelled]
