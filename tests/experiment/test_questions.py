"""What an encoder's answers are worth, on fakes whose right ranks are known."""

from __future__ import annotations

import numpy as np
import pytest

from contrapose.data.held_out import Pair, Split
from contrapose.errors import EmptyCorpus
from contrapose.evaluate.statistics import paired_test
from contrapose.experiment.questions import Exam, sit, verdict

COLOURS = ("red", "green", "blue", "white", "black", "brown", "grey", "pink")


def split_of(description: list[Pair], name: list[Pair], trained: list[Pair] | None = None) -> Split:
    return Split((), (), tuple(trained or ()), tuple(description), tuple(name), 0, len(name), 0)


@pytest.fixture
def exam() -> Exam:
    description = [
        Pair(f"Paint it {c}.", f"The paint is of the colour {c}.", f"m.paint_{c}") for c in COLOURS
    ]
    name = [Pair(f"paint {c}", f"Paint it {c}.", f"m.paint_{c}") for c in COLOURS]
    hidden = Pair("hidden", "Hide the paint from red.", "m._hidden")
    return Exam.of(split_of(description, name, [hidden]), searches=("something blue",))


def knows_colours(texts):
    """One axis per colour: everything is found at rank 1."""
    return np.array([[float(colour in text) for colour in COLOURS] + [0.1] for text in texts])


def knows_nothing(texts):
    return np.ones((len(texts), 4))


def test_encoder_that_knows_answers_everything_and_one_that_does_not_nothing(exam):
    good, bad = sit(knows_colours, exam), sit(knows_nothing, exam)
    for task in ("description", "name"):
        assert good.ranks[task].tolist() == [1.0] * 8
        assert good.scores(task, "mrr_at_10").mean() == good.interval(task, "accuracy_at_1").estimate == 1
        assert bad.scores(task, "accuracy_at_1").mean() == 0
        assert verdict(good.compared_with(bad, task, "mrr_at_10")) == "better"
        assert verdict(bad.compared_with(good, task, "mrr_at_10")) == "worse"
        assert verdict(good.compared_with(good, task, "mrr_at_10")) == "within noise"


def test_answer_that_two_objects_share_is_one_candidate():
    shared = [Pair(f"first {n}", "the same answer", f"m.f{n}") for n in range(3)] + [
        Pair("other", "another", "m.g")
    ]
    exam = Exam.of(split_of(shared, shared), searches=())

    def encode(texts):
        return np.array(
            [[1.0, 0.0] if "o" in text[:1] or text == "another" else [0.0, 1.0] for text in texts]
        )

    assert sit(encode, exam).ranks["description"].tolist() == [1.0] * 4


def test_searches_show_the_best_public_first_lines(exam):
    answers = sit(knows_colours, exam).answers["something blue"]
    assert len(answers) == 3
    assert (answers[0].name, answers[0].text) == ("m.paint_blue", "Paint it blue.")
    assert answers[0].cosine == pytest.approx(1.0)
    assert answers[0].cosine > answers[1].cosine
    assert "m._hidden" not in {pair.name for pair in exam.library}


def test_every_distinct_text_is_encoded_once(exam):
    seen = []

    def encode(texts):
        seen.extend(texts)
        return knows_colours(texts)

    sit(encode, exam)
    assert len(seen) == len(set(seen)) == len(exam.texts) > 16


def test_geometry_is_that_of_the_held_out_texts(exam):
    good, bad = sit(knows_colours, exam).geometry, sit(knows_nothing, exam).geometry
    assert {"alignment", "uniformity", "mean_cosine", "effective_rank"} <= set(good)
    assert good["alignment"] == pytest.approx(0, abs=1e-6)
    assert bad["mean_cosine"] == pytest.approx(1)
    assert good["mean_cosine"] < 0.5
    assert good["uniformity"] < bad["uniformity"]


def test_too_little_text_to_ask_about_is_an_error():
    with pytest.raises(EmptyCorpus, match="0 questions"):
        Exam.of(split_of([], []))


def test_difference_that_could_be_chance_is_called_noise():
    generator = np.random.default_rng(0)
    before = generator.random(200)
    assert verdict(paired_test(before, before + generator.normal(0, 0.1, 200))) == "within noise"
    assert verdict(paired_test(before, before + 0.1)) == "better"
