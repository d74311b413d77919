"""``contrapose reproduce``: a comparison of one method, with a column of what the paper reports for its recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from contrapose.errors import DataError, ModelError, UsageError
from contrapose.evaluate.dataset_sources import dataset_sources
from contrapose.experiment.checking import check_methods, check_setting
from contrapose.experiment.compare import interval_shown, mean_and_deviation
from contrapose.experiment.comparison_table import ComparisonTable, comparison_table
from contrapose.experiment.experiment import Experiment
from contrapose.experiment.measuring import Setting
from contrapose.experiment.published_recipe import (
    CORPUS,
    CORPUS_ADDRESS,
    CORPUS_ROWS,
    SEEDS,
    TASKS,
    TRANSFER,
    PublishedRecipe,
    departures,
)
from contrapose.experiment.results import Results, ResultTable
from contrapose.experiment.trials import Trial
from contrapose.ledger import Entry, Ledger
from contrapose.paths import expanded
from contrapose.train.configuration import nested, resolve

HEADER = ("task", "paper", "measured ± s", "95% interval", "difference", "in words")


@dataclass(frozen=True, kw_only=True)
class Reproduction(Experiment):
    """A recipe and what stands in for its parts. options: of the machine (chunk_size, device, precision)."""

    kind = "reproduce"
    recipe: PublishedRecipe
    data: tuple[str, ...]
    corpus: str = CORPUS
    model: str | None = None
    steps: int | None = None
    batch_size: int | None = None
    seeds: int = SEEDS
    tasks: tuple[str, ...] = (*TASKS, *TRANSFER)
    options: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def setting(self) -> Setting:  # type: ignore[override]
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
        here = {source.task for source in dataset_sources([Path(name).expanduser() for name in self.data])}
        return tuple(task for task in self.tasks if task in TRANSFER and task not in here)

    @property
    def train_options(self) -> dict[str, Any]:
        """The recipe's, shortened where asked."""
        options = {**self.recipe.options, **self.options}
        if self.steps is not None:
            del options["epochs"]
            options["steps"] = self.steps
        return options | ({} if self.batch_size is None else {"batch_size": self.batch_size})

    @property
    def departures(self) -> list[str]:
        """What makes this another experiment than the paper's; empty for the recipe itself."""
        trained = {
            "corpus": (self.corpus,),
            "model": self.model or self.recipe.backbone,
            "out": "-",
            "blend": 1.0,
        }
        settings = resolve(
            nested({**self.train_options, **trained, "method": self.recipe.method, "dev_data": self.data[0]})
        )
        tasks = f"tasks {', '.join(self.tasks)} in place of all seven of STS"
        return [*departures(self.recipe, settings), *([] if set(TASKS) <= set(self.tasks) else [tasks])]

    def identity(self) -> dict[str, Any]:
        return {**self.setting.identity, "recipe": self.recipe.name, "options": self.train_options}

    def check(self) -> list[str]:
        """Everything is here, or one message says all that is missing and where to put it."""
        missing = [words for words in (self._no_corpus(), self._no_data(), self._no_model()) if words]
        if missing:
            raise DataError("\n".join([f"{self.recipe.name} cannot be run here yet:", *missing]))
        check_methods(self.setting, [self.recipe.method], self.train_options)
        check_setting(self.setting)
        return [f"note: not the paper's recipe: {departure}" for departure in self.departures]

    def trials(self) -> list[Trial]:
        return [
            self.setting.trial(
                {"method": self.recipe.name, "seed": seed},
                {"method": self.recipe.method, "seed": seed, **self.train_options},
            )
            for seed in range(self.seeds)
        ]

    def results(self, folder: Path, ledger: Ledger, entries: Sequence[Entry]) -> Results:
        table = comparison_table(ledger, {self.recipe.name: entries}, self.recipe.name)
        row = table.rows[0]
        departed = [*self.departures, *self._rows_departed(entries)]
        tasks = [_task(self.recipe, table, column, departs=bool(departed)) for column in table.columns]
        not_measured = f"not measured, because no --data folder holds them: {', '.join(self.not_here)}"
        return Results(
            folder=folder,
            title=self.recipe.name,
            conclusions=[f"This is not the paper's recipe: {'; '.join(departed)}."] if departed else [],
            facts=[
                f"{self.recipe.source}; backbone {self.recipe.backbone}",
                ", ".join(f"{name} {value}" for name, value in self.recipe.options.items()),
                *_notes(self.recipe),
                f"{len(row.seeds)} of {self.seeds} seeds measured; intervals hold the noise of our seeds and of the "
                "test rows, not that of the paper's own run",
                *([not_measured] if self.not_here else []),
                f"every measured number is read from {folder / 'trials.jsonl'}",
            ],
            tables=[ResultTable(header=HEADER, rows=[cells for cells, _ in tasks])],
            warnings=[f"a seed diverged: {reason}" for reason in row.failed],
            json={
                "experiment": self.kind,
                "folder": str(folder),
                "recipe": recipe_json(self.recipe),
                "is_the_recipe": not departed,
                "departures": departed,
                "seeds": list(row.seeds),
                "failed": list(row.failed),
                "rows": [plain for _, plain in tasks],
            },
        )

    def _rows_departed(self, entries: Sequence[Entry]) -> list[str]:
        sizes = {entry.body["facts"].get("rows") for entry in entries} - {None}
        if Path(self.corpus).name != CORPUS or sizes <= {CORPUS_ROWS}:
            return []
        return [f"{self.corpus} has {', '.join(f'{size:,}' for size in sizes)} rows and not {CORPUS_ROWS:,}"]

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


def _task(
    recipe: PublishedRecipe, table: ComparisonTable, column: str, *, departs: bool
) -> tuple[list[str], dict[str, Any]]:
    """A row under HEADER, and in results.json. Where this is not the recipe, no word says above or below."""
    row, reported = table.rows[0], reported_by(recipe, table.columns[column])
    spread, interval = row.spreads.get(column), row.intervals.get(column)
    difference = spread.mean - reported if spread and reported is not None else None
    words = "not the recipe" if departs else against_paper(reported, interval)
    cells = [
        column,
        "-" if reported is None else f"{reported:.2f}",
        mean_and_deviation(spread),
        interval_shown(interval),
        "" if difference is None else f"{difference:+.2f}",
        "not reported" if reported is None else words,
    ]
    return cells, {
        "task": column,
        "reported": reported,
        "mean": spread.mean if spread else None,
        "std": spread.std if spread else None,
        "interval": list(interval) if interval else None,
        "values": list(row.values[column]),
        "difference": difference,
        "in_words": words,
    }


def against_paper(reported: float | None, interval: tuple[float, float] | None) -> str:
    """Where the paper's number, which has a noise of its own, lies against the interval of ours."""
    if reported is None:
        return "not reported"
    if interval is None:
        return "undefined"
    if interval[0] <= reported <= interval[1]:
        return "the paper's number lies inside"
    return "below the paper" if interval[1] < reported else "above the paper"


def recipe_json(recipe: PublishedRecipe) -> dict[str, Any]:
    return {
        "name": recipe.name,
        "method": recipe.method,
        "backbone": recipe.backbone,
        "options": recipe.options,
        "source": recipe.source,
        "reported": dict(recipe.reported),
        "average": recipe.average,
        "average_of_columns": recipe.recomputed,
        "reported_transfer": recipe.reported_transfer,
        "transfer_average": recipe.transfer_average,
        "notes": _notes(recipe),
    }


def _notes(recipe: PublishedRecipe) -> list[str]:
    return [*([recipe.contradiction] if recipe.contradiction else []), *recipe.notes]


def reported_by(recipe: PublishedRecipe, tasks: Sequence[str]) -> float | None:
    """What the paper reports for a task, or for the mean of all tasks of a kind."""
    if len(tasks) == 1:
        return {**recipe.reported, **recipe.reported_transfer}.get(tasks[0])
    return {frozenset(TASKS): recipe.average, frozenset(TRANSFER): recipe.transfer_average}.get(
        frozenset(tasks)
    )


def _with_benchmark(folders: Sequence[str]) -> str | None:
    """The first folder that holds the development set which chooses the checkpoint."""
    return next((name for name in folders if (expanded(name) / "STS" / "STSBenchmark").is_dir()), None)
