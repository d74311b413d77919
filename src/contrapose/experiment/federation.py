"""``contrapose federate``: what training over clients costs, beside training on all text in one place.

    start       the pretrained model
    federated   rounds of clients, each with topics of its own; their weights are averaged (protocols/federated.py)
    central     the same method with as many steps on as many rows, of all text: the yardstick

Both runs lie in the experiment's folder and stay there, with their models. An interrupted one goes on at its step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from contrapose.errors import UsageError
from contrapose.experiment.checking import check_methods, check_model, check_setting
from contrapose.experiment.clients_table import summary_of
from contrapose.experiment.compare import HEADER, explanation, in_words, main_rows
from contrapose.experiment.comparison_table import by_method, comparison_table
from contrapose.experiment.experiment import Experiment
from contrapose.experiment.federation_words import (
    CENTRAL,
    FEDERATED,
    clients_table,
    folder_of,
    gains_in_words,
    gains_table,
    sent_in_words,
)
from contrapose.experiment.measuring import KEPT, UNTRAINED, Setting, run_in, train_and_evaluate, trial_result
from contrapose.experiment.results import Results, ResultTable, facts_of
from contrapose.experiment.trials import Trial, TrialListener, TrialResult
from contrapose.ledger import Entry, Ledger
from contrapose.protocols.federated import Federated
from contrapose.selection.scores import rise
from contrapose.train.configuration import nested
from contrapose.train.steps_together import check_evaluated_together

LABEL_FREE = "label-free"
#: Evaluations of a run, each after whole rounds.
EVALUATIONS = 4
#: Where what is not set for both runs lies in the configuration, and why not.
NOT_OF_BOTH_RUNS = {
    ("training", "steps"): "the steps follow from --rounds and --local-steps",
    ("training", "epochs"): "the steps follow from --rounds and --local-steps",
    (
        "selection",
        "patience",
    ): "a run that stops early has fewer steps than the other, and both must have as many",
    ("method", "parts"): "there is --with",
}
#: Hyperparameter of the protocol -> its option.
CLIENT_OPTIONS = {
    "clients": "--clients",
    "clients_per_round": "--clients-per-round",
    "local_steps": "--local-steps",
    "topics": "--topics",
    "dirichlet_alpha": "--alpha",
    "averaging": "--averaging",
}


@dataclass(frozen=True, kw_only=True)
class Federation(Experiment):
    """rounds: of the federated run; clients: hyperparameters of the protocol; parts, options: of both runs."""

    kind = "federate"
    setting: Setting
    rounds: int = 4
    method: str = "simcse"
    parts: tuple[str, ...] = ()
    clients: Mapping[str, Any] = field(default_factory=dict)
    seeds: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)

    def identity(self) -> dict[str, Any]:
        own = {"method": self.method, "parts": list(self.parts), "clients": dict(self.clients)}
        return {**self.setting.identity, **own, "rounds": self.rounds, "options": dict(self.options)}

    def check(self) -> list[str]:
        given = nested(self.options)
        for (section, key), why in NOT_OF_BOTH_RUNS.items():
            if key in given.get(section, {}):
                raise UsageError(f"--set {key}: {why}")
        for name in given.get("method", {}).get("hyperparameters", {}):
            if name in CLIENT_OPTIONS:
                raise UsageError(f"--set {name}: there is {CLIENT_OPTIONS[name]}")
        check_evaluated_together(self.protocol, given.get("selection", {}).get("eval_every"))
        for run in (FEDERATED, CENTRAL):
            check_methods(self.setting, [self.method], self.options_of(run))
        check_setting(self.setting)
        check_model(self.setting)
        return []

    @property
    def protocol(self) -> Federated:
        from contrapose.objectives.catalogue import recipe

        return cast("Federated", recipe(self.method, [*self.parts, FEDERATED], self.clients).protocol())

    @property
    def steps_of_round(self) -> int:
        return self.protocol.steps_together

    def options_of(self, name: str) -> dict[str, Any]:
        """What ``train`` is given for one of the two runs: as many steps, evaluated at the same ones."""
        steps = self.rounds * self.steps_of_round
        every = self.steps_of_round * max(1, self.rounds // EVALUATIONS)
        shared = {"steps": steps, "eval_every": every, **self.options}
        if name == FEDERATED:
            return {**shared, "parts": [*self.parts, FEDERATED], **self.clients}
        return {**shared, "parts": list(self.parts)}

    def trials(self) -> list[Trial]:
        """The federated run first: too few rows for its clients are then refused before anything is measured."""
        runs = [
            self.setting.trial(
                {"method": name, "seed": seed},
                {"method": self.method, "seed": seed, **self.options_of(name)},
            )
            for seed in range(self.seeds)
            for name in (FEDERATED, CENTRAL)
        ]
        return [*runs, *([self.setting.start()] if self.setting.data else [])]

    def measure(self, trial: Trial, folder: Path, listener: TrialListener) -> TrialResult:
        """Train in the experiment's own folder, where the model stays, and measure."""
        name = trial.factors["method"]
        if name == UNTRAINED:
            return train_and_evaluate(self.setting, trial, folder, listener)
        seed = trial.factors["seed"]
        options = {"method": self.method, "seed": seed, **self.options_of(name)}
        run = run_in(self.setting, options, folder_of(folder.parents[1], name, seed), listener)
        before, chosen = run.summary["score_before"], run.summary["score_chosen"]
        gain = None if before is None or chosen is None else rise(before, chosen)
        facts = {**{each: run.summary[each] for each in KEPT}, "gain": gain}
        if not self.setting.data:
            value = {"metric": LABEL_FREE, "protocol": LABEL_FREE, "value": gain, "low": None, "high": None}
            return TrialResult(values={LABEL_FREE: value}, facts=facts)
        from contrapose.evaluate.suite import evaluate

        setting = self.setting
        precision = setting.precision or run.summary["precision"]
        return trial_result(
            evaluate(run.encoder, setting.tasks, setting.data, split=setting.split, precision=precision),
            facts,
        )

    def results(self, folder: Path, ledger: Ledger, entries: Sequence[Entry]) -> Results:
        from contrapose.train.api import Run

        groups = by_method(entries)
        run = Run(folder_of(folder, FEDERATED, 0))
        who = summary_of(run, self.protocol, seed=0, rounds=self.rounds)
        gains = {
            name: [entry.body["facts"].get("gain") for entry in groups[name]] for name in (FEDERATED, CENTRAL)
        }
        tables, said = [gains_table(gains, folder)], [gains_in_words(gains)]
        if self.setting.data:
            ordered = {name: groups[name] for name in (UNTRAINED, CENTRAL, FEDERATED)}
            table = comparison_table(ledger, ordered, CENTRAL)
            tables.append(
                ResultTable(title="By labels", header=HEADER, rows=main_rows(table), note=explanation(table))
            )
            said += in_words(table)
        tables.append(clients_table(who))
        weights = run.model_folder / "model.safetensors"
        sent = 2 * self.protocol.per_round * weights.stat().st_size if weights.exists() else 0
        failed = {name: [_why_failed(entry) for entry in each] for name, each in groups.items()}
        return Results(
            folder=folder,
            title=f"{self.method} from {self.setting.model}, over {len(who.clients)} clients and in one place",
            conclusions=said,
            facts=facts_of(
                folder,
                self.setting.corpus,
                {**self.clients, **self.options},
                f"{self.rounds} rounds of {self.protocol.per_round} clients with {self.protocol.local_steps} steps "
                f"each, {self.rounds * self.steps_of_round} in all; the central run has as many",
                f"clients differ by {who.heterogeneity:.2f}: that share of the rows would have to change its topic "
                "for all clients to be alike",
                *sent_in_words(sent),
            ),
            tables=tables,
            warnings=[
                f"{name} diverged: {why}" for name, reasons in failed.items() for why in reasons if why
            ],
            json={
                "experiment": self.kind,
                "folder": str(folder),
                "setting": self.identity(),
                "rounds": self.rounds,
                "steps": self.rounds * self.steps_of_round,
                "heterogeneity": who.heterogeneity,
                "bytes_per_round": sent,
                "clients": [asdict(client) for client in who.clients],
                "methods": [
                    _json_of(name, groups[name], folder)
                    for name in (UNTRAINED, CENTRAL, FEDERATED)
                    if name in groups
                ],
                "verdicts": said,
            },
        )


def _why_failed(entry: Entry) -> str:
    """Why the training diverged; '' where it did not."""
    return str(entry.body["facts"].get("failed") or "")


def _json_of(name: str, entries: Sequence[Entry], folder: Path) -> dict[str, Any]:
    trained = name != UNTRAINED
    return {
        "method": name,
        "seeds": [entry.body["factors"].get("seed") for entry in entries if not _why_failed(entry)],
        "failed": [why for entry in entries if (why := _why_failed(entry))],
        "folders": [
            str(folder_of(folder, name, entry.body["factors"]["seed"])) for entry in entries if trained
        ],
        "gains": [entry.body["facts"].get("gain") for entry in entries if trained],
        "values": [
            {task: value["value"] for task, value in entry.body["values"].items() if task != LABEL_FREE}
            for entry in entries
        ],
    }
