"""``contrapose reproduce``: a row of a paper's table with the paper's recipe, and how far the result is from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.errors import DataError, ModelError, UsageError
from contrapose.evaluate.found import sources_in
from contrapose.evaluate.over_seeds import Spread
from contrapose.experiment.checking import check_methods, check_setting
from contrapose.experiment.folder import claim
from contrapose.experiment.measuring import Setting, train_and_evaluate
from contrapose.experiment.recipes import CORPUS, CORPUS_ADDRESS, CORPUS_ROWS, SEEDS, TASKS, TRANSFER, Recipe
from contrapose.experiment.standings import Standing, standings
from contrapose.experiment.trials import Measured, Trial, Trials, TrialWatcher
from contrapose.paths import expanded

if TYPE_CHECKING:
    from contrapose.listening import Listener


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """A recipe and what stands in for its parts. options: of the machine (chunk_size, device, precision)."""

    recipe: Recipe
    data: tuple[str, ...]
    corpus: str = CORPUS
    model: str | None = None
    steps: int | None = None
    batch_size: int | None = None
    seeds: int = SEEDS
    tasks: tuple[str, ...] = (*TASKS, *TRANSFER)
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def setting(self) -> Setting:
        return Setting(
            corpus=(self.corpus,),
            model=self.model or self.recipe.backbone,
            tasks=tuple(task for task in self.tasks if task not in self.not_here),
            data=self.data,
            dev_data=_with_benchmark(self.data),
        )

    @cached_property
    def not_here(self) -> tuple[str, ...]:
        """Transfer tasks that no data folder holds. They are left out: the recipe is that of the STS table."""
        here = {source.task for source in sources_in([Path(name).expanduser() for name in self.data])}
        return tuple(task for task in self.tasks if task in TRANSFER and task not in here)

    @property
    def train_options(self) -> dict[str, Any]:
        """The recipe's, shortened where asked."""
        options = {**self.recipe.options, **self.options}
        if self.steps is not None:
            options = {
                **{name: value for name, value in options.items() if name != "epochs"},
                "steps": self.steps,
            }
        if self.batch_size is not None:
            options["batch_size"] = self.batch_size
        return options

    @property
    def departures(self) -> list[str]:
        """What makes this another experiment than the paper's; empty for the recipe itself."""
        found = []
        # A folder of the backbone's own name is taken for what its name says, a downloaded copy.
        if self.model is not None and Path(self.model).name != self.recipe.backbone.partition("/")[2]:
            found.append(f"model {self.model} in place of {self.recipe.backbone}")
        if Path(self.corpus).name != CORPUS:
            found.append(f"text {self.corpus} in place of {CORPUS}")
        if self.steps is not None:
            found.append(f"{self.steps} steps in place of one epoch")
        if self.batch_size is not None and self.batch_size != self.recipe.batch_size:
            found.append(f"batch size {self.batch_size} in place of {self.recipe.batch_size}")
        if not set(TASKS) <= set(self.tasks):
            found.append(f"tasks {', '.join(self.tasks)} in place of all seven of STS")
        return found

    def check(self) -> None:
        """Everything is here, or one message says all that is missing and where to put it."""
        missing = [words for words in (self._no_corpus(), self._no_data(), self._no_model()) if words]
        if missing:
            raise DataError("\n".join([f"{self.recipe.name} cannot be run here yet:", *missing]))
        check_methods(self.setting, [self.recipe.method], self.train_options)
        check_setting(self.setting)

    def trials(self) -> list[Trial]:
        return [
            self.setting.trial(
                {"method": self.recipe.name, "seed": seed},
                {"method": self.recipe.method, "seed": seed, **self.train_options},
            )
            for seed in range(self.seeds)
        ]

    def _no_corpus(self) -> str:
        if expanded(self.corpus).exists():
            return ""
        return (
            f"- the text: {self.corpus} is not here. Download {CORPUS_ADDRESS} into this folder, or say where it is: "
            "--corpus FILE"
        )

    def _no_data(self) -> str:
        if self.data:
            return "" if _with_benchmark(self.data) else (
                f"- the benchmarks: no STS/STSBenchmark in {', '.join(self.data)}; give SentEval's folder: --data DIR"
            )  # fmt: skip
        return "- the benchmarks: give the folder that SentEval's download script fills: --data DIR"

    def _no_model(self) -> str:
        from contrapose.encoder.source import resolve

        try:
            resolve(self.model or self.recipe.backbone)
        except (ModelError, UsageError) as error:
            if self.model is not None:
                return f"- the model: {error}"
            return (
                f"- the backbone: {error} With a network: hf download {self.recipe.backbone} --local-dir "
                f"{self.recipe.backbone.partition('/')[2]}; then give that folder: --model FOLDER"
            )
        return ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One task: what the paper reports, what was measured over seeds, and its interval."""

    task: str
    reported: float | None
    measured: Spread | None
    interval: tuple[float, float] | None

    @property
    def difference(self) -> float | None:
        if self.reported is None or self.measured is None:
            return None
        return self.measured.mean - self.reported

    @property
    def words(self) -> str:
        """Where the paper's number, which has a noise of its own, lies against the interval of ours."""
        if self.reported is None:
            return "not reported"
        if self.interval is None:
            return "undefined"
        if self.interval[0] <= self.reported <= self.interval[1]:
            return "the paper's number lies inside"
        return "below the paper" if self.interval[1] < self.reported else "above the paper"


@dataclass(frozen=True, kw_only=True)
class Reproduced:
    """A finished reproduction. departures: those of the call, and what the trials say of the text."""

    reproduction: Reproduction
    folder: Path
    rows: tuple[Row, ...]
    departures: tuple[str, ...]
    standing: Standing


def run_reproduce(
    wanted: Reproduction,
    out: str | Path,
    *,
    watcher: TrialWatcher | None = None,
    listener: Listener | None = None,
) -> Reproduced:
    """Train with every seed what is not trained yet; numbers come from the folder's ledger."""
    setting = wanted.setting
    recorded = {**setting.identity, "recipe": wanted.recipe.name, "options": wanted.train_options}
    folder = claim(out, "reproduce", recorded)
    trials = Trials(folder, experiment="reproduce")

    def measure(trial: Trial, place: Path) -> Measured:
        return train_and_evaluate(setting, trial, place, listener)

    entries = trials.run(wanted.trials(), measure, watcher)
    found = standings(trials.ledger, entries, wanted.recipe.name)
    standing = found.rows[0]
    rows = tuple(
        Row(
            task=name,
            reported=_reported(wanted.recipe, tasks),
            measured=standing.spreads.get(name),
            interval=standing.intervals.get(name),
        )
        for name, tasks in found.columns.items()
    )
    sizes = {entry.body["facts"].get("rows") for entry in entries} - {None}
    departures = [*wanted.departures, *_of_text(wanted, sizes)]
    return Reproduced(
        reproduction=wanted, folder=folder, rows=rows, departures=tuple(departures), standing=standing
    )


def _reported(recipe: Recipe, tasks: Sequence[str]) -> float | None:
    """What the paper reports for a task, or for the mean of all tasks of a kind."""
    if len(tasks) == 1:
        return {**recipe.reported, **recipe.reported_transfer}.get(tasks[0])
    return {frozenset(TASKS): recipe.average, frozenset(TRANSFER): recipe.transfer_average}.get(
        frozenset(tasks)
    )


def _of_text(wanted: Reproduction, sizes: set[Any]) -> list[str]:
    if Path(wanted.corpus).name != CORPUS or sizes <= {CORPUS_ROWS}:
        return []
    return [f"{wanted.corpus} has {', '.join(f'{size:,}' for size in sizes)} rows and not {CORPUS_ROWS:,}"]


def _with_benchmark(folders: Sequence[str]) -> str | None:
    """The first folder that holds the development set which chooses the checkpoint."""
    return next((name for name in folders if (expanded(name) / "STS" / "STSBenchmark").is_dir()), None)
