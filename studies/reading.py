"""Reading rows: scores, correlations, and what a difference between runs means beside the noise of the seed.

A run's score x depends on its setting i (method, hyperparameters) and on its seed j, which draws the sentences and the
dropout:

    x_ij = setting_i + seed_j + e_ij

Runs of one seed draw the same sentences, so seed_j is nearly common to them and falls out of their difference. What is
left is e: its spread comes from the settings that were run with the same seeds, as the residual of the two-way table.
Runs on other sentences (another corpus, another size) do not share seed_j; their noise is the whole spread over seeds,
and each corpus has a table of its own, whose sums are added up.

    alone     sd^2 = sum (x_ij - mean_i)^2 / df                              df = sum over settings of (seeds - 1)
    paired    sd^2 = sum (x_ij - mean_i - mean_j + mean)^2 / df              df = sum over corpora of
                                                                             (settings - 1)(seeds - 1)
    band      t(1 - 0.05 / (2 m), df) sd sqrt(1/a + 1/b)                     a, b runs; m comparisons at once

This is the noise of seeds, not of test pairs: all runs are judged on the same pairs, and on other pairs a difference
between two runs would come out somewhat otherwise.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contrapose.experiment.measuring import UNTRAINED, mean_of
from contrapose.ledger import Ledger
from studies.runs import JUDGED
from studies.study import AllRows, TrialRow

#: Right in nineteen of twenty cases.
LEVEL = 0.95
#: Options that, with the seed, say which sentences a run draws, and from which model.
DRAWN_BY = ("corpus", "model", "steps", "batch_size")
#: Fewer runs say nothing about a correlation: four of any kind lie in one order by chance in one case of twelve.
FEWEST_RUNS = 5


def rows_in(folder: Path, names: Iterable[str]) -> AllRows:
    """Study -> its rows, in the order they were measured; studies without a ledger are left out."""
    rows: dict[str, list[TrialRow]] = {}
    for name in names:
        if entries := Ledger(folder, f"{name}.jsonl").entries("trial"):
            rows[name] = list({str(entry.body["key"]): entry.body for entry in entries}.values())
    return rows


def trained(rows: Iterable[TrialRow]) -> list[TrialRow]:
    """The rows of runs that ended with an encoder."""
    return [row for row in rows if "moved" in row["facts"]]


def with_factors(rows: Iterable[TrialRow], **wanted: Any) -> list[TrialRow]:
    """The rows that have these factors, in their order.

    >>> with_factors([{"factors": {"seed": 0}}, {"factors": {"seed": 1}}], seed=1)
    [{'factors': {'seed': 1}}]
    """
    return [row for row in rows if all(row["factors"].get(name) == value for name, value in wanted.items())]


def score(row: TrialRow) -> float | None:
    """The mean over the judged tasks; None for a run that failed."""
    return mean_of(row["values"], JUDGED)


def scored(rows: Iterable[TrialRow]) -> list[tuple[float, TrialRow]]:
    """The rows that have a score, each with it."""
    return [(value, row) for row in rows if (value := score(row)) is not None]


def pretrained_score(rows: Iterable[TrialRow]) -> float | None:
    """The score of the model that all runs train."""
    values = (score(row) for row in rows if row["options"].get("method") == UNTRAINED)
    return next((value for value in values if value is not None), None)


def gain_of(row: TrialRow, pretrained: float | None) -> float | None:
    """The change of the score by training."""
    value = score(row)
    return None if value is None or pretrained is None else value - pretrained


def mean(values: Iterable[float | None]) -> float | None:
    """Of those that are known."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def task_value(row: TrialRow, task: str) -> float | None:
    """The value of one task of a row, None where it has none."""
    value = row["values"].get(task, {}).get("value")
    return None if value is None else float(value)


#: The columns of :func:`score_cells`.
SCORES = (*JUDGED, "mean", "gain by training")


def score_cells(rows: Sequence[TrialRow], pretrained: float | None) -> tuple[str, ...]:
    """The judged tasks, their mean and the gain, each the mean over ``rows``, as a table prints them."""
    tasks = [points(mean(task_value(row, task) for row in rows)) for task in JUDGED]
    gain = points(mean(gain_of(row, pretrained) for row in rows), signed=True)
    return (*tasks, points(mean(map(score, rows))), gain)


def points(value: float | None, *, signed: bool = False) -> str:
    """A number in a table; a dash where there is none.

    >>> points(87.456), points(0.5, signed=True), points(None)
    ('87.46', '+0.50', '–')
    """
    if value is None:
        return "–"
    return f"{value:+.2f}" if signed else f"{value:.2f}"


def curve_mean(row: TrialRow, name: str) -> float | None:
    """A column of metrics.jsonl, mean over the run."""
    return mean(row["facts"].get("curve", {}).get(name, ()))


@dataclass(frozen=True)
class Correlation:
    """Spearman's, with a bootstrap interval over runs; None where there are fewer than five runs or no spread."""

    value: float
    low: float
    high: float
    runs: int

    @property
    def cell(self) -> str:
        return f"{self.value:+.2f} [{self.low:+.2f}, {self.high:+.2f}]"

    @property
    def words(self) -> str:
        said = f"{self.cell} over {self.runs} runs"
        return said if self.low > 0 or self.high < 0 else f"{said}: not distinguishable from none"


def correlation(first: Sequence[float], second: Sequence[float]) -> Correlation | None:
    """Of two numbers of the same runs.

    >>> correlation([1, 2, 3, 4], [1, 2, 3, 4]) is None
    True
    >>> correlation([1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6]).words
    '+1.00 [+1.00, +1.00] over 6 runs'
    """
    from contrapose.evaluate.statistics import bootstrap_interval, spearman

    pairs = np.column_stack([np.asarray(first, float), np.asarray(second, float)])
    if len(pairs) < FEWEST_RUNS or math.isnan(spearman(pairs[:, 0], pairs[:, 1])):
        return None
    # A resample of equal runs has no correlation: 0, which only widens the interval.
    interval = bootstrap_interval(
        pairs, statistic=lambda rows: float(np.nan_to_num(spearman(rows[:, 0], rows[:, 1]))), resamples=1_000
    )
    return Correlation(interval.estimate, interval.low, interval.high, len(pairs))


@dataclass(frozen=True)
class SeedNoise:
    """Standard deviation of a run's score over seeds, its degrees of freedom (0: unknown), and its kind."""

    sd: float
    df: int
    paired: bool = False

    def band(self, first: int = 1, second: int = 1, comparisons: int = 1) -> float:
        """The largest difference between means of ``first`` and ``second`` runs that chance explains.

        Infinite where no setting had two seeds.

        >>> round(SeedNoise(sd=0.1, df=10).band(), 2), SeedNoise(sd=0.0, df=0).band()
        (0.32, inf)
        """
        if not self.df:
            return math.inf
        from scipy.stats import t

        quantile = float(t.ppf(1 - (1 - LEVEL) / (2 * max(1, comparisons)), self.df))
        return quantile * self.sd * math.sqrt(1 / first + 1 / second)

    @property
    def words(self) -> str:
        """For the reader of a table."""
        if not self.df:
            return "Too few settings were run with two seeds, so the noise of the seed is unknown."
        kind = (
            "Two runs of one seed draw the same sentences, and by the luck of seeds alone their scores"
            if self.paired
            else "By the luck of seeds alone the scores of two runs with different seeds, or on different sentences,"
        )
        return (
            f"{kind} differ by up to {self.band():.2f} points in 19 of 20 cases (standard deviation of one run "
            f"{self.sd:.2f}, {self.df} degrees of freedom)."
        )


def noise_alone(studies: AllRows) -> SeedNoise:
    """For runs that do not share their sentences."""
    settings = [by_seed for group in _settings(studies).values() for by_seed in group]
    several = [np.array(list(by_seed.values())) for by_seed in settings if len(by_seed) > 1]
    df = sum(len(values) - 1 for values in several)
    total = sum(float(((values - values.mean()) ** 2).sum()) for values in several)
    return SeedNoise(sd=math.sqrt(total / df) if df else 0.0, df=df)


def noise_paired(studies: AllRows) -> SeedNoise:
    """For runs of one seed: of each corpus, from the seeds that its settings share."""
    total, df = 0.0, 0
    for group in _settings(studies).values():
        settings = [by_seed for by_seed in group if len(by_seed) > 1]
        seeds = sorted(set.intersection(*(set(by_seed) for by_seed in settings))) if settings else []
        if len(seeds) > 1 and len(settings) > 1:
            table = np.array([[by_seed[seed] for seed in seeds] for by_seed in settings])
            residual = table - table.mean(1, keepdims=True) - table.mean(0, keepdims=True) + table.mean()
            total += float((residual**2).sum())
            df += (len(settings) - 1) * (len(seeds) - 1)
    return SeedNoise(sd=math.sqrt(total / df) if df else 0.0, df=df, paired=True)


def _settings(studies: AllRows) -> dict[str, list[dict[int, float]]]:
    """What the sentences of a seed depend on -> seed -> score of every setting, each run once however many studies hold
    it. Settings that did the same to the bit (a mixing that never fired) are one, not two.
    """
    groups: dict[str, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for value, row in scored(row for rows in studies.values() for row in rows):
        options = row["options"]
        if "seed" in options:
            same = {name: option for name, option in options.items() if name != "seed"}
            drawn = json.dumps({name: options.get(name) for name in DRAWN_BY})
            groups[drawn][json.dumps(same, sort_keys=True)][int(options["seed"])] = value
    distinct = {
        drawn: {tuple(sorted(by_seed.items())): by_seed for by_seed in settings.values()}
        for drawn, settings in groups.items()
    }
    return {drawn: [settings[key] for key in sorted(settings)] for drawn, settings in distinct.items()}


def paired(runs: Iterable[TrialRow], others: Iterable[TrialRow]) -> tuple[float, int] | None:
    """The mean difference of ``runs`` to ``others`` over the seeds that both have, and how many those are."""
    first, second = (
        {row["options"]["seed"]: value for value, row in scored(rows)} for rows in (runs, others)
    )
    differences = [first[seed] - second[seed] for seed in first if seed in second]
    return (sum(differences) / len(differences), len(differences)) if differences else None


def best_beside_worst(named: Sequence[tuple[float, str]], noise: SeedNoise) -> str:
    """The highest and the lowest of several scores; choosing the two of n is n(n - 1)/2 comparisons. "" of fewer."""
    if len(named) < 2:
        return ""
    (low, worst), (high, best) = min(named), max(named)
    difference = in_words(high - low, noise.band(comparisons=len(named) * (len(named) - 1) // 2))
    return f"the best ({best}) beside the worst ({worst}): {difference}"


def in_words(difference: float, band: float) -> str:
    """A difference beside the noise of the seed.

    >>> in_words(0.1, 0.3), in_words(-0.5, 0.3)
    ('no clear difference (+0.10, within ±0.30)', 'lower by 0.50 (beyond ±0.30)')
    """
    if math.isinf(band):
        return f"{difference:+.2f}, and whether that is more than chance is unknown: too few seeds"
    if abs(difference) <= band:
        return f"no clear difference ({difference:+.2f}, within ±{band:.2f})"
    return f"{'higher' if difference > 0 else 'lower'} by {abs(difference):.2f} (beyond ±{band:.2f})"
