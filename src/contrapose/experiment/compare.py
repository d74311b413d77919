"""``contrapose compare``: the same text and model, several methods, several seeds, and what of it is no chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.errors import UsageError
from contrapose.experiment.checking import check_methods, check_model, check_setting, options_for
from contrapose.experiment.folder import claim
from contrapose.experiment.measuring import UNTRAINED, Setting, train_and_evaluate
from contrapose.experiment.standings import Standings, standings
from contrapose.experiment.trials import Measured, Trial, Trials, TrialWatcher

if TYPE_CHECKING:
    from contrapose.listening import Listener

DEFAULT_METHODS = ("simcse", "focal-infonce", "hncse-pm", "hncse-hnm", "hncse")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What is compared. options: of ``train``, the same for all methods; baseline: what differences are taken to."""

    setting: Setting
    methods: tuple[str, ...] = DEFAULT_METHODS
    seeds: int = 3
    options: Mapping[str, Any] = field(default_factory=dict)
    baseline: str = ""

    def __post_init__(self) -> None:
        if not self.methods:
            raise UsageError("--methods: name at least one")
        if self.seeds < 1:
            raise UsageError(f"--seeds must be at least 1, got {self.seeds}")
        if self.reference not in (UNTRAINED, *self.methods):
            known = ", ".join((UNTRAINED, *self.methods))
            raise UsageError(f"--baseline '{self.baseline}' is not compared here. Choose of: {known}")

    @property
    def reference(self) -> str:
        return self.baseline or self.methods[0]

    def check(self) -> list[str]:
        """Refuse what cannot work before anything is trained; notes for the person."""
        if not self.setting.data:
            raise UsageError("on what are they compared? Give --data FOLDER, for example SentEval's")
        notes = check_methods(self.setting, self.methods, self.options)
        check_setting(self.setting)
        check_model(self.setting)
        return notes

    def trials(self) -> list[Trial]:
        """The start, then every method with seed 0, every method with seed 1 ...: a stop leaves whole rounds."""
        trained = [
            self.setting.trial(
                {"method": method, "seed": seed},
                {"method": method, "seed": seed, **options_for(method, self.options)},
            )
            for seed in range(self.seeds)
            for method in self.methods
        ]
        return [self.setting.start(), *trained]


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A finished comparison. trials: the lines of the ledger that every number comes from."""

    comparison: Comparison
    folder: Path
    standings: Standings
    trials: int


def run_compare(
    comparison: Comparison,
    out: str | Path,
    *,
    watcher: TrialWatcher | None = None,
    listener: Listener | None = None,
) -> Compared:
    """Measure what is not measured yet, then read all numbers from the folder's ledger.

    Raises :class:`UsageError` for a folder of another experiment; see :meth:`Comparison.check` too.
    """
    setting = comparison.setting
    folder = claim(out, "compare", {**setting.identity, "options": dict(comparison.options)})
    trials = Trials(folder, experiment="compare")

    def measure(trial: Trial, place: Path) -> Measured:
        return train_and_evaluate(setting, trial, place, listener)

    wanted = comparison.trials()
    entries = trials.run(wanted, measure, watcher)
    order = (UNTRAINED, *comparison.methods)
    entries = sorted(entries, key=lambda entry: order.index(entry.body["factors"]["method"]))
    return Compared(
        comparison=comparison,
        folder=folder,
        standings=standings(trials.ledger, entries, comparison.reference),
        trials=len(entries),
    )
