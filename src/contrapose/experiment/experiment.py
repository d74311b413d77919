"""The one pipeline of ``compare``, ``sweep`` and ``reproduce``: trials, a table of them, what it says.

    folder of the experiment -> trials, each measured once -> its ledger -> comparison table -> Results -> files

An experiment says which trials it wants and what its table means; everything else is here and in
:mod:`contrapose.experiment.trials`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from contrapose.errors import DataError, ModelError, UsageError
from contrapose.experiment.folder import claim, let_go
from contrapose.experiment.measuring import Setting, train_and_evaluate
from contrapose.experiment.results import Results
from contrapose.experiment.trials import Measure, Measuring, Trial, TrialListener, TrialResult, Trials
from contrapose.ledger import Entry, Ledger
from contrapose.paths import expanded


class Experiment(ABC):
    """kind: the verb of the command line, and the name of its trials in the ledger; setting: what all trials share."""

    kind: ClassVar[str]
    setting: Setting

    @abstractmethod
    def identity(self) -> Mapping[str, Any]:
        """What may not change between two calls that share a folder."""

    @abstractmethod
    def check(self) -> list[str]:
        """Refuse what cannot work before anything is trained; notes for the person."""

    @abstractmethod
    def trials(self) -> list[Trial]:
        """Those that are known before the first is measured."""

    @abstractmethod
    def results(self, folder: Path, ledger: Ledger, entries: Sequence[Entry]) -> Results:
        """What the finished trials say."""

    def measure(self, trial: Trial, folder: Path, listener: TrialListener) -> TrialResult:
        """Train and evaluate one trial."""
        return train_and_evaluate(self.setting, trial, folder, listener)

    def run_trials(self, trials: Trials, measure: Measure, listener: TrialListener) -> list[Entry]:
        """Measure what is not measured yet; the entries of all trials."""
        return trials.run(self.trials(), measure, listener)


@dataclass(frozen=True)
class _Claimed:
    """Measures trials in a folder that is still its experiment's: another process may have begun another meanwhile."""

    experiment: Experiment
    folder: Path
    identity: Mapping[str, Any]

    def measure(self, trial: Trial, folder: Path, listener: TrialListener) -> TrialResult:
        claim(self.folder, self.experiment.kind, self.identity)
        return self.experiment.measure(trial, folder, listener)


def run_experiment(
    experiment: Experiment,
    out: str | Path,
    listener: TrialListener | None = None,
    *,
    trials_in: Callable[..., Trials] = Trials,
) -> Results:
    """Measure what is not measured yet, read all numbers from the folder's ledger, and write the results.

    Processes that are given the same experiment and folder share the work. Raises :class:`UsageError` for a folder of
    another experiment; call :meth:`Experiment.check` first. trials_in: who measures, this process or a cluster.
    """
    listener = listener or TrialListener()
    identity = experiment.identity()
    is_new = not expanded(out).exists()
    folder = claim(out, experiment.kind, identity)

    measure = Measuring(_Claimed(experiment, folder, identity), listener)
    trials = trials_in(folder, experiment=experiment.kind)
    try:
        entries = experiment.run_trials(trials, measure, listener)
    except (UsageError, DataError, ModelError):
        if is_new:
            let_go(folder)
        raise
    results = experiment.results(folder, trials.ledger, entries)
    results.write()
    return results
