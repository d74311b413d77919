"""A machine that is slower than promised is told of at once, with what fits; all times are those of a made-up clock."""

from __future__ import annotations

import shlex

import pytest

from contrapose.experiment.clock import Clock
from contrapose.experiment.demo_promise import PROMISED, broken_promise, command, steps_that_fit
from contrapose.experiment.demo_result import DemoSettings

#: Of texts whose lengths differ as those of the demo do: the longest tenth is half of all characters.
LENGTHS = [90] * 100 + [10] * 900


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def demo(time: Time, steps: int = 100) -> Clock:
    return Clock(
        evaluations=3, lengths=LENGTHS, trainings=2, steps=steps, rows_per_step=64, began=0.0, now=time
    )


def seconds_of_a_demo(text: float, around: float, steps: int) -> float:
    """What a whole demo takes on a machine that encodes a text of 10 characters in ``text`` seconds."""
    evaluation = sum(LENGTHS) / 10 * text
    return 3 * evaluation + 2 * (steps * 64 * 6 * evaluation / len(LENGTHS) + around)


def encode(time: Time, clock: Clock, text: float, texts: int) -> None:
    """The longest texts come first."""
    for length in LENGTHS[:texts]:
        time.now += length / 10 * text
        clock.encoded(1)


def test_a_slow_machine_is_told_within_the_first_evaluation_and_what_is_offered_fits() -> None:
    time = Time()
    clock, settings = demo(time), DemoSettings(out="my demo", seed=4)
    clock.begin_evaluation()
    encode(time, clock, 0.01, 49)
    assert broken_promise(clock, settings) == "", "not before it is sure"
    encode(time, clock, 0.01, 2)
    words = broken_promise(clock, settings)
    assert time.now < 5
    whole = seconds_of_a_demo(0.01, 10, 100)
    assert whole > 1400
    assert f"about {round(whole / 60)} minutes and not 8 minutes" in words
    offered = shlex.split(words.partition("Ctrl-C, then ")[2])
    assert offered[:-1] == ["contrapose", "demo", "--out", "my demo", "--seed", "4", "--steps"]
    steps = int(offered[-1])
    assert steps % 5 == 0
    assert seconds_of_a_demo(0.01, 10, steps) <= PROMISED < seconds_of_a_demo(0.01, 10, steps + 5)
    assert f"With {steps} steps in place of 100" in words


def test_a_machine_that_keeps_the_promise_hears_nothing() -> None:
    time = Time()
    clock = demo(time)
    clock.begin_evaluation()
    encode(time, clock, 0.003, len(LENGTHS))
    clock.end_evaluation()
    assert seconds_of_a_demo(0.003, 10, 100) < PROMISED
    assert broken_promise(clock, DemoSettings()) == ""


def test_a_machine_that_gets_busy_while_it_trains_is_told_by_its_steps() -> None:
    time = Time()
    clock = demo(time)
    clock.begin_evaluation()
    encode(time, clock, 0.001, len(LENGTHS))
    clock.end_evaluation()
    assert broken_promise(clock, DemoSettings()) == ""
    clock.begin_training()
    for _ in range(5):
        time.now += 12.0
        clock.stepped(12.0)
    words = broken_promise(clock, DemoSettings())
    assert "about 40 minutes and not 8 minutes" in words
    assert "--steps 15" in words


def test_a_machine_too_slow_for_any_demo_is_offered_the_least_with_its_own_time() -> None:
    time = Time()
    clock = demo(time)
    clock.begin_evaluation()
    encode(time, clock, 0.2, 60)
    assert steps_that_fit(clock, PROMISED) == 5
    words = broken_promise(clock, DemoSettings())
    assert "--steps 5" in words
    assert f"it takes about {round(seconds_of_a_demo(0.2, 10, 5) / 60)} minutes" in words


def test_nothing_is_offered_where_going_on_is_shorter_than_starting_anew() -> None:
    """A demo that is nearly done, on a machine that became slow."""
    time = Time()
    clock = Clock(
        evaluations=3, lengths=LENGTHS, trainings=0, steps=100, rows_per_step=64, began=0.0, now=time
    )
    clock.begin_evaluation()
    encode(time, clock, 0.2, 60)
    words = broken_promise(clock, DemoSettings())
    assert "it will take about" in words
    assert "Ctrl-C" not in words


def test_who_asked_for_more_was_promised_nothing() -> None:
    time = Time()
    clock = demo(time, steps=500)
    clock.begin_evaluation()
    encode(time, clock, 0.01, 200)
    assert broken_promise(clock, DemoSettings(steps=500)) == ""
    assert broken_promise(clock, DemoSettings()) != ""


@pytest.mark.parametrize("changed", [{}, {"batch_size": 8, "sources": ("email", "a b")}])
def test_the_offered_command_is_one_that_the_command_line_takes(
    changed: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    from contrapose.cli.main import main

    taken: list[DemoSettings] = []

    def stop(settings: DemoSettings, *_: object, **__: object) -> None:
        taken.append(settings)
        raise KeyboardInterrupt

    monkeypatch.setattr("contrapose.experiment.demo_view.run_and_show", stop)
    settings = DemoSettings(method="simcse", **changed)
    assert main(shlex.split(command(settings, 20))[1:]) == 130
    assert taken == [settings.model_copy(update={"steps": 20})]
