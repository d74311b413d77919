from __future__ import annotations

from contrapose.cli.time_left import TimeLeft
from contrapose.cli.training_progress import ENOUGH_STEPS, TrainingProgress


class Clock:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time

    def after(self, seconds: float) -> None:
        self.time += seconds


def test_the_estimate_is_exact_for_a_steady_run_with_evaluations_and_saves() -> None:
    """Steps of 2 s, evaluations of 10 s with a save of 3 s after each: the truth is known at every step."""
    clock = Clock()
    left = TrainingProgress(0, 100, {"eval_every": 20}, now=clock)
    estimates = {}
    for step in range(1, 101):
        clock.after(2)
        left.stepped(step, {})
        estimates[step] = (left.time_left.seconds(), clock.time)
        if step % 20 == 0:
            clock.after(10)
            left.evaluated(step, 0.0, False)
            clock.after(3)
    end = clock.time
    assert estimates[ENOUGH_STEPS - 1][0] is None
    for step in (25, 50, 85):
        estimate, at = estimates[step]
        assert estimate is not None
        assert abs(estimate - (end - at)) <= 3.0


def test_looks_that_come_after_the_last_step_are_in_the_estimate() -> None:
    """One-second steps, an evaluation of 10 s at the end, three closing looks of 10 s."""
    clock = Clock()
    left = TrainingProgress(0, 20, {"eval_every": 20, "closing_looks": 3}, 10.0, now=clock)
    for step in range(1, 21):
        clock.after(1)
        left.stepped(step, {})
        if step == 15:
            assert left.time_left.seconds() == 5 + 10 + 30
    assert left.time_left.seconds() == 40
    clock.after(10)
    left.looked(10)
    left.evaluated(20, 0.0, False)
    for closing in (20, 10, 0):
        clock.after(10)
        left.looked(10)
        assert left.time_left.seconds() == closing


def test_a_short_run_knows_its_closing_looks_though_it_has_few_steps() -> None:
    clock = Clock()
    left = TrainingProgress(0, 2, {"eval_every": 2, "closing_looks": 1}, 7.0, now=clock)
    for step in (1, 2):
        assert left.time_left.seconds() is None
        left.stepped(step, {})
    assert left.time_left.seconds() == 14


def test_one_slow_step_does_not_move_the_estimate() -> None:
    clock = Clock()
    left = TrainingProgress(0, 50, {"eval_every": 1000}, now=clock)
    for step in range(1, 21):
        clock.after(60 if step in (1, 10) else 1)
        left.stepped(step, {})
    assert left.time_left.seconds() == 30


def test_a_continued_run_counts_from_where_it_stands() -> None:
    clock = Clock()
    left = TrainingProgress(90, 100, {"eval_every": 1000}, now=clock)
    for step in range(91, 96):
        clock.after(1)
        left.stepped(step, {})
    assert left.time_left.seconds() == 5


def test_nothing_is_left_at_the_end() -> None:
    clock = Clock()
    left = TrainingProgress(0, 10, {"eval_every": 3}, now=clock)
    left.evaluated(0, 0.0, False)
    for step in range(1, 11):
        clock.after(1)
        left.stepped(step, {})
    assert left.time_left.seconds() == 0


def test_what_is_under_way_counts_as_far_as_one_of_its_kind_goes() -> None:
    clock = Clock()
    left = TimeLeft({"trial": 3}, now=clock)
    assert left.seconds() is None
    clock.after(60)
    left.done("trial")
    clock.after(20)
    assert left.seconds() == 100
    clock.after(500)
    assert left.seconds() == 60, "a slow trial shortens no other one"


def test_what_another_process_did_meanwhile_counts_and_the_untimed_does_not() -> None:
    clock = Clock()
    left = TimeLeft({"trial": 10}, now=clock)
    clock.after(2)
    left.mark()
    clock.after(60)
    left.done("trial", 3)
    assert left.seconds() == 7 * 20
