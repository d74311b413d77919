from __future__ import annotations

from contrapose.cli.remaining import ENOUGH_STEPS, Remaining


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
    left = Remaining(0, 100, eval_every=20, now=clock)
    estimates = {}
    for step in range(1, 101):
        clock.after(2)
        left.stepped(step)
        estimates[step] = (left.seconds(), clock.time)
        if step % 20 == 0:
            clock.after(10)
            left.evaluated()
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
    left = Remaining(0, 20, eval_every=20, closing=3, look=10.0, now=clock)
    for step in range(1, 21):
        clock.after(1)
        left.stepped(step)
        if step == 15:
            assert left.seconds() == 5 + 10 + 30
    assert left.seconds() == 40
    clock.after(10)
    left.looked(10)
    left.evaluated()
    for closing in (20, 10, 0):
        clock.after(10)
        left.looked(10)
        assert left.seconds() == closing


def test_a_short_run_knows_its_closing_looks_though_it_has_few_steps() -> None:
    clock = Clock()
    left = Remaining(0, 2, eval_every=2, closing=1, look=7.0, now=clock)
    for step in (1, 2):
        assert left.seconds() is None
        left.stepped(step)
    assert left.seconds() == 14


def test_one_slow_step_does_not_move_the_estimate() -> None:
    clock = Clock()
    left = Remaining(0, 50, eval_every=1000, now=clock)
    for step in range(1, 21):
        clock.after(60 if step in (1, 10) else 1)
        left.stepped(step)
    assert left.seconds() == 30


def test_a_continued_run_counts_from_where_it_stands() -> None:
    clock = Clock()
    left = Remaining(90, 100, eval_every=1000, now=clock)
    for step in range(91, 96):
        clock.after(1)
        left.stepped(step)
    assert left.seconds() == 5


def test_nothing_is_left_at_the_end() -> None:
    clock = Clock()
    left = Remaining(0, 10, eval_every=3, now=clock)
    left.evaluated()
    for step in range(1, 11):
        clock.after(1)
        left.stepped(step)
    assert left.seconds() == 0
