"""Reading the rows of the studies: scores, gains, how far a run moved, and numbers as they are printed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contrapose.experiment.measuring import UNTRAINED, mean_of
from contrapose.ledger import Ledger
from studies.setup import JUDGED
from studies.study import AllRows, Row


def rows_in(folder: Path, names: Iterable[str]) -> AllRows:
    """Study -> its rows, in the order they were measured; studies without a ledger are left out."""
    found: dict[str, list[Row]] = {}
    for name in names:
        entries = Ledger(folder, f"{name}.jsonl").entries("trial")
        if entries:
            found[name] = list({str(entry.body["key"]): entry.body for entry in entries}.values())
    return found


def trained(rows: Iterable[Row]) -> list[Row]:
    """The rows of runs that ended with an encoder."""
    return [row for row in rows if "moved" in row["facts"]]


def score(row: Row) -> float | None:
    """The mean over the judged tasks; None for a run that failed."""
    return mean_of(row["values"], JUDGED)


def start_score(rows: Iterable[Row]) -> float | None:
    """The score of the encoder that all runs start from."""
    starts = (score(row) for row in rows if row["options"].get("method") == UNTRAINED)
    return next((found for found in starts if found is not None), None)


def with_factors(rows: Iterable[Row], **wanted: Any) -> list[Row]:
    """The rows that have these factors, in their order.

    >>> with_factors([{"factors": {"seed": 0}}, {"factors": {"seed": 1}}], seed=1)
    [{'factors': {'seed': 1}}]
    """
    return [row for row in rows if all(row["factors"].get(name) == value for name, value in wanted.items())]


def mean_score(rows: Iterable[Row]) -> float | None:
    """The mean score of runs that differ in their seed only."""
    found = [value for row in rows if (value := score(row)) is not None]
    return sum(found) / len(found) if found else None


@dataclass(frozen=True)
class Correlation:
    """Spearman's, with a bootstrap interval over runs; None where there are fewer than four runs or no spread."""

    value: float
    low: float
    high: float
    runs: int

    @property
    def words(self) -> str:
        found = f"{self.value:+.2f} [{self.low:+.2f}, {self.high:+.2f}] over {self.runs} runs"
        return found if self.low > 0 or self.high < 0 else f"{found}: not distinguishable from none"


#: Fewer runs say nothing about a correlation.
FEWEST_RUNS = 4


def correlation(first: Sequence[float], second: Sequence[float]) -> Correlation | None:
    """Of two numbers of the same runs.

    >>> correlation([1, 2, 3], [1, 2, 3]) is None
    True
    >>> correlation([1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6]).words
    '+1.00 [+1.00, +1.00] over 6 runs'
    """
    from contrapose.evaluate.statistics import bootstrap_interval, spearman

    pairs = np.column_stack([np.asarray(first, float), np.asarray(second, float)])
    if len(pairs) < FEWEST_RUNS or math.isnan(spearman(pairs[:, 0], pairs[:, 1])):
        return None
    # A resample of equal runs has no correlation: 0, which only widens the interval.
    found = bootstrap_interval(
        pairs, statistic=lambda rows: float(np.nan_to_num(spearman(rows[:, 0], rows[:, 1]))), resamples=1_000
    )
    return Correlation(found.estimate, found.low, found.high, len(pairs))


def points(value: float | None, *, signed: bool = False) -> str:
    """A number in a table; a dash where there is none.

    >>> points(87.456), points(0.5, signed=True), points(None)
    ('87.46', '+0.50', '–')
    """
    if value is None:
        return "–"
    return f"{value:+.2f}" if signed else f"{value:.2f}"


def task_value(row: Row, task: str) -> float | None:
    """The value of one task of a row, None where it has none."""
    found: Mapping[str, Any] = row["values"].get(task, {})
    value = found.get("value")
    return None if value is None else float(value)
