"""``contrapose compare``: the same text and model, several methods, several seeds, and what of it is no chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contrapose.errors import UsageError
from contrapose.evaluate.over_seeds import Spread
from contrapose.experiment.checking import check_methods, check_model, check_setting, options_for
from contrapose.experiment.comparison_table import (
    ComparisonRow,
    ComparisonTable,
    by_method,
    comparison_table,
)
from contrapose.experiment.differences import Difference
from contrapose.experiment.experiment import Experiment
from contrapose.experiment.measuring import UNTRAINED, Setting
from contrapose.experiment.results import Results, ResultTable, facts_of
from contrapose.experiment.trials import Trial
from contrapose.ledger import Entry, Ledger

DEFAULT_METHODS = ("simcse", "focal-infonce", "hncse-pm", "hncse-hnm", "hncse")
HEADER = ("method", "seeds", "mean ± s", "95% interval", "difference", "95% interval", "p, Holm", "in words")
STAR = "*: clearly different from the baseline on this task; p after Holm over all methods and tasks of the table."


@dataclass(frozen=True, kw_only=True)
class Comparison(Experiment):
    """What is compared. options: of ``train``, the same for all methods; baseline: what differences are taken to."""

    kind = "compare"
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
        known = (UNTRAINED, *self.methods)
        if self.baseline and self.baseline not in known:
            raise UsageError(
                f"--baseline '{self.baseline}' is not compared here. Choose of: {', '.join(known)}"
            )

    def identity(self) -> dict[str, Any]:
        return {**self.setting.identity, "options": dict(self.options)}

    def check(self) -> list[str]:
        if not self.setting.data:
            raise UsageError("on what are they compared? Give --data FOLDER, for example SentEval's")
        notes = check_methods(self.setting, self.methods, self.options)
        check_setting(self.setting)
        check_model(self.setting)
        return [f"note: {note}" for note in notes]

    def trials(self) -> list[Trial]:
        """The pretrained model, then every method with seed 0, with seed 1 ...: a stop leaves whole rounds."""
        return [
            self.setting.start(),
            *(
                self.setting.trial(
                    {"method": method, "seed": seed},
                    {"method": method, "seed": seed, **options_for(method, self.options)},
                )
                for seed in range(self.seeds)
                for method in self.methods
            ),
        ]

    def results(self, folder: Path, ledger: Ledger, entries: Sequence[Entry]) -> Results:
        groups = by_method(entries)
        ordered = {name: groups[name] for name in (UNTRAINED, *self.methods)}
        table = comparison_table(ledger, ordered, self.baseline or self.methods[0])
        setting = self.setting
        conclusions = in_words(table)
        tables = [ResultTable(header=HEADER, rows=main_rows(table), note=explanation(table))]
        if len(table.columns) > 1:
            header, rows = task_rows(table)
            tables.append(ResultTable(title="Every task, mean ± s", header=header, rows=rows, note=STAR))
        return Results(
            folder=folder,
            title=f"Methods from {setting.model}, {', '.join(setting.tasks)}, {setting.split} split",
            conclusions=conclusions,
            facts=facts_of(
                folder,
                setting.corpus,
                self.options,
                f"pretrained model (start): {setting.model}",
                f"{len(entries)} trials, {self.seeds} seeds of each method",
            ),
            tables=tables,
            warnings=[f"{row.name} diverged: {reason}" for row in table.rows for reason in row.failed],
            json={
                "experiment": self.kind,
                "folder": str(folder),
                "setting": self.identity(),
                "trials": len(entries),
                "baseline": table.baseline,
                "judged_by": table.main,
                "columns": {name: list(tasks) for name, tasks in table.columns.items()},
                "metrics": dict(table.metrics),
                "methods": [_json_of(row) for row in table.rows],
                "verdicts": conclusions,
            },
        )


def mean_and_deviation(spread: Spread | None) -> str:
    """
    >>> mean_and_deviation(Spread(mean=81.0, std=1.0, low=78.5, high=83.5, level=0.95, seeds=3))
    '81.00 ± 1.00'
    """
    if spread is None:
        return "undefined"
    return f"{spread.mean:.2f}" + (f" ± {spread.std:.2f}" if spread.std is not None else "")


def interval_shown(interval: tuple[float, float] | None) -> str:
    return f"[{interval[0]:.2f}, {interval[1]:.2f}]" if interval else ""


def difference_cells(difference: Difference) -> tuple[str, str]:
    """The difference to the baseline, and its interval."""
    change = difference.change
    return f"{change.difference:+.2f}", f"[{change.low:+.2f}, {change.high:+.2f}]"


def main_rows(table: ComparisonTable) -> list[list[str]]:
    """The rows under HEADER, on the main column."""
    return [_main_row(table, row) for row in table.rows]


def _main_row(table: ComparisonTable, row: ComparisonRow) -> list[str]:
    difference = row.changes.get(table.main)
    compared = ["", "", "", "the baseline" if row.name == table.baseline else ""]
    if difference:
        compared = [*difference_cells(difference), f"{difference.p_corrected:.3f}", difference.words]
    seeds = "-" if _is_untrained(row) else f"{len(row.seeds)}"
    diverged = f" ({len(row.failed)} diverged)" if row.failed else ""
    values = [mean_and_deviation(row.spreads.get(table.main)), interval_shown(row.intervals.get(table.main))]
    return [row.name, seeds + diverged, *values, *compared]


def _is_untrained(row: ComparisonRow) -> bool:
    return row.seeds == (None,)


def in_words(table: ComparisonTable) -> list[str]:
    """What the comparison says, one sentence for each word."""
    groups: dict[str, list[str]] = {"better": [], "worse": [], "no clear change": []}
    for row in table.rows:
        if table.main in row.changes:
            groups[row.changes[table.main].words].append(row.name)
    sentences = {
        "better": "clearly better than {}: {}",
        "worse": "clearly worse than {}: {}",
        "no clear change": "no clear difference to {}, within the noise of seeds and test rows: {}",
    }
    lines = [
        sentences[word].format(table.baseline, ", ".join(names)) for word, names in groups.items() if names
    ]
    alone = [row.name for row in table.rows if len(row.seeds) == 1 and not _is_untrained(row)]
    if alone:
        lines.append(
            f"with one seed only, whose luck no interval holds: {', '.join(alone)}. Give --seeds 3 or more"
        )
    return lines


def explanation(table: ComparisonTable) -> str:
    """What the numbers of the main table are."""
    tasks = table.columns[table.main]
    of = f"the mean of {', '.join(tasks)}" if len(tasks) > 1 else tasks[0]
    compared = sum(table.main in row.changes for row in table.rows)
    return (
        f"{table.main}: {of} ({table.metrics[tasks[0]]} x 100). ± s: sample standard deviation over seeds. "
        "Intervals hold the noise of seeds and of test rows; differences are "
        f"to {table.baseline}, on the same rows; p after Holm for {compared} comparisons. The start has no seeds."
    )


def task_rows(table: ComparisonTable) -> tuple[list[str], list[list[str]]]:
    """Header and rows of mean ± s for every task; * where the difference to the baseline is clear."""
    names = [name for name in table.columns if name != table.main or len(table.columns) == 1]
    rows = []
    for row in table.rows:
        clear = {name for name, difference in row.changes.items() if difference.words != "no clear change"}
        rows.append([row.name, *(mean_and_deviation(row.spreads.get(n)) + "*" * (n in clear) for n in names)])
    return ["method", *names], rows


def _json_of(row: ComparisonRow) -> dict[str, Any]:
    """Every number of the tables, unrounded."""
    numbers = {}
    for name, spread in row.spreads.items():
        difference = row.changes.get(name)
        numbers[name] = {
            "mean": spread.mean,
            "std": spread.std,
            "interval": list(row.intervals[name]) if name in row.intervals else None,
            "values": list(row.values[name]),
            "change": _json_of_change(difference) if difference else None,
        }
    return {"method": row.name, "seeds": list(row.seeds), "failed": list(row.failed), "numbers": numbers}


def _json_of_change(difference: Difference) -> dict[str, Any]:
    change = difference.change
    return {
        "difference": change.difference,
        "interval": [change.low, change.high],
        "p_value": change.p_value,
        "p_corrected": difference.p_corrected,
        "words": difference.words,
        "seed_error": change.seed_error,
        "row_error": change.row_error,
        "caution": change.caution,
    }
