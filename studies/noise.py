"""The luck of the seed, and what a difference between runs means beside it.

A run's score x depends on its setting i (method, numbers) and on its seed j, which draws the sentences and the dropout:

    x_ij = setting_i + seed_j + e_ij

Runs of one seed draw the same sentences, so seed_j is nearly common to them and falls out of their difference. What is
left is e: its spread comes from the settings that were run with the same seeds, as the residual of the two-way table.
Runs on other sentences (another corpus, another size) do not share seed_j; their luck is the whole spread over seeds.

    alone     sd^2 = sum (x_ij - mean_i)^2 / df                              df = sum over settings of (seeds - 1)
    paired    sd^2 = sum (x_ij - mean_i - mean_j + mean)^2 / df              df = (settings - 1)(seeds - 1)
    band      t(1 - 0.05 / (2 m), df) sd sqrt(1/a + 1/b)                     a, b runs; m comparisons at once

The pairs of sentences that runs are judged on are the same for all, so their luck is shared and not part of it.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from studies.rows import score
from studies.study import AllRows, Row

#: Right in nineteen of twenty cases.
LEVEL = 0.95


@dataclass(frozen=True)
class Noise:
    """The luck of the seed: standard deviation of a run's score, its degrees of freedom (0: unknown), and its kind."""

    sd: float
    df: int
    paired: bool = False

    def band(self, first: int = 1, second: int = 1, comparisons: int = 1) -> float:
        """The largest difference between means of ``first`` and ``second`` runs that luck explains.

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
        """For the reader of a table."""
        if not self.df:
            return "Too few settings were run with two seeds, so the luck of the seed is unknown."
        kind = (
            "Runs of one seed draw the same sentences; what else is luck makes two of them"
            if self.paired
            else "Luck makes two runs with different seeds, or on different sentences,"
        )
        return (
            f"{kind} differ by up to {self.band():.2f} points in 19 of 20 cases (standard deviation of one run "
            f"{self.sd:.2f}, {self.df} degrees of freedom)."
        )


def noise_alone(studies: AllRows) -> Noise:
    """For runs that do not share their sentences."""
    several = [np.array(list(by_seed.values())) for by_seed in _settings(studies) if len(by_seed) > 1]
    df = sum(len(values) - 1 for values in several)
    total = sum(float(((values - values.mean()) ** 2).sum()) for values in several)
    return Noise(sd=math.sqrt(total / df) if df else 0.0, df=df)


def noise_paired(studies: AllRows) -> Noise:
    """For runs of one seed: from the seeds that most settings share."""
    settings = [by_seed for by_seed in _settings(studies) if len(by_seed) > 1]
    seeds = sorted(set.intersection(*(set(by_seed) for by_seed in settings))) if settings else []
    if len(seeds) < 2 or len(settings) < 2:
        return Noise(0.0, 0, paired=True)
    table = np.array([[by_seed[seed] for seed in seeds] for by_seed in settings])
    residual = table - table.mean(1, keepdims=True) - table.mean(0, keepdims=True) + table.mean()
    df = (len(settings) - 1) * (len(seeds) - 1)
    return Noise(sd=math.sqrt(float((residual**2).sum()) / df), df=df, paired=True)


def _settings(studies: AllRows) -> list[dict[int, float]]:
    """Seed -> score of every setting, each run once however many studies hold it.

    Settings that did the same to the bit (a mixing that never fired) are one, not two.
    """
    groups: dict[str, dict[int, float]] = defaultdict(dict)
    for row in (row for rows in studies.values() for row in rows):
        value = score(row)
        if value is not None and "seed" in row["options"]:
            same = {name: option for name, option in row["options"].items() if name != "seed"}
            groups[json.dumps(same, sort_keys=True)][int(row["options"]["seed"])] = value
    distinct = {tuple(sorted(by_seed.items())): by_seed for by_seed in groups.values()}
    return [distinct[key] for key in sorted(distinct)]


def paired(runs: Sequence[Row], others: Sequence[Row]) -> tuple[float, int] | None:
    """The mean difference of ``runs`` to ``others`` over the seeds that both have, and how many those are."""
    first, second = ({row["options"]["seed"]: score(row) for row in some} for some in (runs, others))
    differences = [
        value - other
        for seed, value in first.items()
        if value is not None and (other := second.get(seed)) is not None
    ]
    return (sum(differences) / len(differences), len(differences)) if differences else None


def in_words(difference: float, band: float) -> str:
    """A difference beside the luck of the seed.

    >>> in_words(0.1, 0.3), in_words(-0.5, 0.3)
    ('no clear difference (+0.10, within ±0.30)', 'lower by 0.50 (beyond ±0.30)')
    """
    if math.isinf(band):
        return f"{difference:+.2f}, and whether that is more than luck is unknown: too few seeds"
    if abs(difference) <= band:
        return f"no clear difference ({difference:+.2f}, within ±{band:.2f})"
    return f"{'higher' if difference > 0 else 'lower'} by {abs(difference):.2f} (beyond ±{band:.2f})"
