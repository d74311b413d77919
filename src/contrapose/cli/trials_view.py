"""What a person sees while an experiment runs: one bar over all trials, the step of the present one, the time left.

Imported by verbs when they run: it needs torch, as the training loop does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.cli import console
from contrapose.cli.progress import ProgressView
from contrapose.cli.time_left import TimeLeft, in_words
from contrapose.data.text import printable
from contrapose.errors import Interrupted
from contrapose.experiment.measuring import UNTRAINED, mean_of
from contrapose.experiment.trials import Trial, TrialListener, Trials

if TYPE_CHECKING:
    from contrapose.cluster.crew import Crew
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
    crew: Crew | None = None,
) -> None:
    """Check, run, and end with JSON and nothing else, or with the tables, what they mean, and a next step.

    crew: a cluster that measures, in place of this process.
    """
    from contrapose.experiment.experiment import run_experiment

    for note in experiment.check():
        important = note.startswith("note:")
        if important or not (quiet or json):
            console.tell(note, style="yellow" if important else "")
    with (
        console.muted("contrapose.evaluate.suite"),
        watching(out, TrialsView(quiet=quiet or json)) as view,
        trials_of(crew) as trials_in,
    ):
        results = run_experiment(experiment, out, view, trials_in=trials_in)
    if json:
        console.show_json({**results.json, "files": [str(path) for path in results.files]})
        return
    show(results)
    if not quiet:
        suggest(results)


@contextmanager
def trials_of(crew: Crew | None) -> Iterator[Callable[..., Trials]]:
    """What makes the trials of an experiment: those that this process measures, or a cluster's."""
    if crew is None:
        yield Trials
        return
    from contrapose.cluster.crew import connected
    from contrapose.cluster.trials import ClusterTrials

    with connected(crew) as share:
        yield partial(ClusterTrials, share=share)


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


class TrialsView(ProgressView, TrialListener):
    """One bar over all trials on standard error, with the step of the present one; ``quiet`` shows notices only."""

    def __init__(
        self, *, quiet: bool = False, score: Callable[[Mapping[str, Any]], str] = main_score
    ) -> None:
        super().__init__(quiet=quiet)
        self._score = score
        self.done, self.total = 0, 0
        self._name, self._stage, self._steps, self._share = "", "", 0, 0.0
        self._is_first, self._is_waiting = True, False
        #: Trials that ended since this process began its first, whoever measured them.
        self._time_left = TimeLeft({"trial": 0})
        self._timed_from, self._trial_began = 0, time.monotonic()

    def begun(self, done: int, total: int, trial: Trial) -> None:
        self.done, self.total, self._is_waiting = done, total, False
        self._name, self._stage, self._share = named(trial.factors), "", 0.0
        self._trial_began = time.monotonic()
        if self._is_first:
            self._time_left.mark()
            self._timed_from, self._is_first = done, False
            if self._bar is None:
                self._line(f"trial {done + 1} of {total}: {self._name}")
        self._draw()

    def ended(self, done: int, total: int, row: Mapping[str, Any]) -> None:
        self.done, self.total, self._share = done, total, 0.0
        if row["factors"].get("method") == UNTRAINED:
            self._time_left.mark()  # it trains nothing, so it is no measure of the others
        else:
            self._time_left.done("trial", done - self._timed_from)
        self._timed_from = done
        left = f"; {self._left()}" if done < total else ""
        failed = row["facts"].get("failed")
        result = f"diverged ({failed})" if failed else self._score(row)
        self._line(f"{done} of {total}, {self._name}: {result} in {row['seconds']:.0f} s{left}")
        if done == total:
            self._draw()

    def waiting(self, others: int) -> None:
        if not self._is_waiting:
            self._is_waiting = True
            self._line(f"waiting for {console.counted(others, 'trial')} that other processes work on")

    def notice(self, text: str) -> None:
        if text not in self.notices:
            super().notice(text)

    def begin(self, what: str, total: int | None = None, unit: str = "") -> None:
        if not unit:
            self._stage = what
            self._draw()

    def advance(self, count: int = 1) -> None:
        """Steps are counted, and what lies between them is not."""

    def end(self) -> None:
        """The next stage says what is done."""

    def started(self, first_step: int, num_steps: int, facts: Mapping[str, Any]) -> None:
        self._steps, self._trial_began = num_steps, time.monotonic()

    def stepped(self, step: int, row: Mapping[str, Any]) -> None:
        self._stage, self._share = f"step {step}/{self._steps}", step / max(1, self._steps)
        self._draw()

    def evaluated(self, step: int, scores: Mapping[str, float], is_best: bool) -> None:
        """The trial's own evaluation is what counts."""

    def finished(self, summary: Mapping[str, Any]) -> None:
        self._stage, self._share = "evaluating", 1.0
        self._draw()

    def _draw(self, description: str = "") -> None:
        if self._bar is None or self._row is None:
            return
        what, words = f"trial {self.done + 1} of {self.total}: {self._name}", self._left()
        if self.total and self.done == self.total:
            what, words = f"{self.total} trials", "comparing"
        self._bar.update(
            self._row,
            total=self.total or None,
            completed=min(self.done + min(self._share, 0.99), self.total),
            description=description or printable(what),
            words=f"{self._stage}, {words}" if self._stage and self._share else words,
        )

    def _left(self) -> str:
        """From the trials that ended; in the first one, from its steps, which is not all there is to do."""
        self._time_left.plan["trial"] = self.total - self.done
        if (seconds := self._time_left.seconds()) is None and self._share >= ENOUGH:
            steps = (time.monotonic() - self._trial_began) / self._share
            return f"at least {in_words((self.total - self.done - self._share) * steps)}"
        return in_words(seconds)


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
