"""The comparison table, from the ledger of trials alone: means over seeds, intervals, paired differences.

    mean ± s      over seeds, s the sample standard deviation
    interval      of the mean: test rows resampled, and Student's t for the seeds
    difference    to the baseline, on the same rows, both noises in its interval; p-values corrected (differences.py)

A best number alone is never shown: what is within the noise is called so.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from contrapose.errors import UsageError
from contrapose.evaluate.over_seeds import Spread, spread
from contrapose.evaluate.per_example import PerExampleScores, mean_resampled
from contrapose.evaluate.statistics import percentiles
from contrapose.experiment.differences import LEVEL, Difference, Pair, Seeds, differences, value_of
from contrapose.experiment.measuring import mean_of
from contrapose.ledger import Entry, Ledger
from contrapose.seeds import numpy_generator

#: The name of the unweighted mean over tasks.
MEAN = "mean"
#: Draws of the seeds' noise for each draw of rows.
SEED_DRAWS = 20


@dataclass(frozen=True, eq=False)
class ScoresOfTask(PerExampleScores):
    """Per-example scores of a named task. Their draws depend on the name alone, so that all comparisons share them.

    >>> task = ScoresOfTask("mean", np.array([0.0, 1.0]), task="T")
    >>> task.resampled(seed=1) is task.resampled(seed=2)
    True
    """

    task: str = ""
    _drawn: dict[int, np.ndarray] = field(default_factory=dict, repr=False)

    def resampled(self, *, resamples: int | None = None, seed: int = 0) -> np.ndarray:
        resamples = resamples or self.resamples
        if resamples not in self._drawn:
            of_task = zlib.crc32(self.task.encode())
            self._drawn[resamples] = super().resampled(resamples=resamples, seed=of_task)
        return self._drawn[resamples]


def per_example_scores_of(ledger: Ledger, entry: Entry) -> dict[str, ScoresOfTask]:
    """Task -> per-example scores, for the numbers of a trial that are defined and have such scores."""
    arrays = ledger.evidence(entry)
    by_task = {}
    for task, value in entry.body.get("values", {}).items():
        metric = value["metric"]
        scores = ScoresOfTask.from_arrays(arrays, task, metric)
        if scores is not None and value["value"] is not None:
            by_task[task] = replace(scores, task=task)
    return by_task


@dataclass(frozen=True, kw_only=True)
class ComparisonRow:
    """What is compared: a method, or a configuration of one. Keys are columns of the table.

    values: one number per seed, in the order of ``seeds``; None where it is undefined.
    per_example: the scores of each seed that has them for all tasks of the column, by seed.
    """

    name: str
    seeds: tuple[int | None, ...]
    failed: tuple[str, ...]
    values: Mapping[str, tuple[float | None, ...]]
    spreads: Mapping[str, Spread]
    intervals: Mapping[str, tuple[float, float]]
    per_example: Mapping[str, Seeds] = field(default_factory=dict, repr=False)
    changes: Mapping[str, Difference] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ComparisonTable:
    """columns: each with the tasks that it is the mean of; main: the one that rows are compared by.

    pairs: differences on the main column between rows that are both not the baseline, as they were asked for.
    """

    baseline: str
    columns: Mapping[str, tuple[str, ...]]
    metrics: Mapping[str, str]
    main: str
    rows: tuple[ComparisonRow, ...]
    pairs: Mapping[Pair, Difference] = field(default_factory=dict)

    def of(self, name: str) -> ComparisonRow:
        return next(row for row in self.rows if row.name == name)


def by_method(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """The trials of each method, in their order."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(str(entry.body["factors"]["method"]), []).append(entry)
    return groups


def comparison_table(
    ledger: Ledger,
    groups: Mapping[str, Sequence[Entry]],
    baseline: str,
    *,
    main_only: bool = False,
    paired_seeds: bool = False,
    pairs: Sequence[Pair] = (),
) -> ComparisonTable:
    """Name -> trials, in their order, against ``baseline``; ``main_only`` leaves the other columns out.

    paired_seeds: runs of one seed draw the same sentences: equal seeds are compared, of those that both have.
    pairs: further comparisons on the main column, (name, beside); they are of one family with those to the baseline.

    Raises :class:`UsageError` where no trial has a number.
    """
    values = [entry.body.get("values", {}) for entries in groups.values() for entry in entries]
    kinds = {task: (v["metric"], v["protocol"]) for each in values for task, v in each.items()}
    if not kinds:
        raise UsageError("no trial has a number: every one failed. The reasons are in trials.jsonl")
    columns = _columns(kinds)
    main = next((name for name, tasks in columns.items() if len(tasks) > 1), next(iter(columns)))
    if main_only:
        columns = {main: columns[main]}
    rows = [_row(ledger, name, entries, columns) for name, entries in groups.items()]
    to_baseline = [(row.name, baseline) for row in rows if row.name != baseline]
    found = differences(
        {column: {row.name: row.per_example[column] for row in rows} for column in columns},
        {column: [*to_baseline, *pairs] if column == main else to_baseline for column in columns},
        main,
        paired_seeds=paired_seeds,
    )
    return ComparisonTable(
        baseline=baseline,
        columns=columns,
        metrics={task: metric for task, (metric, _) in kinds.items()},
        main=main,
        rows=tuple(replace(row, changes=found.get((row.name, baseline), {})) for row in rows),
        pairs={pair: found[pair][main] for pair in pairs if pair in found},
    )


def _columns(kinds: Mapping[str, tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """The tasks, and the mean over those of one metric and protocol: unlike numbers are not averaged."""
    alike: dict[tuple[str, str], list[str]] = {}
    for task, kind in kinds.items():
        alike.setdefault(kind, []).append(task)
    groups = {kind: tuple(tasks) for kind, tasks in alike.items() if len(tasks) > 1}
    means = {MEAN if len(alike) == 1 else f"{MEAN}, {kind[1]}": tasks for kind, tasks in groups.items()}
    return {**{task: (task,) for task in kinds}, **means}


def _row(
    ledger: Ledger, name: str, entries: Sequence[Entry], columns: Mapping[str, tuple[str, ...]]
) -> ComparisonRow:
    done = [entry for entry in entries if entry.body.get("values")]
    scores = [per_example_scores_of(ledger, entry) for entry in done]
    values = {
        column: tuple(mean_of(entry.body["values"], tasks) for entry in done)
        for column, tasks in columns.items()
    }
    known = {column: [value for value in each if value is not None] for column, each in values.items()}
    seeds = tuple(entry.body["factors"].get("seed") for entry in done)
    per_example = {
        column: {
            seed: [tasks_of[task] for task in tasks]
            for seed, tasks_of in zip(seeds, scores, strict=True)
            if set(tasks) <= set(tasks_of)
        }
        for column, tasks in columns.items()
    }
    return ComparisonRow(
        name=name,
        seeds=seeds,
        failed=tuple(str(entry.body["facts"]["failed"]) for entry in entries if "failed" in entry.body["facts"]),
        values=values,
        spreads={column: spread(each, level=LEVEL) for column, each in known.items() if each},
        intervals={column: interval_over_seeds(list(each.values())) for column, each in per_example.items() if each},
        per_example=per_example,
    )  # fmt: skip


def interval_over_seeds(
    seeds: Sequence[Sequence[PerExampleScores]], *, level: float = LEVEL
) -> tuple[float, float]:
    """Of the mean over seeds (and over the tasks of each): rows resampled for all seeds alike, a t for the seeds.

    >>> rows = lambda share: [PerExampleScores("mean", (np.arange(100) < share).astype(float))]
    >>> low, high = interval_over_seeds([rows(50), rows(52), rows(48)])
    >>> 35 < low < 50 < high < 65
    True
    """
    values = np.array([value_of(tasks) for tasks in seeds])
    resamples = min(task.resamples for tasks in seeds for task in tasks)
    by_rows = np.mean([mean_resampled(tasks, resamples=resamples) for tasks in seeds], axis=0)
    drawn = np.tile(by_rows - by_rows.mean(), SEED_DRAWS) + values.mean()
    if len(values) > 1:
        error = float(values.std(ddof=1)) / math.sqrt(len(values))
        drawn += error * numpy_generator(0, "interval-over-seeds").standard_t(len(values) - 1, len(drawn))
    return percentiles(drawn, level)
