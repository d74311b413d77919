"""``contrapose sweep``: one method over ranges of its numbers, judged by a development set or without labels.

The defaults of the method are measured beside the settings: they are what a setting must be better than. A test split
is never read: what is chosen by a number cannot be reported by it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.errors import UsageError
from contrapose.experiment.checking import check_methods, check_model, check_setting
from contrapose.experiment.folder import claim
from contrapose.experiment.measuring import Setting, mean_of, run_of, train_and_evaluate
from contrapose.experiment.ranges import Factor, defaults_of, parse_over
from contrapose.experiment.sweep_points import SEARCHES, Points
from contrapose.experiment.sweep_storage import require_optuna
from contrapose.experiment.trials import PATIENCE, Measured, Trial, Trials, TrialWatcher
from contrapose.ledger import Entry

if TYPE_CHECKING:
    from contrapose.listening import Listener

#: The number where there are no labelled data: how much the label-free score of the run rose.
LABEL_FREE = "label-free gain"


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What is swept. trials: settings for random and tpe; per_range: values of each range for grid."""

    setting: Setting
    method: str
    over: str
    search: str = "tpe"
    trials: int = 20
    per_range: int = 5
    seeds: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)
    storage: str | None = None

    def __post_init__(self) -> None:
        if self.setting.split == "test":
            raise UsageError(
                "a sweep chooses, so it never reads a test split: a number that settings were chosen by says nothing "
                "about new text. Sweep on dev, then measure the one chosen setting with contrapose compare --split test"
            )
        if self.search not in SEARCHES:
            raise UsageError(f"--search: unknown '{self.search}'. Known: {', '.join(SEARCHES)}")
        if min(self.trials, self.seeds) < 1 or self.per_range < 2:
            raise UsageError("--trials and --seeds must be at least 1, --points at least 2")

    @property
    def factors(self) -> tuple[Factor, ...]:
        return parse_over(self.over, self.method, self.options)

    @property
    def objective(self) -> str:
        """What is made large, in words."""
        if not self.setting.data:
            return "the rise of the label-free score over the run, on held-out rows of the text"
        return f"the mean of {', '.join(self.setting.tasks)} on the {self.setting.split} split"

    def check(self) -> list[str]:
        """Refuse what cannot work before anything is trained; notes for the person."""
        require_optuna()
        check_methods(self.setting, [self.method], self.options)
        check_setting(self.setting)
        check_model(self.setting)
        return [f"over {factor.words}" for factor in self.factors]

    def trials_of(self, values: Mapping[str, Any]) -> list[Trial]:
        """One per seed; the factors are what tables group by."""
        return [
            self.setting.trial(
                {"method": self.method, **values, "seed": seed},
                {"method": self.method, "seed": seed, **self.options, **values},
            )
            for seed in range(self.seeds)
        ]


@dataclass(frozen=True, kw_only=True)
class Swept:
    """A finished sweep. points: the settings, in the order they were tried; entries: their trials, seed by seed."""

    sweep: Sweep
    folder: Path
    points: tuple[Mapping[str, Any], ...]
    entries: tuple[tuple[Entry, ...], ...]
    defaults: Mapping[str, Any] | None
    trials: Trials


def run_sweep(
    sweep: Sweep,
    out: str | Path,
    *,
    watcher: TrialWatcher | None = None,
    listener: Listener | None = None,
) -> Swept:
    """Measure the defaults, then setting after setting until there are enough; all numbers come from the ledger."""
    factors = sweep.factors
    identity = {**sweep.setting.identity, "method": sweep.method, "over": sweep.over, "search": sweep.search}
    if sweep.search == "grid":
        identity["points"] = sweep.per_range
    folder = claim(out, "sweep", {**identity, "options": dict(sweep.options)})
    trials = Trials(folder, experiment="sweep")
    points = Points(
        folder,
        factors,
        name=_study_name(identity, sweep.options),
        search=sweep.search,
        count=sweep.trials,
        per_range=sweep.per_range,
        storage=sweep.storage,
    )
    defaults = defaults_of(factors)
    relay = _Relay(watcher or TrialWatcher(), trials, (points.total + (defaults is not None)) * sweep.seeds)

    def measure(trial: Trial, place: Path) -> Measured:
        if sweep.setting.data:
            return train_and_evaluate(sweep.setting, trial, place, listener)
        return _without_labels(sweep.setting, trial, place, listener)

    def entries_of(values: Mapping[str, Any]) -> list[Entry]:
        return trials.run(sweep.trials_of(values), measure, relay)

    if defaults is not None:
        entries_of(defaults)
    _work(points, entries_of, relay)
    for row in points.rows_of_others():
        if row["key"] not in trials.rows():
            trials.ledger.append("trial", row)
    tried = [point.values for point in points.measured()]
    if defaults is not None and defaults not in tried:
        tried = [defaults, *tried]
    return Swept(
        sweep=sweep,
        folder=folder,
        points=tuple(tried),
        entries=tuple(tuple(entries_of(values)) for values in tried),
        defaults=defaults,
        trials=trials,
    )


def _work(points: Points, entries_of: Any, relay: _Relay) -> None:
    """Take settings until none is left and nobody of this folder is at work on one."""
    while True:
        with points.next() as point:
            if point is not None:
                entries = entries_of(point.values)
                points.tell(point, score_of(entries), [dict(entry.body) for entry in entries])
                continue
        others = points.at_work()
        if not others:
            return
        relay.waiting(others)
        time.sleep(PATIENCE)


def score_of(entries: Sequence[Entry]) -> float | None:
    """The mean over seeds of the mean over tasks; None where a seed diverged."""
    scores = [score(entry) for entry in entries]
    found = [value for value in scores if value is not None]
    return sum(found) / len(found) if len(found) == len(scores) else None


def score(entry: Entry) -> float | None:
    """One trial's number. Raises :class:`UsageError` for tasks whose numbers cannot be averaged."""
    values = entry.body["values"]
    if len({(value["metric"], value["protocol"]) for value in values.values()}) > 1:
        raise UsageError(
            f"one number must be made large, and {', '.join(values)} are of several kinds; give --tasks of one kind"
        )
    return mean_of(values)


def _without_labels(setting: Setting, trial: Trial, place: Path, listener: Listener | None) -> Measured:
    summary = run_of(setting, trial, place, listener).summary
    before, chosen = summary["score_before"], summary["score_chosen"]
    if before is None or chosen is None:
        raise UsageError(
            "the run has no label-free score to sweep by: give more text (texts of 8 words or more), or --data"
        )
    value = {
        "metric": LABEL_FREE,
        "protocol": "label-free",
        "value": chosen - before,
        "low": None,
        "high": None,
    }
    kept = ("steps", "chosen_step", "score_before", "score_chosen", "skipped_steps", "rows", "view_cosine")
    return Measured(values={LABEL_FREE: value}, facts={name: summary[name] for name in kept})


class _Relay(TrialWatcher):
    """Counts trials over the whole sweep, which is run in pieces."""

    def __init__(self, watcher: TrialWatcher, trials: Trials, total: int) -> None:
        self._watcher, self._trials, self._total = watcher, trials, total

    def begun(self, done: int, total: int, trial: Trial) -> None:
        self._watcher.begun(self._done(), self._total, trial)

    def ended(self, done: int, total: int, row: Mapping[str, Any]) -> None:
        self._watcher.ended(self._done(), self._total, row)

    def waiting(self, others: int) -> None:
        self._watcher.waiting(others)

    def _done(self) -> int:
        done = len(self._trials.rows())
        self._total = max(self._total, done)
        return done


def _study_name(identity: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    """Sweeps of different settings may share a storage."""
    return Trial(factors={}, options={**identity, "options": dict(options)}).key
