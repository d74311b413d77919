"""Reading the rows of the studies: scores, gains, the luck of the seed, and what a difference means beside it.

Two runs that differ in nothing but the seed differ in their scores. That spread, pooled over every setting that was
run with several seeds, is what all differences of the studies are held against:

    sd^2 = sum over settings of sum over seeds (score - mean)^2  /  df,      df = sum over settings of (seeds - 1)
    band = t(1 - 0.05 / (2 m), df) sd sqrt(1/a + 1/b)                        a, b runs compared, m comparisons at once

The pairs that all runs are judged on are the same, so their luck is shared and is not part of the band.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contrapose.experiment.measuring import UNTRAINED, mean_of
from contrapose.experiment.study import AllRows, Row
from contrapose.experiment.study_setup import JUDGED
from contrapose.ledger import Ledger

#: One way to be wrong in twenty.
LEVEL = 0.95


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
class Noise:
    """The luck of the seed: standard deviation of a run's score, and its degrees of freedom (0: unknown)."""

    sd: float
    df: int

    def band(self, first: int = 1, second: int = 1, comparisons: int = 1) -> float:
        """The least difference between means of ``first`` and ``second`` runs that luck does not explain.

        Infinite where no setting had two seeds.

        >>> round(Noise(sd=0.1, df=10).band(), 2), Noise(sd=0.0, df=0).band()
        (0.32, inf)
        """
        if not self.df:
            return math.inf
        from scipy.stats import t

        quantile = float(t.ppf(1 - (1 - LEVEL) / (2 * max(1, comparisons)), self.df))
        return quantile * self.sd * math.sqrt(1 / first + 1 / second)

    @property
    def words(self) -> str:
        if not self.df:
            return "No setting was run with two seeds, so the luck of the seed is unknown."
        return (
            f"Two runs that differ in the seed only differ by up to {self.band():.2f} points in 19 of 20 cases "
            f"(standard deviation of one run {self.sd:.2f}, {self.df} degrees of freedom)."
        )


def noise_of(studies: AllRows) -> Noise:
    """From all settings that were run with several seeds, each run counted once however many studies hold it."""
    by_key = {str(row["key"]): row for rows in studies.values() for row in rows}
    groups: dict[str, list[float]] = defaultdict(list)
    for row in by_key.values():
        value = score(row)
        if value is not None and "seed" in row["options"]:
            same = {name: option for name, option in row["options"].items() if name != "seed"}
            groups[json.dumps(same, sort_keys=True)].append(value)
    # Methods that did the same to the bit (a mixing that never fired) are one setting, not two.
    distinct = {tuple(sorted(values)) for values in groups.values() if len(values) > 1}
    several = [np.array(values) for values in sorted(distinct)]
    df = sum(len(values) - 1 for values in several)
    total = sum(float(((values - values.mean()) ** 2).sum()) for values in several)
    return Noise(sd=math.sqrt(total / df) if df else 0.0, df=df)


def in_words(difference: float, band: float) -> str:
    """A difference beside the luck of the seed.

    >>> in_words(0.1, 0.3), in_words(-0.5, 0.3)
    ('no clear difference (+0.10, within ±0.30)', 'lower by 0.50 (beyond ±0.30)')
    """
    if math.isinf(band):
        return f"{difference:+.2f}, and whether that is more than luck is unknown: one seed"
    if abs(difference) <= band:
        return f"no clear difference ({difference:+.2f}, within ±{band:.2f})"
    return f"{'higher' if difference > 0 else 'lower'} by {abs(difference):.2f} (beyond ±{band:.2f})"


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
        pairs, statistic=lambda rows: float(np.nan_to_num(spearman(rows[:, 0], rows[:, 1]))), resamples=2_000
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


def gain_with_interval(row: Row) -> tuple[float, float, float] | None:
    """The mean gain over the judged tasks with the interval of its test pairs; tasks are independent of each other."""
    gains = row["facts"].get("gain", {})
    if any(task not in gains for task in JUDGED):
        return None
    parts = [gains[task] for task in JUDGED]
    mean = sum(part["difference"] for part in parts) / len(parts)
    below = math.sqrt(sum((part["difference"] - part["low"]) ** 2 for part in parts)) / len(parts)
    above = math.sqrt(sum((part["high"] - part["difference"]) ** 2 for part in parts)) / len(parts)
    return mean, mean - below, mean + above
