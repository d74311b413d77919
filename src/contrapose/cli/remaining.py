"""How long a training run will still take, from what its steps and looks took so far on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import mean, median

#: Steps to have seen before anything is said; the first ones are slower than the rest.
ENOUGH_STEPS = 5
#: The newest steps count: a laptop slows down when it gets warm.
WINDOW = 50


class Remaining:
    """Told of steps, looks at held-out text and evaluations as they end, asked for the seconds that are left.

    closing: looks after the last evaluation, at blends.

    >>> times = iter([0.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0])
    >>> left = Remaining(0, 105, eval_every=50, now=lambda: next(times))
    >>> left.evaluated()                               # before the first step: 10 s
    >>> for step in range(1, 5): left.stepped(step)    # 1 s each
    >>> left.seconds() is None
    True
    >>> left.stepped(5); left.seconds()                # 100 steps, and evaluations at 50, 100 and 105
    130.0
    """

    def __init__(
        self,
        first_step: int,
        num_steps: int,
        *,
        eval_every: int,
        closing: int = 0,
        look: float | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._num_steps, self._eval_every, self._now = num_steps, eval_every, now
        self._closing, self._looks = closing, [] if look is None else [look]
        self._evaluated = first_step
        self._step, self._mark = first_step, now()
        self._after_evaluation = False
        self._steps: list[float] = []
        self._evaluations: list[float] = []

    def stepped(self, step: int) -> None:
        """Step ``step`` ended now."""
        passed = self._lap()
        if self._after_evaluation and self._steps:
            # A checkpoint was saved in between: what is above a step belongs to the evaluation.
            self._evaluations[-1] += max(0.0, passed - median(self._steps))
        else:
            self._steps = [*self._steps[1 - WINDOW :], passed]
        self._after_evaluation = False
        self._step = step

    def evaluated(self) -> None:
        """An evaluation ended now."""
        self._evaluations.append(self._lap())
        self._after_evaluation = True
        self._evaluated = self._step

    def looked(self, seconds: float) -> None:
        """A look at held-out text took so long; after the last evaluation, it was one of the closing ones."""
        self._looks.append(seconds)
        if self._evaluated >= self._num_steps:
            self._closing = max(0, self._closing - 1)

    def seconds(self) -> float | None:
        """Seconds left if the run goes to its last step; None while too little is measured."""
        left = self._num_steps - self._step
        if left > 0 and len(self._steps) < ENOUGH_STEPS:
            return None
        look = mean(self._looks) if self._looks else 0.0
        evaluation = mean(self._evaluations) if self._evaluations else look
        steps = left * median(self._steps) if left > 0 else 0.0
        return steps + self._evaluations_left() * evaluation + self._closing * look

    def _evaluations_left(self) -> int:
        if self._evaluated >= self._num_steps:
            return 0
        left = self._num_steps // self._eval_every - self._evaluated // self._eval_every
        return left + (self._num_steps % self._eval_every > 0)

    def _lap(self) -> float:
        before, self._mark = self._mark, self._now()
        return self._mark - before


def in_words(seconds: float | None) -> str:
    """No more exact than it is known.

    >>> in_words(None), in_words(1), in_words(47), in_words(200), in_words(9000)
    ('measuring speed', '10 s left', '50 s left', '3 min left', '2.5 h left')
    """
    if seconds is None:
        return "measuring speed"
    if seconds < 95:
        return f"{max(10, round(seconds / 10) * 10)} s left"
    if seconds < 5400:
        return f"{round(seconds / 60)} min left"
    return f"{seconds / 3600:.1f} h left"
