"""The demo's estimate of its time, and what a machine too slow for it is told, on a made-up clock."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from contrapose.cli.demo_progress import PROMISED, STEP_IN_TEXTS, DemoProgress, command_with
from contrapose.cli.demo_settings import DemoSettings
from contrapose.listening import Listener

#: Of texts whose lengths differ as those of the demo do: the longest tenth is half of all characters.
LENGTHS = [90] * 100 + [10] * 900


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Notices(Listener):
    def __init__(self) -> None:
        self.said: list[str] = []

    def notice(self, text: str) -> None:
        self.said.append(text)


class Demo:
    """A demo whose speed is made up."""

    def __init__(self, *, trainings: int = 2, **settings: Any) -> None:
        self.time, self.view = Time(), Notices()
        self.settings = DemoSettings(**settings)
        self.progress = DemoProgress(self.view, self.settings, LENGTHS, trainings, began=0.0, now=self.time)

    @property
    def left(self) -> float | None:
        return self.progress.time_left.seconds()

    def encode(self, text: float, texts: int = len(LENGTHS)) -> None:
        """A text of 10 characters takes ``text`` seconds; the longest texts come first."""
        self.progress.begin("encoding", len(LENGTHS), "text")
        for length in LENGTHS[:texts]:
            self.time.now += length / 10 * text
            self.progress.advance(1)

    def train(self, step: float, steps: int, first: int = 0) -> None:
        self.progress.started(first, self.settings.steps, {})
        for number in range(steps):
            self.time.now += step
            self.progress.stepped(first + number + 1, {"seconds": step})

    def seconds(self, text: float, steps: int) -> float:
        """What a whole demo takes on such a machine."""
        evaluation = sum(LENGTHS) / 10 * text
        return 3 * evaluation + 2 * steps * 64 * STEP_IN_TEXTS * evaluation / len(LENGTHS)


def test_nothing_is_told_before_anything_is_measured() -> None:
    demo = Demo()
    assert demo.left is None
    demo.time.now += 5
    demo.progress.begin("encoding", len(LENGTHS), "text")
    assert demo.left is None
    assert demo.progress.elapsed == 5


def test_the_first_evaluation_gives_a_first_estimate_of_everything() -> None:
    demo = Demo()
    demo.encode(0.01)
    assert demo.left == pytest.approx(demo.seconds(0.01, 100) - demo.time.now, rel=0.01)


def test_the_longest_texts_come_first_and_are_counted_as_long_as_they_are() -> None:
    """Half of the work is in a tenth of the texts: after those, the other half is left and not nine tenths."""
    demo = Demo(trainings=0)
    demo.encode(0.01, 100)
    assert demo.left == pytest.approx(5 * demo.time.now, rel=0.01)


def test_short_texts_that_cost_more_for_their_length_do_not_count_for_the_whole() -> None:
    """They come last; what was measured is the whole evaluation, and the next one takes as long."""
    demo = Demo(trainings=0)
    demo.progress.begin("encoding", len(LENGTHS), "text")
    for length in LENGTHS:
        demo.time.now += 0.01 + length / 1_000
        demo.progress.advance(1)
    assert demo.left == pytest.approx(2 * demo.time.now, rel=0.01)


def test_the_estimate_is_exact_once_every_speed_was_measured() -> None:
    """At constant speed, along a whole demo; loading and saving are not foretold."""
    demo = Demo(steps=50)
    demo.encode(0.02)
    demo.train(1.0, 50)
    lefts = [(demo.left, demo.time.now)]
    demo.encode(0.02)
    lefts.append((demo.left, demo.time.now))
    demo.train(1.0, 50)
    lefts.append((demo.left, demo.time.now))
    demo.encode(0.02)
    for left, at in lefts:
        assert left == pytest.approx(demo.time.now - at, abs=1.1)
    assert demo.left == pytest.approx(0, abs=1e-6)


def test_slow_first_steps_do_not_count() -> None:
    demo = Demo(trainings=1, steps=100)
    demo.encode(0.01)
    demo.train(50.0, 2)
    demo.train(1.0, 9, first=2)
    evaluations = 2 * sum(LENGTHS) / 10 * 0.01
    assert demo.left is not None
    assert demo.left < evaluations + 100, "the median of the steps is one second"


def test_a_continued_training_has_only_its_rest_left() -> None:
    demo = Demo(trainings=1, steps=100)
    demo.encode(0.001)
    demo.train(1.0, 10, first=60)
    assert demo.left == pytest.approx(30 + 2 * sum(LENGTHS) / 10 * 0.001, abs=1.1)


def test_a_slow_machine_is_told_within_the_first_evaluation_and_what_is_offered_fits() -> None:
    demo = Demo(out="my demo", seed=4)
    demo.encode(0.01, 49)
    assert demo.view.said == [], "not before it is sure"
    demo.encode(0.01, 52)
    (words,) = demo.view.said
    whole = demo.seconds(0.01, 100)
    assert whole > 1300
    assert f"about {round(whole / 60)} minutes and not 8 minutes" in words
    offered = shlex.split(words.partition("Ctrl-C, then ")[2])
    assert offered[:-1] == ["contrapose", "demo", "--out", "my demo", "--seed", "4", "--steps"]
    steps = int(offered[-1])
    assert steps % 5 == 0
    assert demo.seconds(0.01, steps) <= PROMISED < demo.seconds(0.01, steps + 5)
    assert f"With {steps} steps in place of 100" in words


def test_a_machine_that_keeps_the_promise_hears_nothing() -> None:
    demo = Demo()
    demo.encode(0.003)
    assert demo.seconds(0.003, 100) < PROMISED
    assert demo.view.said == []


def test_a_machine_that_gets_busy_while_it_trains_is_told_by_its_steps() -> None:
    demo = Demo()
    demo.encode(0.001)
    assert demo.view.said == []
    demo.train(12.0, 5)
    (words,) = demo.view.said
    assert "about 40 minutes and not 8 minutes" in words
    assert "--steps 15" in words


def test_a_machine_too_slow_for_any_demo_is_offered_the_least_with_its_own_time() -> None:
    demo = Demo()
    demo.encode(0.2, 60)
    assert demo.progress.steps_that_fit(PROMISED) == 5
    (words,) = demo.view.said
    assert "--steps 5" in words
    assert f"it takes about {round(demo.seconds(0.2, 5) / 60)} minutes" in words


def test_nothing_is_offered_where_going_on_is_shorter_than_starting_anew() -> None:
    """A demo that is nearly done, on a machine that became slow."""
    demo = Demo(trainings=0)
    demo.encode(0.2, 60)
    (words,) = demo.view.said
    assert "it will take about" in words
    assert "Ctrl-C" not in words


def test_who_asked_for_more_was_promised_nothing() -> None:
    demo = Demo(steps=500)
    demo.encode(0.01)
    assert demo.view.said == []


@pytest.mark.parametrize("changed", [{}, {"batch_size": 8, "sources": ("email", "a b")}])
def test_the_offered_command_is_one_that_the_command_line_takes(
    changed: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    from contrapose.cli.main import main

    taken: list[DemoSettings] = []

    def stop(settings: DemoSettings, *_: object, **__: object) -> None:
        taken.append(settings)
        raise KeyboardInterrupt

    monkeypatch.setattr("contrapose.cli.demo.run_demo", stop)
    settings = DemoSettings(method="simcse", **changed)
    assert main(shlex.split(command_with(settings, 20))[1:]) == 130
    assert taken == [settings.model_copy(update={"steps": 20})]
