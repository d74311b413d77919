"""What an encoder's answers are worth, on fakes whose right ranks are known."""

from __future__ import annotations

import numpy as np
import pytest

from contrapose.cli.demo_queries import Answers, DemoQueries, ask, demo_queries, verdict
from contrapose.data.held_out import Pair, Split
from contrapose.errors import EmptyCorpus
from contrapose.evaluate.statistics import paired_test

COLOURS = ("red", "green", "blue", "white", "black", "brown", "grey", "pink")


def split_of(description: list[Pair], name: list[Pair], trained: list[Pair] | None = None) -> Split:
    return Split((), (), tuple(trained or ()), tuple(description), tuple(name), 0, len(name), 0)


@pytest.fixture
def queries() -> DemoQueries:
    description = [
        Pair(f"Paint it {c}.", f"The paint is of the colour {c}.", f"m.paint_{c}") for c in COLOURS
    ]
    name = [Pair(f"paint {c}", f"Paint it {c}.", f"m.paint_{c}") for c in COLOURS]
    hidden = Pair("hidden", "Hide the paint from red.", "m._hidden")
    return demo_queries(split_of(description, name, [hidden]), searches=("something blue",))


def knows_colours(texts):
    """One axis per colour: everything is found at rank 1."""
    return np.array([[float(colour in text) for colour in COLOURS] + [0.1] for text in texts])


def compared(first: Answers, second: Answers, task: str) -> str:
    test = paired_test(first.scores(task), second.scores(task))
    return verdict(test.low, test.high)


def knows_nothing(texts):
    return np.ones((len(texts), 4))


def test_encoder_that_knows_answers_everything_and_one_that_does_not_nothing(queries):
    good, bad = ask(knows_colours, queries), ask(knows_nothing, queries)
    for task in ("description", "name"):
        assert good.ranks[task].tolist() == [1.0] * 8
        assert good.scores(task).mean() == good.scores(task, "accuracy_at_1").mean() == 1
        assert bad.scores(task, "accuracy_at_1").mean() == 0
        assert compared(bad, good, task) == "better"
        assert compared(good, bad, task) == "worse"
        assert compared(good, good, task) == "within noise"


def test_answer_that_two_objects_share_is_one_candidate():
    shared = [Pair(f"first {n}", "the same answer", f"m.f{n}") for n in range(3)] + [
        Pair("other", "another", "m.g")
    ]
    queries = demo_queries(split_of(shared, shared), searches=())

    def encode(texts):
        return np.array(
            [[1.0, 0.0] if "o" in text[:1] or text == "another" else [0.0, 1.0] for text in texts]
        )

    assert ask(encode, queries).ranks["description"].tolist() == [1.0] * 4


def test_searches_show_the_best_public_first_lines(queries):
    hits = ask(knows_colours, queries).hits["something blue"]
    assert len(hits) == 3
    assert (hits[0]["name"], hits[0]["text"]) == ("m.paint_blue", "Paint it blue.")
    assert hits[0]["cosine"] == pytest.approx(1.0)
    assert hits[0]["cosine"] > hits[1]["cosine"]
    assert "m._hidden" not in {pair.name for pair in queries.library}


def test_every_distinct_text_is_encoded_once(queries):
    seen = []

    def encode(texts):
        seen.extend(texts)
        return knows_colours(texts)

    ask(encode, queries)
    assert len(seen) == len(set(seen)) == len(queries.texts) > 16


def test_geometry_is_that_of_the_held_out_texts(queries):
    good, bad = ask(knows_colours, queries).geometry, ask(knows_nothing, queries).geometry
    assert {"alignment", "uniformity", "mean_cosine", "effective_rank"} <= set(good)
    assert good["alignment"] == pytest.approx(0, abs=1e-6)
    assert bad["mean_cosine"] == pytest.approx(1)
    assert good["mean_cosine"] < 0.5
    assert good["uniformity"] < bad["uniformity"]


def test_too_little_text_to_ask_about_is_an_error():
    with pytest.raises(EmptyCorpus, match="0 queries"):
        demo_queries(split_of([], []))


def test_difference_that_could_be_chance_is_called_noise():
    generator = np.random.default_rng(0)
    before = generator.random(200)
    chance, gain = (paired_test(before, before + by) for by in (generator.normal(0, 0.1, 200), 0.1))
    assert verdict(chance.low, chance.high) == "within noise"
    assert verdict(gain.low, gain.high) == "better"
