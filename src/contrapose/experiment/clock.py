"""How long the demo will still take, from the speed measured so far on this machine.

The work is known from the start: evaluations of so many texts, training runs of so many steps. Their speeds are not.
Before a speed is measured it is guessed from one that is: a training step costs about as much as encoding
:data:`STEP_IN_TEXTS` texts per row. Nothing is told before anything is measured. The longest texts are encoded first,
so what is done of an evaluation is counted in characters.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import accumulate

#: Encoding one text per row of a training step: two views, and forward and backward of each is three forwards.
STEP_IN_TEXTS = 6
#: Steps at the start that are slower than the rest, and steps whose median is the speed.
WARM_UP, WINDOW = 2, 30
#: Share of an evaluation after which its speed says something, and after which it is relied upon.
ENOUGH, SURE = 0.1, 0.25
#: Seconds around the steps of a training run (loading, saving), until they were measured once.
AROUND_STEPS = 10.0


class Clock:
    """Told what is done, asked for the seconds that are left. ``began`` is when the whole began, by ``now``.

    lengths: characters of each text of an evaluation. trainings: those not done yet; in all there is one between every
    two evaluations.
    """

    def __init__(
        self,
        *,
        evaluations: int,
        lengths: Sequence[int],
        trainings: int,
        steps: int,
        rows_per_step: int,
        began: float | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now = now
        self._texts, self._steps, self._rows_per_step = max(1, len(lengths)), steps, rows_per_step
        done = list(accumulate(sorted(lengths, reverse=True)))
        self._shares = [0.0, *(characters / max(1, done[-1]) for characters in done)]
        self._evaluations = self._evaluations_left = evaluations
        self._trainings_left = trainings
        self._steps_left = 0
        self._phase_began = now()
        self._began = self._phase_began if began is None else began
        self._phase: str | None = None
        self._texts_done = 0
        self._evaluation_seconds: float | None = None
        self._preparation: float | None = None
        self._around_steps = AROUND_STEPS
        self._step_seconds: list[float] = []
        self._seconds_in_steps = 0.0

    @property
    def elapsed(self) -> float:
        return self._now() - self._began

    def begin_evaluation(self) -> None:
        self._phase, self._phase_began, self._texts_done = "evaluation", self._now(), 0
        if self._preparation is None:
            self._preparation = self.elapsed

    def encoded(self, texts: int) -> None:
        """So many texts more are encoded."""
        self._texts_done += texts

    def end_evaluation(self) -> None:
        self._evaluation_seconds = self._now() - self._phase_began
        self._evaluations_left -= 1
        self._phase = None

    def begin_training(self) -> None:
        self._phase, self._phase_began = "training", self._now()
        self._steps_left, self._seconds_in_steps = self._steps, 0.0

    def continued_at(self, step: int) -> None:
        """The training in progress had done so many steps before."""
        self._steps_left = self._steps - step

    def stepped(self, seconds: float) -> None:
        """One training step is done and took so long."""
        self._step_seconds.append(seconds)
        self._seconds_in_steps += seconds
        self._steps_left -= 1

    def end_training(self) -> None:
        if self._seconds_in_steps:
            self._around_steps = max(0.0, self._now() - self._phase_began - self._seconds_in_steps)
        self._trainings_left -= 1
        self._phase = None

    def remaining(self) -> float | None:
        """Seconds left, or None while nothing was measured.

        >>> times = iter([0.0, 0.0, 0.0, 8.0, 8.0])
        >>> clock = Clock(evaluations=3, lengths=[9, 8], trainings=0, steps=0, rows_per_step=1, now=lambda: next(times))
        >>> clock.begin_evaluation(); clock.encoded(2); clock.end_evaluation(); clock.remaining()
        16.0
        """
        evaluation = self._evaluation()
        step = self._step(evaluation)
        if step is None or evaluation is None:
            return None
        left = self._evaluations_left * evaluation + self._trainings_left * (
            self._steps * step + self._around_steps
        )
        if self._phase == "evaluation":
            left -= evaluation * self._share()
        elif self._phase == "training":
            left -= (self._steps - self._steps_left) * step
            left -= min(self._around_steps, self._now() - self._phase_began - self._seconds_in_steps)
        return max(0.0, left)

    @property
    def is_sure(self) -> bool:
        """Whether enough was measured to say something about the whole."""
        return self._evaluation_seconds is not None or self._share() >= SURE

    def seconds_of(self, steps: int) -> float | None:
        """Seconds of all of the demo from its beginning, with so many steps in each training; None as above."""
        evaluation = self._evaluation()
        step = self._step(evaluation)
        if evaluation is None or step is None:
            return None
        training = steps * step + self._around_steps
        return (
            (self._preparation or 0.0) + self._evaluations * evaluation + (self._evaluations - 1) * training
        )

    def _share(self) -> float:
        """Of the evaluation in progress, what is done."""
        return self._shares[min(self._texts_done, len(self._shares) - 1)]

    def _evaluation(self) -> float | None:
        if self._evaluation_seconds is not None:
            return self._evaluation_seconds
        share = self._share()
        return (self._now() - self._phase_began) / share if share >= ENOUGH else None

    def _step(self, evaluation: float | None) -> float | None:
        measured = sorted(self._step_seconds[WARM_UP:][-WINDOW:])
        if measured:
            return measured[len(measured) // 2]
        return None if evaluation is None else evaluation / self._texts * self._rows_per_step * STEP_IN_TEXTS
