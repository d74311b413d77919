"""What a person sees while work is done: one bar on standard error, or plain lines where there is no terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from contrapose.cli import console
from contrapose.cli.remaining import Remaining, in_words
from contrapose.data.text import printable

if TYPE_CHECKING:
    from rich.progress import Progress

#: Plain lines that a training run prints where there is no terminal.
PLAIN_LINES = 20
#: Columns of a terminal from which on a bar leaves room for words.
WIDE_ENOUGH_FOR_A_BAR = 72


class TrainingView:
    """A :class:`contrapose.listening.Listener` for people; ``quiet`` shows notices only.

    Used as a context manager: however the run ends, the bar is gone and the cursor is back.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.notices: list[str] = []
        self._bar = None if quiet else moving_bar()
        self._task = self._bar.add_task("starting", total=None, told="") if self._bar else None
        self._remaining: Remaining | None = None
        self._num_steps, self._first_step, self._step = 0, 0, 0
        self._stage = "starting"
        self._look_began = 0.0
        self._look_seconds: float | None = None
        self._look_in_steps, self._looks = 0.0, 0
        self._start_score: float | None = None

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def notice(self, text: str) -> None:
        self.notices.append(text)
        console.tell(f"note: {text}", style="yellow")

    def preparing(self, what: str) -> None:
        self._stage = printable(what)
        if self._bar is None:
            self._line(what)
        else:
            self._update(description=self._stage)

    def reading(self, rows: int) -> None:
        self._update(description=f"reading the corpus: {rows:,} rows")

    def started(self, first_step: int, num_steps: int, facts: Mapping[str, Any]) -> None:
        every, closing = int(facts.get("eval_every", num_steps)), int(facts.get("closing_looks", 0))
        self._remaining = Remaining(
            first_step, num_steps, eval_every=every, closing=closing, look=self._look_seconds
        )
        self._num_steps, self._first_step = num_steps, first_step
        self._look_in_steps, self._looks = float(facts.get("look_in_steps", 0.0)), first_step // every
        total = num_steps + self._look_in_steps * (int(facts.get("evaluations", 0)) + closing)
        for line in fact_lines(first_step, num_steps, facts):
            self._line(line)
        self._step, self._stage = first_step, "training"
        self._update(description="training", total=total, completed=self._completed(), told=in_words(None))

    def stepped(self, step: int, row: Mapping[str, Any]) -> None:
        if self._remaining is None:
            return
        self._remaining.stepped(step)
        self._step = step
        told = f"loss {_short(row.get('loss'))}, {self._left()}"
        if self._bar is not None:
            of_all = f"{step}/{self._num_steps}"
            self._update(description="training", completed=self._completed(), told=f"{of_all}, {told}")
        elif (
            step in (self._first_step + 1, self._num_steps) or step % -(-self._num_steps // PLAIN_LINES) == 0
        ):
            self._line(f"step {step}/{self._num_steps}: {told}")

    def looking(self, done: int, total: int) -> None:
        if done == 0:
            self._look_began = time.monotonic()
        told = f"{done:,} of {total:,} texts"
        if self._remaining is None:
            self._update(total=total, completed=done, told=told)
            if done >= total:
                self._look_seconds = time.monotonic() - self._look_began
            return
        what = "looking at held-out text" if self._stage == "training" else self._stage
        completed = self._completed(done / max(1, total))
        self._update(description=what, completed=completed, told=f"{told}, {self._left()}")
        if done >= total:
            self._looks += 1
            self._remaining.looked(time.monotonic() - self._look_began)

    def _completed(self, of_look: float = 0.0) -> float:
        """In steps; a look counts as the steps that take as long."""
        return self._step + self._look_in_steps * (self._looks + of_look)

    def _left(self) -> str:
        """The time left, in words; after the last step, that of the looks to come."""
        seconds = self._remaining.seconds() if self._remaining is not None else None
        return "all steps done" if self._step >= self._num_steps and not seconds else in_words(seconds)

    def evaluated(self, step: int, scores: Mapping[str, float], is_best: bool) -> None:
        # The start was looked at before: that evaluation takes no time, and would mislead the estimate.
        if self._remaining is not None and step > self._first_step:
            self._remaining.evaluated()
        score = scores["score"]
        if step == 0:
            self._start_score = score
            self._line(f"before: score {_of_criterion(score)}")
            return
        below = self._start_score is not None and score <= self._start_score
        # "The best so far" of steps that are all no better than the start would praise what is no gain.
        told = ", no better than the start" if below else ", the best step so far" if is_best else ""
        self._line(f"step {step}: score {_of_criterion(score)}{told}")

    def stopping(self) -> None:
        from contrapose.listening import STOPPING

        console.tell(STOPPING, style="yellow")
        self._update(description="stopping")

    def finished(self, summary: Mapping[str, Any]) -> None:
        """The result is shown by the verb."""

    def _line(self, text: str) -> None:
        if not self.quiet:
            console.tell(text)

    def _update(self, **changes: Any) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, **changes)


def fact_lines(first_step: int, num_steps: int, facts: Mapping[str, Any]) -> list[str]:
    """What is worth knowing before the first step, for people."""
    lines = [str(line) for line in facts.get("account", ())]
    lines.append(
        f"{facts['rows']:,} rows to train on, {facts['held_out']:,} held out; views: {facts['views']}; "
        f"{facts['device']}, {facts['precision']}"
    )
    if "view_cosine" in facts:
        lines.append(
            f"two dropout views of a text have a mean cosine of {facts['view_cosine']:.4f} (1 would teach nothing)"
        )
    if facts.get("temperature"):
        lines.append(
            f"temperature {facts['temperature']:g} (the same as a scale of {1 / facts['temperature']:g})"
        )
    lines.append(f"the checkpoint is chosen by: {facts['criterion']}")
    if facts.get("evaluations"):
        lines.append(_looks_line(int(facts["evaluations"]), int(facts["closing_looks"])))
    if first_step:
        lines.append(f"continuing after step {first_step} of {num_steps}")
    return lines


def _looks_line(evaluations: int, blends: int) -> str:
    """How often held-out text is looked at, over the whole run.

    >>> _looks_line(1, 3)
    'it is looked at 5 times: the start, 1 evaluation, 3 blends with the start'
    """
    parts = ["the start", console.counted(evaluations, "evaluation")]
    if blends:
        parts.append(f"{console.counted(blends, 'blend')} with the start")
    return f"it is looked at {1 + evaluations + blends} times: {', '.join(parts)}"


class Counter:
    """Counts texts as they are encoded; the total may be unknown."""

    def __init__(self, bar: Progress | None, what: str) -> None:
        self._bar, self._what, self.done = bar, what, 0
        self._total: int | None = None
        self._task = bar.add_task("loading the model", total=None, told="") if bar else None

    def announce(self, total: int) -> None:
        self._total = total
        self._update(total=total)

    def advance(self, texts: int) -> None:
        self.done += texts
        of_all = f" of {self._total:,}" if self._total else ""
        self._update(completed=self.done, description=self._what, told=f"{self.done:,}{of_all} texts")

    def _update(self, **changes: Any) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, **changes)


@contextmanager
def counting(what: str, *, quiet: bool) -> Iterator[Counter]:
    """A counter with a bar where there is a terminal to draw it on, and without a word elsewhere."""
    bar = None if quiet else moving_bar()
    if bar is None:
        yield Counter(None, what)
        return
    with bar:
        yield Counter(bar, what)


@contextmanager
def files_counted(what: str, *, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A callback ``(done, total)`` that moves a bar; None where nobody would see it."""
    bar = None if quiet else moving_bar()
    if bar is None:
        yield None
        return
    with bar:
        task = bar.add_task(what, total=None, told="")
        yield lambda done, total: bar.update(
            task, completed=done, total=total, told=f"{done:,} of {total:,} files"
        )


def moving_bar() -> Progress | None:
    """The one bar of a command, not yet drawn: enter it to draw it. None where a moving line cannot be drawn."""
    screen = console.progress()
    if not screen.is_terminal or screen.is_dumb_terminal:
        return None
    from rich.progress import BarColumn, Progress, TextColumn

    words = (TextColumn("{task.description}", markup=False), TextColumn("{task.fields[told]}", markup=False))
    # In a narrow window the words are worth more than the bar.
    columns = (
        (words[0], BarColumn(bar_width=24), words[1]) if screen.width >= WIDE_ENOUGH_FOR_A_BAR else words
    )
    return Progress(*columns, console=screen, transient=True, refresh_per_second=4)


def _of_criterion(score: float) -> str:
    """
    >>> _of_criterion(-0.0004), _of_criterion(79.314)
    ('-0.0004', '79.31')
    """
    from contrapose.selection.verdict import decimals_of

    return f"{score:.{decimals_of(score)}f}"


def _short(number: Any) -> str:
    return f"{number:.4g}" if isinstance(number, float | int) else str(number)
