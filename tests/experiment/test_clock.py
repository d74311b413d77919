"""The time that is told: known work at measured speed, and nothing before anything is measured."""

from __future__ import annotations

import pytest

from contrapose.experiment.clock import AROUND_STEPS, STEP_IN_TEXTS, Clock


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def time() -> Time:
    return Time()


def clock(time: Time, **changes) -> Clock:
    sizes = {
        "evaluations": 3,
        "lengths": [5] * 1000,
        "trainings": 2,
        "steps": 100,
        "rows_per_step": 10,
        **changes,
    }
    return Clock(**sizes, now=time)


def test_nothing_is_told_before_anything_is_measured(time):
    fresh = clock(time)
    assert fresh.remaining() is None
    fresh.begin_evaluation()
    time.passes(5)
    fresh.encoded(50)
    assert fresh.remaining() is None
    assert fresh.elapsed == 5


def test_first_evaluation_gives_a_first_estimate_of_everything(time):
    fresh = clock(time)
    fresh.begin_evaluation()
    time.passes(10)
    fresh.encoded(1000)
    fresh.end_evaluation()
    step = 10 / 1000 * 10 * STEP_IN_TEXTS
    assert fresh.remaining() == pytest.approx(2 * 10 + 2 * (100 * step + AROUND_STEPS))


def run_all(
    time: Time, fresh: Clock, *, evaluation: float, step: float, around: float
) -> list[tuple[float, float]]:
    """(seconds told to be left, time) along a whole demo of constant speeds."""
    told = []

    def look() -> None:
        left = fresh.remaining()
        if left is not None:
            told.append((left, time.now))

    for part in ("ask", "train", "ask", "train", "ask"):
        if part == "ask":
            fresh.begin_evaluation()
            for _ in range(10):
                time.passes(evaluation / 10)
                fresh.encoded(100)
                look()
            fresh.end_evaluation()
        else:
            fresh.begin_training()
            time.passes(around / 2)
            for _ in range(100):
                time.passes(step)
                fresh.stepped(step)
                look()
            time.passes(around / 2)
            fresh.end_training()
        look()
    return told


def test_estimate_is_exact_once_every_speed_was_measured(time):
    told = run_all(time, clock(time), evaluation=20.0, step=1.0, around=6.0)
    end = time.now
    after_first_training = [(left, at) for left, at in told if at > 100 + 20 + 106]
    assert len(after_first_training) > 50
    for left, at in after_first_training:
        assert left == pytest.approx(end - at, abs=6.1)
    assert told[-1][0] == pytest.approx(0, abs=1e-6)


def test_slow_first_steps_do_not_count(time):
    fresh = clock(time, evaluations=0, trainings=1, steps=10)
    fresh.begin_training()
    for seconds in (50.0, 50.0, 1.0, 1.0, 1.0, 1.0):
        time.passes(seconds)
        fresh.stepped(seconds)
    assert fresh.remaining() is None, "no evaluation was ever measured"
    fresh._evaluation_seconds = 1.0
    assert fresh.remaining() == pytest.approx(4 * 1.0 + AROUND_STEPS, abs=0.1)


def test_continued_training_has_only_its_rest_left(time):
    fresh = clock(time, evaluations=1, trainings=1)
    fresh.begin_evaluation()
    time.passes(1)
    fresh.encoded(1000)
    fresh.end_evaluation()
    fresh.begin_training()
    fresh.continued_at(60)
    for _ in range(10):
        time.passes(1)
        fresh.stepped(1.0)
    assert fresh.remaining() == pytest.approx(30 * 1.0 + AROUND_STEPS, abs=0.1)


def test_the_longest_texts_come_first_and_are_counted_as_long_as_they_are(time):
    """Half of the work is in a tenth of the texts: after those, the other half is left and not nine tenths."""
    fresh = clock(time, evaluations=1, trainings=0, lengths=[9] * 100 + [1] * 900)
    fresh.begin_evaluation()
    time.passes(10)
    fresh.encoded(100)
    assert fresh.remaining() == pytest.approx(10)
    assert fresh.is_sure


def test_a_demo_of_other_steps_is_told_from_its_beginning(time):
    fresh = clock(time, lengths=[1] * 1000)
    assert fresh.seconds_of(50) is None
    time.passes(7)
    fresh.begin_evaluation()
    time.passes(20)
    fresh.encoded(1000)
    fresh.end_evaluation()
    step = 20 / 1000 * 10 * STEP_IN_TEXTS
    assert fresh.seconds_of(50) == pytest.approx(7 + 3 * 20 + 2 * (50 * step + AROUND_STEPS))
