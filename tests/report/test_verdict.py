from __future__ import annotations

from dataclasses import replace

import pytest

from contrapose.report.record import Difference, Measured, Score
from contrapose.report.verdict import verdict_of


def score(task: str, words: str) -> Score:
    value = {"better": 1.5, "worse": -1.5, "no clear change": 0.1}[words]
    found = Difference(
        value=value, low=value - 1, high=value + 1, p_value=0.01, p_corrected=0.02, words=words
    )
    side = Measured(value=70.0, low=69.0, high=71.0, rows=9, entry="e")
    return Score(task=task, metric="m", protocol="p", split="test", before=side, after=side, difference=found)


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
    assert verdict_of({}, [score(f"task {n}", each) for n, each in enumerate(words)]).word == word


def test_the_numbers_stand_behind_the_word() -> None:
    found = verdict_of({}, [score("a", "better"), score("b", "no clear change")])
    assert "better on 1 (a +1.50 [+0.50, +2.50])" in found.number
    assert "no clear change on 1 (b +0.10 [-0.90, +1.10])" in found.number
    assert "inside its noise is no clear change" in found.number


def test_measures_of_one_task_are_told_apart_and_not_counted_as_tasks() -> None:
    found = [replace(score("cranfield", "better"), metric=metric) for metric in ("ndcg@10", "recall@100")]
    told = verdict_of({}, found).number
    assert "Measured on 1 labelled task by 2 measures" in told
    assert "cranfield nDCG@10 +1.50" in told
    assert "cranfield recall@100 +1.50" in told


def test_a_score_without_labels_alone_is_no_verdict() -> None:
    found = verdict_of({"score_before": 1.0, "score_chosen": 2.0, "criterion_about": "x"}, [])
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
    found = verdict_of(own, [score("a", "better")])
    assert (found.word, found.happened, found.advice) == ("harms", "It fell.", "Stop.")
    assert (found.number, found.sure) == ("-1.", "Quite.")
    assert found.labelled.startswith("Measured on 1 labelled task")
    assert found.source == "the run's own measure, and paired differences in the ledger"


def test_labelled_tasks_that_contradict_the_run_are_not_hidden() -> None:
    own = {"verdict": {"word": "helps", "text": "It rose."}}
    assert "labelled tasks say otherwise: worse" in verdict_of(own, [score("a", "worse")]).against
    assert verdict_of(own, [score("a", "better"), score("b", "no clear change")]).against == ""


def test_a_run_that_could_not_judge_itself_is_judged_by_the_ledger() -> None:
    own = {"verdict": {"word": "not judged", "text": "No text was held out."}}
    assert verdict_of(own, [score("a", "worse")]).word == "harms"


@pytest.mark.parametrize("odd", [None, "harms", {"text": "x"}, {"word": 3}, []])
def test_a_verdict_of_another_form_is_passed_over(odd: object) -> None:
    assert verdict_of({"verdict": odd}, []).word == "not judged"
