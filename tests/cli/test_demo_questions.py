"""What an encoder's answers are worth, on fakes whose right ranks are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from contrapose.cli import demo_questions
from contrapose.cli.demo_questions import ask, numbers_of, questions_of, texts_of
from contrapose.data.docstring_split import Pair, Split
from contrapose.errors import EmptyCorpus

COLOURS = ("red", "green", "blue", "white", "black", "brown", "grey", "pink")


def split_of(description: list[Pair], name: list[Pair], trained: list[Pair] | None = None) -> Split:
    return Split((), (), tuple(trained or ()), tuple(description), tuple(name), 0, len(name), 0)


@pytest.fixture
def split(monkeypatch: pytest.MonkeyPatch) -> Split:
    monkeypatch.setattr(demo_questions, "SEARCHES", ("something blue",))
    description = [
        Pair(f"Paint it {c}.", f"The paint is of the colour {c}.", f"m.paint_{c}") for c in COLOURS
    ]
    name = [Pair(f"paint {c}", f"Paint it {c}.", f"m.paint_{c}") for c in COLOURS]
    hidden = Pair("hidden", "Hide the paint from red.", "m._hidden")
    return split_of(description, name, [hidden])


def asked(encoder: Any, split: Split) -> dict[str, Any]:
    return ask(encoder, questions_of(split), split.library())


def knows_colours(texts):
    """One axis per colour: everything is found at rank 1."""
    return np.array([[float(colour in text) for colour in COLOURS] + [0.1] for text in texts])


def compared(first: dict[str, Any], second: dict[str, Any], task: str, metric: str = "mrr_at_10") -> str:
    """What the demo says of an encoder, ``second``, beside the one before it."""
    numbers = numbers_of(second, first)
    return str(numbers[task][metric]["vs_before"]["verdict"])


def knows_nothing(texts):
    return np.ones((len(texts), 4))


def test_encoder_that_knows_answers_everything_and_one_that_does_not_nothing(split):
    good, bad = asked(knows_colours, split), asked(knows_nothing, split)
    for task in ("description", "name"):
        assert good["scores"][task]["mrr_at_10"].tolist() == [1.0] * 8
        assert good["scores"][task]["accuracy_at_1"].tolist() == [1.0] * 8
        assert not bad["scores"][task]["accuracy_at_1"].any()
        assert compared(bad, good, task) == "better"
        assert compared(good, bad, task) == "worse"
        assert compared(good, good, task) == "no clear change"


def test_answer_that_two_objects_share_is_one_candidate():
    shared = [Pair(f"first {n}", "the same answer", f"m.f{n}") for n in range(3)] + [
        Pair("other", "another", "m.g")
    ]

    def encode(texts):
        return np.array(
            [[1.0, 0.0] if "o" in text[:1] or text == "another" else [0.0, 1.0] for text in texts]
        )

    answers = asked(encode, split_of(shared, shared))
    assert answers["scores"]["description"]["mrr_at_10"].tolist() == [1.0] * 4


def test_searches_show_the_best_public_first_lines(split):
    hits = asked(knows_colours, split)["hits"]["something blue"]
    assert len(hits) == 3
    assert (hits[0]["name"], hits[0]["text"]) == ("m.paint_blue", "Paint it blue.")
    assert hits[0]["cosine"] == pytest.approx(1.0)
    assert hits[0]["cosine"] > hits[1]["cosine"]
    assert "m._hidden" not in {pair.name for pair in split.library()}


def test_every_distinct_text_is_encoded_once(split):
    seen = []

    def encode(texts):
        seen.extend(texts)
        return knows_colours(texts)

    asked(encode, split)
    assert len(seen) == len(set(seen)) == len(texts_of(questions_of(split), split.library())) > 16


def test_geometry_is_that_of_the_held_out_texts(split):
    good, bad = (asked(encoder, split)["geometry"] for encoder in (knows_colours, knows_nothing))
    assert {"alignment", "uniformity", "mean_cosine", "effective_rank"} <= set(good)
    assert good["alignment"] == pytest.approx(0, abs=1e-6)
    assert bad["mean_cosine"] == pytest.approx(1)
    assert good["mean_cosine"] < 0.5
    assert good["uniformity"] < bad["uniformity"]


def test_too_little_text_to_ask_about_is_an_error():
    with pytest.raises(EmptyCorpus, match="0 queries"):
        questions_of(split_of([], []))


def test_difference_that_could_be_chance_is_called_no_clear_change():
    """Also where the interval leaves out zero and the p-value does not agree."""
    generator = np.random.default_rng(0)
    before = generator.random(200)

    def answers(scores_N):
        return {"scores": {"name": {"mrr_at_10": scores_N}}, "geometry": {}, "fingerprint": ""}

    assert (
        compared(answers(before), answers(before + generator.normal(0, 0.1, 200)), "name")
        == "no clear change"
    )
    assert compared(answers(before), answers(before + 0.1), "name") == "better"
    few = np.array([0.0] * 18 + [0.5] * 4)
    assert compared(answers(np.zeros(22)), answers(few), "name") == "no clear change"
