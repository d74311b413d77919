"""What is said of an effect follows from the numbers, the labelled ones first."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from contrapose.encoder.encoder import Encoder
from contrapose.listening import Listener
from contrapose.pruning.effect import Effect, Look, effects_on_held_out, in_sentence, look
from contrapose.selection.label_free import probe_scores
from tests.reference import geometry as loops
from tests.tiny import SENTENCES


def looked_at(noise: float) -> Look:
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(60, 8))
    first, second = (vectors + noise * generator.normal(size=vectors.shape) for _ in range(2))
    return Look(probe_scores(first, second), torch.from_numpy(vectors).float())


def test_alignment_is_the_mean_distance_of_the_views_and_lower_is_better() -> None:
    effects = {effect.metric: effect for effect in effects_on_held_out(looked_at(0.5), looked_at(0.1))}
    alignment = effects["alignment"]
    assert alignment.before > alignment.after > 0
    assert alignment.high < 0
    assert alignment.word == "better"
    back = {effect.metric: effect for effect in effects_on_held_out(looked_at(0.1), looked_at(0.5))}
    assert back["alignment"].word == "worse"
    assert back["alignment"].low > 0


def test_the_numbers_are_those_of_the_definitions() -> None:
    generator = np.random.default_rng(1)
    first, second = generator.normal(size=(2, 12, 4))
    seen = Look(probe_scores(first, second), torch.from_numpy(first).float())
    effects = {effect.metric: effect for effect in effects_on_held_out(seen, seen)}
    assert effects["alignment"].before == pytest.approx(loops.alignment(first, second))
    assert effects["uniformity"].before == pytest.approx(loops.uniformity(first), rel=1e-5)
    assert effects["mean_cosine"].before == pytest.approx(loops.mean_cosine(first), rel=1e-4)
    assert {effect.word for effect in effects.values()} == {"no clear change", ""}


def test_a_look_draws_the_same_dropout_before_and_after(encoder: Encoder) -> None:
    one, two, other = (
        look(encoder, SENTENCES, "fp32", seed=seed, listener=Listener()).scores["closeness"]
        for seed in (0, 0, 1)
    )
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
    assert (one < 0).all(), "the two views differ"
    assert not encoder.training


@pytest.fixture
def encoder(model) -> Encoder:
    return Encoder.load(model).eval()


def task(name: str, word: str) -> Effect:
    return Effect(task=name, metric="spearman", before=70.0, after=69.0, word=word)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("worse", "worse"),
            "It harms: STS12, STS13 are clearly worse than before, and none of the 2 tasks is",
        ),
        (("worse", "better"), "It harms: STS12 is clearly worse than before, and STS13 is clearly better."),
        (
            ("better", "no clear change"),
            "It helps: STS12 is clearly better than before, and no task is clearly worse.",
        ),
        (("no clear change", "no clear change"), "No clear change on any of the 2 tasks"),
        (("no clear change",), "No clear change on STS12: what differs"),
        (("worse",), "It harms: STS12 is clearly worse than before."),
    ],
)
def test_harm_is_said_first(words: tuple[str, ...], said: str) -> None:
    effects = [task(f"STS{12 + number}", word) for number, word in enumerate(words)]
    assert in_sentence(effects, None).startswith(said)


def test_without_anything_to_compare_nothing_is_claimed() -> None:
    assert in_sentence([], None).startswith("Not judged")
