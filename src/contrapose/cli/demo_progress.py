"""How far the demo is, how long all of it will still take, and what is said where a machine is too slow for it."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from contrapose.cli import console
from contrapose.cli.time_left import TimeLeft
from contrapose.listening import Listener

if TYPE_CHECKING:
    from contrapose.cli.demo_settings import DemoSettings

#: Times that the demo asks an encoder, and trainings in between.
EVALUATIONS, TRAININGS = 3, 2
#: Seconds that the demo takes at most with its own settings on two idle cores; an estimate may be this much above.
PROMISED, TOLERANCE = 480.0, 1.25
#: A training step costs about as much as encoding so many texts per row: two views, forward and backward of each.
STEP_IN_TEXTS = 6
#: Share of the first evaluation after which its speed is relied upon; steps that are offered are a multiple of these.
SURE, STEPS = 0.25, 5
#: An evaluation is measured in parts of this size: short texts, which come last, cost more for their length.
PART = 1 / 16


class DemoProgress(Listener):
    """Says to ``view`` what is done, and at each stage how long all of the demo will still take.

    Work is counted in steps: an evaluation is the text of so many, shared among its texts by their length, longest
    first. lengths: characters of each text; trainings: those not done yet.
    """

    def __init__(
        self,
        view: Listener,
        settings: DemoSettings,
        lengths: Sequence[int],
        trainings: int,
        *,
        began: float | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._view, self._settings, self._now = view, settings, now
        self._began = now() if began is None else began
        self._preparation = 0.0
        done = list(accumulate(sorted(lengths, reverse=True)))
        self._shares = [0.0, *(characters / max(1, done[-1]) for characters in done)]
        self._evaluation = max(1, len(lengths)) / (settings.batch_size * STEP_IN_TEXTS)
        self._texts, self._measured, self._told = 0, 0.0, False
        work = {"evaluation": EVALUATIONS * self._evaluation, "step": float(trainings * settings.steps)}
        self.time_left = TimeLeft(work, like={"step": "evaluation"}, now=now)

    @contextmanager
    def stage(self, what: str) -> Iterator[None]:
        """A part of the demo; what it does is told inside."""
        with self._view.task(f"{what} ({in_time(self.elapsed, self.time_left.seconds())})"):
            yield

    @property
    def elapsed(self) -> float:
        return self._now() - self._began

    def begin(self, what: str, total: int | None = None, unit: str = "") -> None:
        if unit == "text":  # the encoder is loaded, and its speed is measured from here
            self.time_left.mark()
            self._texts, self._measured = 0, 0.0
            self._preparation = self._preparation or self.elapsed
        self._view.begin(what, total, unit)

    def end(self) -> None:
        self._view.end()

    def advance(self, count: int = 1) -> None:
        """So many texts of an evaluation are encoded."""
        self._texts = min(self._texts + count, len(self._shares) - 1)
        part = self._shares[self._texts] - self._measured
        if part >= PART or self._texts == len(self._shares) - 1:
            self.time_left.done("evaluation", part * self._evaluation)
            self._measured += part
        self._view.advance(count)
        self._tell_of_time()

    def started(self, first_step: int, num_steps: int, facts: Mapping[str, Any]) -> None:
        self.time_left.plan["step"] -= first_step
        self._view.begin("training", num_steps - first_step, "step")

    def stepped(self, step: int, row: Mapping[str, Any]) -> None:
        self.time_left.mark()
        self.time_left.took("step", float(row["seconds"]))
        self._view.advance()
        self._tell_of_time()

    def finished(self, summary: Mapping[str, Any]) -> None:
        self._view.end()

    def notice(self, text: str) -> None:
        self._view.notice(text)

    def stopping(self) -> None:
        self._view.stopping()

    def seconds_of(self, steps: int) -> float:
        """Seconds of all of the demo from its beginning, with so many steps in each training."""
        each = {kind: self.time_left.each(kind) or 0.0 for kind in ("evaluation", "step")}
        asking = EVALUATIONS * self._evaluation * each["evaluation"]
        return self._preparation + asking + TRAININGS * steps * each["step"]

    def _tell_of_time(self) -> None:
        """Once, where the demo will take longer than promised: how long, and how many steps fit."""
        left, steps = self.time_left.seconds(), self._settings.steps
        is_sure = self.time_left.plan["evaluation"] <= (EVALUATIONS - SURE) * self._evaluation
        # Whoever asked for more steps than the demo's own was promised nothing.
        if self._told or left is None or not is_sure or steps > type(self._settings)().steps:
            return
        if self.elapsed + left <= TOLERANCE * PROMISED:
            return
        self._told = True
        said = (
            "This machine, as busy as it is now, is slower than the demo was made for: it will take about "
            f"{_minutes(self.elapsed + left)} and not {_minutes(PROMISED)}."
        )
        fewer = self.steps_that_fit(PROMISED)
        anew = self.seconds_of(fewer)
        if anew < left and fewer < steps:
            said += (
                f" With {fewer} steps in place of {steps}, which show less, it takes about {_minutes(anew)}: Ctrl-C, "
                f"then {command_with(self._settings, fewer)}"
            )
        self.notice(said)

    def steps_that_fit(self, seconds: float) -> int:
        """Steps of each training with which a demo takes at most ``seconds``; never fewer than the least."""
        none, one = self.seconds_of(0), self.seconds_of(1)
        fitting = int((seconds - none) / (one - none)) if one > none else STEPS
        return max(STEPS, fitting - fitting % STEPS)


def command_with(settings: DemoSettings, steps: int) -> str:
    """The same demo with other steps, as it is typed.

    >>> from contrapose.cli.demo_settings import DemoSettings
    >>> command_with(DemoSettings(out="my demo", seed=3), 20)
    "contrapose demo --out 'my demo' --seed 3 --steps 20"
    """
    usual, words = type(settings)(), ["contrapose", "demo"]
    for name in ("out", "model", "method", "batch_size", "seed"):
        if (value := getattr(settings, name)) != getattr(usual, name):
            words += [f"--{name.replace('_', '-')}", str(value)]
    if settings.sources != usual.sources:
        words += [word for source in settings.sources for word in ("--source", source)]
    return shlex.join([*words, "--steps", str(steps)])


def _minutes(seconds: float) -> str:
    return console.counted(max(1, round(seconds / 60)), "minute")


def in_time(elapsed: float, left: float | None) -> str:
    """How long it took and will take, no more exact than it is known.

    >>> in_time(75, 130), in_time(5, None), in_time(200, 20)
    ('1:15, about 2 min left', '0:05, measuring speed', '3:20, under a minute left')
    """
    so_far = f"{int(elapsed) // 60}:{int(elapsed) % 60:02d}"
    if left is None:
        return f"{so_far}, measuring speed"
    return f"{so_far}, " + (f"about {round(left / 60)} min left" if left >= 60 else "under a minute left")
