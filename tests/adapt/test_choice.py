"""What is taken: the largest gain that is proven, of those that leave general neighbours where they were."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from contrapose.adapt.choice import Option, decide, mixed, mixtures
from contrapose.adapt.proof import Measured

ROWS = 80
RANDOM = np.random.default_rng(0)
BASE = RANDOM.random(ROWS)
NEIGHBOURS = np.tile(np.arange(10), (20, 1))


def measured(**shifts: float) -> Measured:
    """Scores of questions, each the start's with a shift and a little noise of its own."""
    scores = {name: BASE + shift + 0.02 * RANDOM.normal(size=ROWS) for name, shift in shifts.items()}
    return Measured(scores, {}, NEIGHBOURS)


START = Measured({"titles": BASE, "neighbours": BASE}, {}, NEIGHBOURS)


def option(
    kept: float = 0.95, share: float = 1.0, signals: tuple[str, ...] = ("pairs",), **shifts: float
) -> Option:
    now = measured(**shifts)
    gain = float(np.mean([(now.scores[key] - BASE).mean() / BASE.std() for key in START.scores]))
    return Option(signals=signals, share=share, gain=gain, kept=kept, measured=now)


def test_the_largest_proven_gain_is_taken() -> None:
    options = [option(titles=0.05, neighbours=0.0), option(titles=0.1, neighbours=0.01, share=0.5)]
    choice = decide(START, options)
    assert choice.taken is options[1]
    assert choice.why.startswith("clearly better on titles")


def test_an_average_is_taken_in_place_of_one_signal_that_is_not_clearly_better() -> None:
    both = ("ranking", "pairs")
    one, average = option(titles=0.102, neighbours=0.1), option(titles=0.1, neighbours=0.1, signals=both)
    assert decide(START, [one, average]).taken is average
    behind = option(titles=0.05, neighbours=0.05, signals=both)
    assert decide(START, [one, behind]).taken is one


def test_an_average_that_is_not_proven_does_not_stand_in_the_way_of_a_signal_that_is() -> None:
    one, average = (
        option(titles=0.1, neighbours=0.0),
        option(titles=0.1, neighbours=-0.05, signals=("a", "b")),
    )
    assert decide(START, [one, average]).taken is one


def test_a_gain_that_could_be_chance_is_not() -> None:
    choice = decide(START, [option(titles=0.0, neighbours=0.0)])
    assert choice.taken is None
    assert "no change that was learned is larger than chance" in choice.why


def test_one_question_clearly_worse_is_enough_to_refuse() -> None:
    choice = decide(START, [option(titles=0.3, neighbours=-0.1)])
    assert choice.taken is None
    assert "makes neighbours clearly worse" in choice.why


def test_general_neighbours_must_stay_however_large_the_gain() -> None:
    loud, quiet = option(kept=0.7, titles=0.5, neighbours=0.5), option(titles=0.1, neighbours=0.1)
    assert decide(START, [loud, quiet]).taken is quiet
    choice = decide(START, [loud])
    assert choice.taken is None
    assert "70% stayed, and 80% must" in choice.why


def test_of_shape_alone_the_largest_share_that_is_clearly_better_is_taken() -> None:
    start = Measured({"shape of short texts": BASE}, {}, NEIGHBOURS)

    def shaped(share: float, shift: float) -> Option:
        now = Measured(
            {"shape of short texts": BASE + shift + 0.01 * RANDOM.normal(size=ROWS)}, {}, NEIGHBOURS
        )
        return Option(signals=("sentences",), share=share, gain=shift, kept=0.9, measured=now)

    options = [shaped(0.5, 0.1), shaped(0.75, 0.05), shaped(1.0, -0.05)]
    assert decide(start, options).taken is options[1]
    assert decide(start, options[2:]).taken is None


def test_nothing_tried_is_nothing_taken() -> None:
    assert decide(START, []).why == "there was nothing to learn from that could be proven"


@pytest.mark.parametrize("names", [(), ("a",), ("a", "b", "c")])
def test_all_signals_together_are_looked_at_where_there_are_several(names: tuple[str, ...]) -> None:
    groups = {signals for signals, _ in mixtures(names)}
    assert groups == {(name,) for name in names} | ({names} if len(names) > 1 else set())


def test_weights_are_averaged_and_then_blended_with_the_start() -> None:
    start = {"w": torch.zeros(3), "steps": torch.tensor(4)}
    trained = [{"w": torch.full((3,), value), "steps": torch.tensor(4)} for value in (1.0, 3.0)]
    assert mixed(start, trained, 0.5)["w"].tolist() == [1.0, 1.0, 1.0]
    assert mixed(start, trained, 1.0)["w"].tolist() == [2.0, 2.0, 2.0]
    assert mixed(start, trained[:1], 1.0)["w"].tolist() == [1.0, 1.0, 1.0]
    assert mixed(start, trained, 1.0)["steps"] == 4
