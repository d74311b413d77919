"""Methods put side by side, from the ledger of their trials alone: means over seeds, intervals, paired differences.

    mean ± s      over seeds, s the sample standard deviation
    interval      of the mean: test rows resampled, and Student's t for the seeds
    difference    to the baseline, on the same rows, both noises in its interval (evaluate/over_seeds.py)
    p, corrected  Holm: on the mean over all methods; on single tasks over all methods and tasks together

A best number alone is never told: what is within the noise is called so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from contrapose.errors import UsageError
from contrapose.evaluate.over_seeds import MethodChange, Spread, compare_methods, spread
from contrapose.evaluate.per_example import PerExampleScores, mean_resampled
from contrapose.evaluate.statistics import holm, in_words, percentiles
from contrapose.experiment.evidence_of_trials import TaskEvidence, evidence_of
from contrapose.ledger import Entry, Ledger
from contrapose.seeds import numpy_generator

#: The name of the unweighted mean over tasks.
MEAN = "mean"
LEVEL = 0.95
#: Draws of the seeds' noise for each draw of rows.
SEED_DRAWS = 20


@dataclass(frozen=True)
class Judged:
    """A difference to the baseline, with its p-value corrected for all that are told beside it."""

    change: MethodChange
    p_corrected: float

    @property
    def words(self) -> str:
        return in_words(self.change, self.p_corrected)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One method. Keys are tasks, and MEAN where there are several of one kind.

    values: one number per seed, in the order of ``seeds``; None where it is undefined.
    """

    method: str
    seeds: tuple[int | None, ...]
    failed: tuple[str, ...]
    values: Mapping[str, tuple[float | None, ...]]
    spreads: Mapping[str, Spread]
    intervals: Mapping[str, tuple[float, float]]
    changes: Mapping[str, Judged] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Standings:
    """All methods. columns: each with the tasks that it is the mean of; main: the one that methods are judged by."""

    baseline: str
    columns: Mapping[str, tuple[str, ...]]
    metrics: Mapping[str, str]
    main: str
    rows: tuple[Standing, ...]

    def of(self, method: str) -> Standing:
        return next(row for row in self.rows if row.method == method)


def standings(ledger: Ledger, entries: Sequence[Entry], baseline: str) -> Standings:
    """The methods of ``entries``, in their order, against ``baseline``.

    Raises :class:`UsageError` where no trial has a number, or the baseline has none.
    """
    values = [entry.body.get("values", {}) for entry in entries]
    kinds = {task: (v["metric"], v["protocol"]) for each in values for task, v in each.items()}
    if not kinds:
        raise UsageError("no trial has a number: every one failed. The reasons are in trials.jsonl")
    columns = _columns(kinds)
    main = next((name for name, tasks in columns.items() if len(tasks) > 1), next(iter(columns)))
    grouped: dict[str, list[Entry]] = {}
    for entry in entries:
        grouped.setdefault(str(entry.body["factors"]["method"]), []).append(entry)
    evidence = {entry.id: evidence_of(ledger, entry) for entry in entries}
    rows = {name: _standing(name, mine, columns, evidence) for name, mine in grouped.items()}
    judged = _judged(grouped, baseline, columns, main, evidence)
    return Standings(
        baseline=baseline,
        columns=columns,
        metrics={task: metric for task, (metric, _) in kinds.items()},
        main=main,
        rows=tuple(Standing(**{**vars(row), "changes": judged.get(name, {})}) for name, row in rows.items()),
    )


def _columns(kinds: Mapping[str, tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """The tasks, and the mean over those of one metric and protocol: unlike numbers are not averaged."""
    alike: dict[tuple[str, str], list[str]] = {}
    for task, kind in kinds.items():
        alike.setdefault(kind, []).append(task)
    groups = {kind: tuple(tasks) for kind, tasks in alike.items() if len(tasks) > 1}
    means = {MEAN if len(alike) == 1 else f"{MEAN}, {kind[1]}": tasks for kind, tasks in groups.items()}
    return {**{task: (task,) for task in kinds}, **means}


def _standing(
    method: str,
    entries: Sequence[Entry],
    columns: Mapping[str, tuple[str, ...]],
    evidence: Mapping[str, Mapping[str, TaskEvidence]],
) -> Standing:
    done = [entry for entry in entries if entry.body.get("values")]
    values = {
        name: tuple(
            _mean([entry.body["values"].get(task, {}).get("value") for task in tasks]) for entry in done
        )
        for name, tasks in columns.items()
    }
    finite = {name: [value for value in found if value is not None] for name, found in values.items()}
    intervals = {}
    for name, tasks in columns.items():
        if pieces := _pieces(done, tasks, evidence):
            intervals[name] = interval_over_seeds(pieces)
    return Standing(
        method=method,
        seeds=tuple(entry.body["factors"].get("seed") for entry in done),
        failed=tuple(str(entry.body["facts"]["failed"]) for entry in entries if "failed" in entry.body["facts"]),
        values=values,
        spreads={name: spread(found, level=LEVEL) for name, found in finite.items() if found},
        intervals=intervals,
    )  # fmt: skip


def _judged(
    grouped: Mapping[str, Sequence[Entry]],
    baseline: str,
    columns: Mapping[str, tuple[str, ...]],
    main: str,
    evidence: Mapping[str, Mapping[str, TaskEvidence]],
) -> dict[str, dict[str, Judged]]:
    """method -> column -> difference to the baseline."""
    changes: dict[tuple[str, str], MethodChange] = {}
    for column, tasks in columns.items():
        before = _pieces(grouped.get(baseline, ()), tasks, evidence)
        for method, entries in grouped.items():
            after = _pieces(entries, tasks, evidence)
            if method != baseline and before and after:
                changes[method, column] = compare_methods(before, after, level=LEVEL)
    found: dict[str, dict[str, Judged]] = {}
    for family in ([key for key in changes if key[1] == main], [key for key in changes if key[1] != main]):
        for key, corrected in zip(family, holm([changes[key].p_value for key in family]), strict=True):
            found.setdefault(key[0], {})[key[1]] = Judged(changes[key], corrected)
    return found


def _pieces(
    entries: Sequence[Entry],
    tasks: Sequence[str],
    evidence: Mapping[str, Mapping[str, TaskEvidence]],
) -> list[list[PerExampleScores]]:
    """The evidence of each seed that has all of the tasks."""
    return [
        [evidence[entry.id][task] for task in tasks]
        for entry in entries
        if all(task in evidence[entry.id] for task in tasks)
    ]


def interval_over_seeds(
    seeds: Sequence[Sequence[PerExampleScores]], *, level: float = LEVEL
) -> tuple[float, float]:
    """Of the mean over seeds (and over the tasks of each): rows resampled for all seeds alike, a t for the seeds.

    >>> rows = lambda share: [PerExampleScores("mean", (np.arange(100) < share).astype(float))]
    >>> low, high = interval_over_seeds([rows(50), rows(52), rows(48)])
    >>> 35 < low < 50 < high < 65
    True
    """
    values = np.array([np.mean([task.value() for task in tasks]) for tasks in seeds])
    resamples = min(task.resamples for tasks in seeds for task in tasks)
    by_rows = np.mean([mean_resampled(tasks, resamples=resamples) for tasks in seeds], axis=0)
    drawn = np.tile(by_rows - by_rows.mean(), SEED_DRAWS) + values.mean()
    if len(values) > 1:
        error = float(values.std(ddof=1)) / math.sqrt(len(values))
        drawn += error * numpy_generator(0, "interval-over-seeds").standard_t(len(values) - 1, len(drawn))
    return percentiles(drawn, level)


def _mean(values: Sequence[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return sum(found) / len(found) if found and len(found) == len(values) else None
