"""What a person sees while an experiment runs: one bar over all trials, the step of the present one, the time left.

Imported by verbs when they run: it needs torch, as the training loop does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.cli import console
from contrapose.cli.progress import moving_bar
from contrapose.cli.time_left import in_words
from contrapose.data.text import printable
from contrapose.errors import Interrupted
from contrapose.experiment.measuring import UNTRAINED, mean_of
from contrapose.experiment.trials import Trial, TrialListener

if TYPE_CHECKING:
    from contrapose.experiment.experiment import Experiment
    from contrapose.experiment.results import Results, ResultTable

#: Share of the first trial's steps after which their speed says something.
ENOUGH = 0.05


def run_and_show(
    experiment: Experiment,
    out: str | Path,
    suggest: Callable[[Results], None],
    *,
    quiet: bool,
    json: bool,
) -> None:
    """Check, run, and end with JSON and nothing else, or with the tables, what they mean, and a next step."""
    from contrapose.experiment.experiment import run_experiment

    for note in experiment.check():
        if not json and (not quiet or note.startswith("note:")):
            console.tell(note, style="yellow" if note.startswith("note:") else "")
    with (
        console.muted("contrapose.evaluate.suite"),
        watching(out, TrialsView(quiet=quiet or json)) as view,
    ):
        results = run_experiment(experiment, out, view)
    if json:
        console.show_json({**results.json, "files": [str(path) for path in results.files]})
        return
    show(results)
    if not quiet:
        suggest(results)


def show(results: Results) -> None:
    """The tables, and what they say."""
    for fact in results.facts:
        console.say(fact, style="dim")
    for table in results.tables:
        console.show(_drawn(table, results.title))
        if table.note:
            console.say(table.note, style="dim")
    for line in results.conclusions:
        console.say(line, style="bold")
    for line in results.warnings:
        console.say(line, style="yellow")
    console.say(f"written: {', '.join(map(str, results.files))}")


def _drawn(table: ResultTable, title: str) -> Any:
    """Columns may share a name, which a mapping cannot hold: a blank tells them apart."""
    columns: dict[str, str] = {}
    for name in table.header:
        while name in columns:
            name += " "
        columns[name] = "name" if not columns or name == "in words" else "number"
    return console.table(columns, table.rows, title=table.title or title)


def main_score(row: Mapping[str, Any]) -> str:
    """One trial in a few words; gains that are measured without labels are small.

    >>> main_score({"values": {"STS-B": {"metric": "spearman", "protocol": "all", "value": 82.0}}})
    '82.00'
    """
    values = row["values"]
    kinds = {(value["metric"], value["protocol"]) for value in values.values()}
    mean = mean_of(values) if len(kinds) == 1 else None
    if mean is not None:
        label_free = {protocol for _, protocol in kinds} == {"label-free"}
        score = f"{mean:+.4f}" if label_free else f"{mean:.2f}"
        return f"mean {score}" if len(values) > 1 else score
    shown = list(values.items())[:3]
    return ", ".join(
        f"{task} {'undefined' if value['value'] is None else format(value['value'], '.2f')}"
        for task, value in shown
    )


class Pace:
    """How long the trials that are left will take, from those that ended since this process began, whoever did them.

    >>> times = iter([0.0, 60.0, 60.0, 90.0, 150.0])
    >>> pace = Pace(now=lambda: next(times))
    >>> pace.begun(1); pace.seconds(1, 5) is None
    True
    >>> pace.ended(3)                      # another process ended one meanwhile: two in 60 s
    >>> pace.seconds(3, 5), pace.seconds(3, 5)
    (30.0, 30.0)
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._first: tuple[float, int] | None = None
        self._last: tuple[float, int] | None = None

    def begun(self, done: int) -> None:
        if self._first is None:
            self._first = (self._now(), done)

    def ended(self, done: int, *, counts: bool = True) -> None:
        """``counts``: False for a trial that is no measure of the others, which then count from here."""
        if counts:
            self._last = (self._now(), done)
        else:
            self._first = (self._now(), done)

    def seconds(self, done: int, total: int) -> float | None:
        """Left until all are done; None before one is."""
        if self._first is None or self._last is None or self._last[1] <= self._first[1]:
            self._now()
            return None
        each = (self._last[0] - self._first[0]) / (self._last[1] - self._first[1])
        left = (total - self._last[1]) * each - (self._now() - self._last[0])
        return max(left, (total - done - 1) * each, 0.0)


class TrialsView(TrialListener):
    """Draws on standard error; ``quiet`` shows notices only."""

    def __init__(
        self, *, quiet: bool = False, score: Callable[[Mapping[str, Any]], str] = main_score
    ) -> None:
        self.quiet, self._score = quiet, score
        self.done, self.total = 0, 0
        self._pace = Pace()
        self._name, self._inside, self._steps = "", "", 0
        self._begun, self._told_waiting = False, False
        self._trial_began = time.monotonic()
        self._noticed: set[str] = set()
        self._bar = None if quiet else moving_bar()
        self._task = self._bar.add_task("preparing", total=None, words="") if self._bar else None

    def begun(self, done: int, total: int, trial: Trial) -> None:
        self.done, self.total, self._told_waiting = done, total, False
        self._name, self._inside = named(trial.factors), ""
        self._pace.begun(done)
        self._trial_began = time.monotonic()
        self._show(0.0)
        if self._bar is None and not self._begun:
            self._line(f"trial {done + 1} of {total}: {self._name}")
        self._begun = True

    def ended(self, done: int, total: int, row: Mapping[str, Any]) -> None:
        self.done, self.total = done, total
        self._pace.ended(done, counts=row["factors"].get("method") != UNTRAINED)
        left = f"; {self._left()}" if done < total else ""
        failed = row["facts"].get("failed")
        result = f"diverged ({failed})" if failed else self._score(row)
        self._line(f"{done} of {total}, {self._name}: {result} in {row['seconds']:.0f} s{left}")
        if done < total:
            self._show(0.0)
        elif self._bar is not None and self._task is not None:
            told = "comparing"
            self._bar.update(self._task, completed=total, description=f"{total} trials", words=told)

    def waiting(self, others: int) -> None:
        if not self._told_waiting:
            self._told_waiting = True
            self._line(f"waiting for {console.counted(others, 'trial')} that other processes work on")

    def notice(self, text: str) -> None:
        if text not in self._noticed:
            self._noticed.add(text)
            console.tell(f"note: {text}", style="yellow")

    def begin(self, what: str, total: int | None = None, unit: str = "") -> None:
        if not unit:
            self._inside = what
            self._show(0.0)

    def started(self, first_step: int, num_steps: int, facts: Mapping[str, Any]) -> None:
        self._steps, self._trial_began = num_steps, time.monotonic()

    def stepped(self, step: int, row: Mapping[str, Any]) -> None:
        self._inside = f"step {step}/{self._steps}"
        self._show(step / max(1, self._steps))

    def finished(self, summary: Mapping[str, Any]) -> None:
        self._inside = "evaluating"
        self._show(1.0)

    def __enter__(self) -> TrialsView:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _show(self, share: float) -> None:
        if self._bar is None or self._task is None:
            return
        inside = f"{self._inside}, " if self._inside else ""
        self._bar.update(
            self._task,
            total=self.total or None,
            completed=min(self.done + min(share, 0.99), self.total),
            description=printable(f"trial {self.done + 1} of {self.total}: {self._name}"),
            words=f"{inside}{self._left(share)}",
        )

    def _left(self, share: float = 0.0) -> str:
        """From the trials that ended; in the first one, from its steps, which is not all there is to do."""
        seconds = self._pace.seconds(self.done, self.total)
        if seconds is None and share >= ENOUGH:
            steps = (time.monotonic() - self._trial_began) / share
            return f"at least {in_words((self.total - self.done - share) * steps)}"
        return in_words(seconds)

    def _line(self, text: str) -> None:
        if not self.quiet:
            console.tell(text)


def named(factors: Mapping[str, Any]) -> str:
    """A trial in words.

    >>> named({"method": "simcse", "seed": 1}), named({"method": "start"}), named({"temperature": 0.05, "seed": 0})
    ('simcse, seed 1', 'the pretrained model', 'temperature 0.05, seed 0')
    """
    if factors.get("method") == UNTRAINED:
        return "the pretrained model"
    parts = [f"{name} {_plain(value)}" for name, value in factors.items() if name != "method"]
    return ", ".join([*([str(factors["method"])] if "method" in factors else []), *parts])


def _plain(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@contextmanager
def watching(folder: str | Path, view: TrialsView) -> Iterator[TrialsView]:
    """Inside the block the bar is drawn; Ctrl-C at any time ends with how to go on."""
    try:
        with view:
            yield view
    except (KeyboardInterrupt, Interrupted) as stop:
        code = getattr(stop, "exit_code", Interrupted.exit_code)  # a KeyboardInterrupt of Python's has none
        finished = f"{view.done} of {view.total} trials are finished" if view.total else "nothing was begun"
        raise Interrupted(
            f"interrupted: {finished}, and all of it is kept in {folder}.\n"
            "The same command goes on where it stopped, in the middle of a trial too.",
            exit_code=code,
        ) from None
