"""The numbers of the product are those of the study: constants, reliability."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from contrapose.selection.label_free import DIFFUSE, HARMS, MARGIN, UNCLEAR
from contrapose.selection.verdict import KEPT_STARTS, RELIABILITY
from studies import selection_verdicts as verdicts
from studies.selection import STUDY

RESULTS = Path(__file__).resolve().parents[2] / "studies" / "results" / "selection.jsonl"


@pytest.fixture(scope="module")
def rows() -> list[Mapping[str, Any]]:
    return [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]


def test_the_constants_are_those_that_fit_the_study(rows: list[Mapping[str, Any]]) -> None:
    assert verdicts.fitted(verdicts.cases_of(rows)) == (DIFFUSE, MARGIN)


def test_the_reliability_that_a_run_tells_is_that_of_domains_left_out(rows: list[Mapping[str, Any]]) -> None:
    judged = [pair for pair in verdicts.left_out(verdicts.cases_of(rows)) if pair[0].share == "1"]
    assert len(judged) == len(rows)
    assert verdicts.reliability(judged) == dict(RELIABILITY)


def test_what_a_run_that_keeps_its_start_tells_of_such_runs_is_counted(rows: list[Mapping[str, Any]]) -> None:
    assert verdicts.kept_pretrained(verdicts.cases_of(rows)) == KEPT_STARTS


def turned_around(rows: list[Mapping[str, Any]], domain: str) -> list[Mapping[str, Any]]:
    """The rows, as if everything had helped in one domain."""
    turned: list[Mapping[str, Any]] = json.loads(json.dumps(rows))
    for row in turned:
        if row["factors"]["domain"] == domain:
            for found in row["facts"]["shares"].values():
                truth = found["truth"]
                truth["difference"], truth["low"], truth["high"] = 9.0, 8.0, 10.0
    return turned


def test_leaving_out_really_leaves_out(rows: list[Mapping[str, Any]]) -> None:
    """A domain whose truth is turned around changes no verdict on itself."""
    turned = turned_around(rows, "banking77")

    def of_banking(some: list[Mapping[str, Any]]) -> list[str]:
        judged = verdicts.left_out(verdicts.cases_of(some))
        return [word for case, word in judged if case.domain == "banking77"]

    assert of_banking(turned) == of_banking(rows)
    assert HARMS in of_banking(rows)


def test_blending_as_chosen_without_labels_avoids_the_harm(rows: list[Mapping[str, Any]]) -> None:
    found = verdicts.policies(verdicts.cases_of(rows))
    assert min(found["auto"]) > min(found["half of it"]) > min(found["the trained encoder"])
    assert all(
        best >= chosen
        for best, chosen in zip(found["the best of pretrained, half and all"], found["auto"], strict=True)
    )


def test_what_auto_gives_is_chosen_with_the_constants_of_the_other_domains(
    rows: list[Mapping[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        verdicts, "DIFFUSE_GRID", (0.0, 1.0)
    )  # so that leaving a domain out changes the choice
    cases = verdicts.cases_of(rows)
    ends = [kept for kept, _ in verdicts.delivered(cases)]
    assert verdicts.policies(cases)["auto"] == [kept.points if kept else 0.0 for kept in ends]
    assert verdicts.kept_pretrained(cases)[0] == ends.count(None)


def test_the_answer_says_what_was_not_reached(rows: list[Mapping[str, Any]]) -> None:
    """And what was: eight of ten, but only of the models that runs hand out, the start among them."""
    words = " ".join(STUDY.answer(rows, {}).words)
    cases = verdicts.cases_of(rows)
    ends = verdicts.delivered(cases)
    kept = [(case, word) for case, word in ends if case is not None]
    right, starts = sum(word == case.truth for case, word in kept), len(ends) - len(kept)
    assert right + starts >= 0.8 * len(ends)
    assert f"is right in {right + starts} of {len(ends)} runs" in words
    assert f"In {starts} of these runs the pretrained model itself" in words
    assert f"of the others, {right} of {len(kept)}." in words
    whole = [pair for pair in verdicts.left_out(cases) if pair[0].share == "1"]
    assert f"right in {sum(word == case.truth for case, word in whole)} of {len(rows)} runs" in words
    for word, (hit, said) in RELIABILITY.items():
        assert f"'{word}' {hit} of {said}" in words


def test_a_run_hands_out_the_start_only_where_nothing_trained_is_expected_to_be_better(
    rows: list[Mapping[str, Any]],
) -> None:
    cases = verdicts.cases_of(rows)
    ends = verdicts.delivered(cases)
    assert len(ends) == len(rows)
    assert {word for kept, word in ends if kept is None} == {UNCLEAR}
    names = [(kept.domain, kept.recipe) for kept, _ in ends if kept is not None]
    assert len(set(names)) == len(names) < len(rows)
    assert {kept.share if kept else "0" for kept, _ in ends} == {"0", "0.5", "1"}


def test_what_is_handed_out_is_chosen_without_a_look_at_its_own_domain(rows: list[Mapping[str, Any]]) -> None:
    """Where the truth of a domain is turned around, its own runs hand out what they did."""
    turned = turned_around(rows, "medical-questions")

    def of_medicine(some: list[Mapping[str, Any]]) -> list[tuple[str, str]]:
        cases = verdicts.cases_of(some)
        return [
            (kept.recipe, kept.share, word)
            for kept, word in verdicts.delivered(cases)
            if kept is not None and kept.domain == "medical-questions"
        ]

    assert of_medicine(turned) == of_medicine(rows)
