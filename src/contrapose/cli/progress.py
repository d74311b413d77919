"""What a person sees while work is done: one bar on standard error, or plain lines where there is no terminal."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from contrapose.cli import console
from contrapose.cli.time_left import TimeLeft, in_words
from contrapose.cli.training_progress import TrainingProgress, fact_lines
from contrapose.data.text import printable
from contrapose.listening import STOPPING, Listener

if TYPE_CHECKING:
    from rich.progress import Progress

#: Plain lines that a training run prints where there is no terminal.
PLAIN_LINES = 20
#: Columns of a terminal from which on a bar leaves room for words.
WIDE_ENOUGH_FOR_A_BAR = 72
#: Batches that must be done before their speed says something.
ENOUGH_BATCHES = 3


class ProgressView(Listener):
    """Draws what it is told. Used as a context manager: however the work ends, the bar is gone and the cursor is back.

    quiet       shows notices only
    speaks      False for the other processes of a run, which do what the first one does: nothing is shown
    lines       where there is no terminal, a line for each stage
    """

    def __init__(self, *, quiet: bool = False, speaks: bool = True, lines: bool = False) -> None:
        self.quiet, self._speaks, self._lines = quiet or not speaks, speaks, lines
        self.notices: list[str] = []
        self._tasks: list[_Task] = []
        self._training: TrainingProgress | None = None
        self._seconds_of_look: float | None = None
        self._bar = None if self.quiet else moving_bar()
        self._row = self._bar.add_task("starting", total=None, words="") if self._bar else None

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def begin(self, what: str, total: int | None = None, unit: str = "") -> None:
        if self._lines and self._bar is None and not unit:
            self._line(what)
        self._tasks.append(_Task(printable(what), total, unit))
        self._draw()

    def expect(self, total: int) -> None:
        if (counting := self._counting()) is not None:
            counting.expect(total)
            self._draw()

    def advance(self, count: int = 1) -> None:
        if (counting := self._counting()) is not None:
            counting.advance(count)
            self._draw()

    def end(self) -> None:
        task = self._tasks.pop()
        if task.unit == "text":
            # The texts that are encoded in a training run, and last before it, are held-out ones.
            self._seconds_of_look = time.monotonic() - task.began
            if self._training is not None:
                self._training.looked(self._seconds_of_look)
        self._draw()

    def notice(self, text: str) -> None:
        self.notices.append(text)
        if self._speaks:
            console.tell(f"note: {text}", style="yellow")

    def started(self, first_step: int, num_steps: int, facts: Mapping[str, Any]) -> None:
        self._training = TrainingProgress(first_step, num_steps, facts, self._seconds_of_look)
        for line in fact_lines(first_step, num_steps, facts):
            self._line(line)
        self._draw()

    def stepped(self, step: int, row: Mapping[str, Any]) -> None:
        if (training := self._training) is None:
            return
        training.stepped(step, row)
        self._draw()
        shown = step in (training.first_step + 1, training.num_steps)
        if self._bar is None and (shown or step % -(-training.num_steps // PLAIN_LINES) == 0):
            self._line(f"step {training.words(between=': ')}")

    def evaluated(self, step: int, scores: Mapping[str, float], is_best: bool) -> None:
        if self._training is not None:
            self._line(self._training.evaluated(step, scores["score"], is_best))

    def stopping(self) -> None:
        if self._speaks:
            console.tell(STOPPING, style="yellow")
            self._draw("stopping")

    def _counting(self) -> _Task | None:
        """The innermost task that counts."""
        return next((task for task in reversed(self._tasks) if task.unit), None)

    def _line(self, text: str) -> None:
        if not self.quiet:
            console.tell(text)

    def _draw(self, description: str = "") -> None:
        counting, training = self._counting(), self._training
        if self._bar is None or self._row is None or not (self._tasks or training or description):
            return
        stages = [task.what for task in self._tasks if not task.unit]
        what = description or (stages[-1] if stages else counting.what if counting else "training")
        total: float | None = None
        completed, words = 0.0, ""
        if training is not None and counting is not None:
            total, completed = training.total, training.completed(counting.share())
            words = f"{counting.words()}, {training.left_in_words()}"
        elif training is not None:
            total, completed, words = training.total, training.completed(), training.words()
        elif counting is not None:
            total, completed, words = counting.total, counting.done, counting.words_with_time()
        if total is None and self._bar.tasks[0].total is not None:
            self._bar.remove_task(self._row)  # the only way back to a bar that knows no end
            self._row = self._bar.add_task(what, total=None, words=words)
        self._bar.update(self._row, description=what, total=total, completed=completed, words=words)


class _Task:
    """A task that has begun; without a unit it is a stage, which does not count."""

    def __init__(self, what: str, total: int | None, unit: str) -> None:
        self.what, self.total, self.unit, self.done = what, total, unit, 0
        self.began = time.monotonic()
        self._time_left = TimeLeft({unit: total or 0}, enough=ENOUGH_BATCHES)

    def expect(self, total: int) -> None:
        self.total = total
        self._time_left.plan[self.unit] = max(0, total - self.done)

    def advance(self, count: int) -> None:
        self.done += count
        self._time_left.done(self.unit, count)

    def share(self) -> float:
        return self.done / max(1, self.total or 0)

    def words(self) -> str:
        of_all = "" if self.total is None else f" of {self.total:,}"
        return f"{self.done:,}{of_all} {self.unit}s"

    def words_with_time(self) -> str:
        if self.total is None or self.done >= self.total:
            return self.words()
        return f"{self.words()}, {in_words(self._time_left.seconds())}"


def moving_bar() -> Progress | None:
    """The one bar of a command, not yet drawn: enter it to draw it. None where a moving line cannot be drawn."""
    screen = console.progress()
    if not screen.is_terminal or screen.is_dumb_terminal:
        return None
    from rich.progress import BarColumn, Progress, TextColumn

    words = (TextColumn("{task.description}", markup=False), TextColumn("{task.fields[words]}", markup=False))
    # In a narrow window the words are worth more than the bar.
    columns = (
        (words[0], BarColumn(bar_width=24), words[1]) if screen.width >= WIDE_ENOUGH_FOR_A_BAR else words
    )
    return Progress(*columns, console=screen, transient=True, refresh_per_second=4)
