"""``contrapose sweep``: one method over ranges of its hyperparameters, judged by a development set or without labels.

A comparison whose rows are configurations, and whose baseline is the method's defaults: they are what a configuration
must be better than. A test split is never read: what is chosen by a number cannot be reported by it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contrapose.errors import UsageError
from contrapose.experiment.checking import check_methods, check_model, check_setting
from contrapose.experiment.experiment import Experiment
from contrapose.experiment.measuring import KEPT, Setting, mean_of, run_of, train_and_evaluate
from contrapose.experiment.proposals import Proposals, require_optuna
from contrapose.experiment.ranges import Factor, defaults_of, draws, grid, parse_over
from contrapose.experiment.results import Results, ResultTable, facts_of
from contrapose.experiment.sensitivity import sensitivity
from contrapose.experiment.sweep_words import configuration_json, header, in_words, rows
from contrapose.experiment.trials import PATIENCE, Measure, Trial, TrialListener, TrialResult, Trials
from contrapose.ledger import Entry, Ledger
from contrapose.selection.scores import rise

SEARCHES = ("tpe", "random", "grid")
#: The number where there are no labelled data: how much the label-free score of the run rose.
LABEL_FREE = "label-free gain"


@dataclass(frozen=True, kw_only=True)
class Sweep(Experiment):
    """What is swept. configurations: how many for random and tpe; per_range: values of each range for grid."""

    kind = "sweep"
    setting: Setting
    method: str
    over: str
    search: str = "tpe"
    configurations: int = 20
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
        if min(self.configurations, self.seeds) < 1 or self.per_range < 2:
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

    def identity(self) -> dict[str, Any]:
        points = {"points": self.per_range} if self.search == "grid" else {}
        asked = {"method": self.method, "over": self.over, "search": self.search, **points}
        return {**self.setting.identity, **asked, "options": dict(self.options)}

    def check(self) -> list[str]:
        if self.search == "tpe" or self.storage:
            require_optuna()
        check_methods(self.setting, [self.method], self.options)
        check_setting(self.setting)
        check_model(self.setting)
        return [f"over {factor.words}" for factor in self.factors]

    def trials(self) -> list[Trial]:
        """The defaults, then the configurations that are known beforehand."""
        return [*self._trials_of([defaults_of(self.factors)]), *self._trials_of(self._known() or [])]

    def measure(self, trial: Trial, folder: Path, listener: TrialListener) -> TrialResult:
        if not self.setting.data:
            return _without_labels(self.setting, trial, folder, listener)
        result = train_and_evaluate(self.setting, trial, folder, listener)
        if len({(value["metric"], value["protocol"]) for value in result.values.values()}) > 1:
            raise UsageError(
                f"one number must be made large, and {', '.join(result.values)} are of several kinds; give --tasks of "
                "one kind"
            )
        return result

    def run_trials(self, trials: Trials, measure: Measure, listener: TrialListener) -> list[Entry]:
        """With Optuna where it proposes, or where machines share its database; else all trials are known."""
        known = self._known()
        if known is not None and self.storage is None:
            return trials.run(self.trials(), measure, listener)
        total = self.configurations if known is None else len(known)
        defaults = self._trials_of([defaults_of(self.factors)])
        trials.expected = total * self.seeds + len(defaults)
        name = Trial(factors={}, options=self.identity()).key  # sweeps of other settings may share a storage
        proposals = Proposals(
            trials.folder, self.factors, name=name, total=total, known=known, storage=self.storage
        )
        trials.run(defaults, measure, listener)
        self._search(proposals, trials, measure, listener)
        recorded = trials.rows()
        for row in proposals.rows_of_others():
            if row["key"] not in recorded:
                trials.ledger.append("trial", row)
        return trials.run([*defaults, *self._trials_of(proposals.measured())], measure, listener)

    def results(self, folder: Path, ledger: Ledger, entries: Sequence[Entry]) -> Results:
        groups: dict[str, dict[str, Entry]] = {}
        for entry in entries:
            values = {factor.name: entry.body["factors"][factor.name] for factor in self.factors}
            groups.setdefault(json.dumps(values), {})[entry.id] = entry
        response = sensitivity(
            self.factors,
            [(json.loads(values), list(each.values())) for values, each in groups.items()],
            ledger,
            defaults=defaults_of(self.factors),
            seeds=self.seeds,
            digits=2 if self.setting.data else 4,
        )
        conclusions = in_words(response)
        chosen = response.better[0] if response.better else response.default or response.best
        return Results(
            folder=folder,
            title=f"{self.method} from {self.setting.model}: sensitivity",
            conclusions=conclusions,
            facts=facts_of(
                folder,
                self.setting.corpus,
                self.options,
                f"search: {self.search} over {'; '.join(factor.words for factor in self.factors)}",
                f"measured: {self.objective}; {len(groups)} settings, {self.seeds} seed"
                f"{'' if self.seeds == 1 else 's'} each",
            ),
            tables=[ResultTable(header=header(response), rows=rows(response))],
            chosen=chosen.values,
            json={
                "experiment": self.kind,
                "folder": str(folder),
                "method": self.method,
                "objective": self.objective,
                "search": self.search,
                "factors": [factor.words for factor in self.factors],
                "seeds": self.seeds,
                "noise": response.noise,
                "in_words": conclusions,
                # Empty where it is unknown: the highest alone is no region.
                "region": [dict(configuration.values) for configuration in response.region],
                "clearly_better_than_defaults": [dict(each.values) for each in response.better],
                "settings": [configuration_json(configuration) for configuration in response.configurations],
            },
        )

    def _known(self) -> list[dict[str, Any]] | None:
        """The configurations that are known beforehand; None where they are proposed one after the other."""
        if self.search == "grid":
            return grid(self.factors, self.per_range)
        return draws(self.factors, self.configurations) if self.search == "random" else None

    def _trials_of(self, configurations: Sequence[Mapping[str, Any] | None]) -> list[Trial]:
        """One per seed; the factors are what tables group by."""
        return [
            self.setting.trial(
                {"method": self.method, **values, "seed": seed},
                {"method": self.method, "seed": seed, **self.options, **values},
            )
            for values in configurations
            if values is not None
            for seed in range(self.seeds)
        ]

    def _search(
        self, proposals: Proposals, trials: Trials, measure: Measure, listener: TrialListener
    ) -> None:
        """Measure one configuration after the other, until there are enough and no process works on one."""
        while True:
            busy = 0
            for point in proposals.unfinished():
                mine = self._trials_of([point.values])
                trials.take(mine, measure, listener)
                recorded = trials.rows()
                entries = [recorded[trial.key] for trial in mine if trial.key in recorded]
                if len(entries) < len(mine):
                    busy += 1
                else:
                    scores = [mean_of(entry.body["values"]) for entry in entries]
                    proposals.tell(point, mean_or_none(scores), [dict(entry.body) for entry in entries])
            if trials.room() and proposals.propose():
                continue
            if busy:
                listener.waiting(busy)
                time.sleep(PATIENCE)
            elif not proposals.unfinished():
                return


def mean_or_none(scores: Sequence[float | None]) -> float | None:
    """None where a seed diverged."""
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if len(known) == len(scores) else None


def _without_labels(setting: Setting, trial: Trial, folder: Path, listener: TrialListener) -> TrialResult:
    summary = run_of(setting, trial, folder, listener).summary
    before, chosen = summary["score_before"], summary["score_chosen"]
    if before is None or chosen is None:
        raise UsageError(
            "the run has no label-free score to sweep by: give more text (texts of 8 words or more), or --data"
        )
    value = {
        "metric": LABEL_FREE,
        "protocol": "label-free",
        "value": rise(before, chosen),
        "low": None,
        "high": None,
    }
    facts = {name: summary[name] for name in KEPT}
    return TrialResult(values={LABEL_FREE: value}, facts=facts)
