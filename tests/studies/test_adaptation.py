"""The study ``adaptation`` end to end on two tiny domains: what is adapted to and judged, and when a word is right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from contrapose.adapt import signals as adapting
from contrapose.errors import UsageError
from studies import adaptation, signals
from studies.adaptation import STUDY
from studies.adaptation_answers import by_domain, is_right
from studies.adaptation_domains import ADAPTED
from studies.pages import section
from studies.reading import rows_in
from studies.runs import Planned, run_planned
from tests.studies.inputs import setup_in
from tests.studies.test_selection import inputs as inputs

DOMAINS = ("cranfield", "banking77")


@pytest.fixture(scope="module")
def two_domains() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(adaptation, "ADAPTED", {name: ADAPTED[name] for name in DOMAINS})
        patched.setattr(adaptation, "SIZES", {"300 rows": 300})
        short = [
            replace(each, steps=4, passes=0, options={**each.options, "batch_size": 8, "max_length": 16})
            for each in adapting.SIGNALS
        ]
        patched.setattr(adapting, "SIGNALS", tuple(short))
        yield


@pytest.fixture(scope="module")
def planned(inputs: Path, two_domains: None) -> list[Planned]:
    return STUDY.plan(setup_in(inputs, inputs / "out", data=(str(inputs / "data"),)))


@pytest.fixture(scope="module")
def out(inputs: Path, planned: list[Planned]) -> Path:
    run_planned(
        "adaptation", [each for each in planned if each.trial.factors["seed"] == 0], inputs / "adapted"
    )
    return inputs / "adapted"


def test_every_domain_is_adapted_to_with_every_seed(planned: list[Planned]) -> None:
    met = [(each.trial.factors["domain"], each.trial.factors["seed"]) for each in planned]
    assert sorted(met) == sorted((domain, seed) for domain in DOMAINS for seed in range(3))


def test_a_row_holds_the_word_and_the_truth(out: Path) -> None:
    rows = {row["factors"]["domain"]: row["facts"] for row in rows_in(out, ["adaptation"])["adaptation"]}
    assert set(rows) == set(DOMAINS)
    for facts in rows.values():
        assert facts["word"] in ("better", "unchanged")
        assert facts["low"] <= facts["difference"] <= facts["high"]
        assert facts["value"] == pytest.approx(facts["start"] + facts["difference"], abs=1e-6)
        assert facts["word"] == "better" or facts["difference"] == 0
    assert rows["cranfield"]["hybrid"] is not None
    assert rows["banking77"]["hybrid"] is None


def test_the_rows_are_answered_and_drawn(out: Path) -> None:
    pytest.importorskip("matplotlib")
    studies = rows_in(out, ["adaptation"])
    text = "\n".join(section(STUDY, studies))
    assert "The mean gain over 2 domains" in text
    assert "was right in" in text
    assert STUDY.figure(studies["adaptation"], studies) is not None
    header, _, *lines = by_domain(studies["adaptation"])
    assert "after, 300 rows" in header
    assert [line.split(" | ")[0].strip("| ") for line in lines] == list(DOMAINS)


def test_the_worth_of_signals_is_read_from_the_same_runs(out: Path, inputs: Path) -> None:
    studies = rows_in(out, ["adaptation"])
    found = signals.worth(studies["adaptation"])
    facts = {row["factors"]["domain"]: row["facts"] for row in studies["adaptation"]}
    for name, changed in found.items():
        for domain, changes in changed.items():
            known = {**facts[domain]["signals"], signals.HANDED_OUT: facts[domain]["difference"]}
            assert changes == [
                change for key, change in known.items() if key == name or key.split("-")[0] == name
            ]
    text = "\n".join(section(signals.STUDY, studies))
    assert f"| {signals.HANDED_OUT} |" in text
    assert signals.STUDY.figure(studies["adaptation"], studies) is not None
    setup = setup_in(inputs, out, data=(str(inputs / "data"),))
    assert {each.trial.factors["seed"] for each in signals.STUDY.plan(setup)} == {1, 2}


def test_a_word_is_right_by_the_labels() -> None:
    assert is_right({"word": "better", "difference": 0.01})
    assert not is_right({"word": "better", "difference": -0.01})
    assert is_right({"word": "unchanged", "signals": {"pairs": 0.9}})
    assert is_right({"word": "unchanged", "signals": {}})
    assert not is_right({"word": "unchanged", "signals": {"pairs": -2.0, "ranking": 1.1}})


def test_without_labelled_domains_it_says_what_to_give(inputs: Path) -> None:
    with pytest.raises(UsageError, match="needs labelled domains"):
        STUDY.plan(setup_in(inputs, inputs / "out", data=(str(inputs),)))
