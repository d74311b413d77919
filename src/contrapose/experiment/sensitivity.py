"""What a sweep says: how much the hyperparameters of a method matter, where it is good, and what of that is noise.

The highest of many settings is flattered by chance, so it is never told alone: beside it stand the settings that
cannot be told from it (its region), and whether any setting is clearly better than the method's defaults, with the
p-values corrected for all settings (Holm). With one seed the luck of the seed is unknown, and nothing is called better.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from contrapose.errors import UsageError
from contrapose.evaluate.over_seeds import compare_methods
from contrapose.experiment.comparison_table import ComparisonRow, comparison_table
from contrapose.experiment.differences import LEVEL, Difference
from contrapose.experiment.measuring import mean_of
from contrapose.experiment.ranges import Factor
from contrapose.ledger import Entry, Ledger


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """One value of each factor. scores: one per seed that did not diverge; near: cannot be told from the best (None:
    unknown); change: to the defaults, None for the defaults themselves and where there are no rows to compare.
    """

    values: Mapping[str, Any]
    scores: tuple[float, ...]
    diverged: int
    is_default: bool
    near: bool | None = None
    change: Difference | None = None

    @property
    def mean(self) -> float:
        return float(np.mean(self.scores)) if self.scores else math.nan

    @property
    def std(self) -> float | None:
        return float(np.std(self.scores, ddof=1)) if len(self.scores) > 1 else None

    @property
    def whole(self) -> bool:
        """All of its seeds have a number."""
        return bool(self.scores) and not self.diverged


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """configurations: in the order they were tried; noise: pooled standard deviation over seeds, None for one seed."""

    factors: tuple[Factor, ...]
    configurations: tuple[Configuration, ...]
    noise: float | None
    seeds: int
    digits: int = 2

    def number(self, value: float) -> str:
        """As it is told: scores x 100 with two digits, label-free scores with four."""
        return f"{value:.{self.digits}f}"

    @property
    def whole(self) -> list[Configuration]:
        return [configuration for configuration in self.configurations if configuration.whole]

    @property
    def best(self) -> Configuration:
        return max(self.whole, key=lambda setting: setting.mean)

    @property
    def default(self) -> Configuration | None:
        return next((setting for setting in self.configurations if setting.is_default), None)

    @property
    def region(self) -> list[Configuration]:
        """The best, and what cannot be told from it; none where that is unknown. Words and charts both read this."""
        if any(setting.near is None for setting in self.whole):
            return []
        return [setting for setting in self.whole if setting.near]

    @property
    def better(self) -> list[Configuration]:
        """Clearly better than the defaults; none where one seed leaves its luck open."""
        if self.seeds < 2:
            return []
        return [s for s in self.whole if s.change is not None and s.change.words == "better"]


def sensitivity(
    factors: Sequence[Factor],
    trials: Sequence[tuple[Mapping[str, Any], Sequence[Entry]]],
    ledger: Ledger,
    *,
    defaults: Mapping[str, Any] | None,
    seeds: int,
    digits: int = 2,
) -> Sensitivity:
    """trials: the values of each configuration, and its trials. Raises :class:`UsageError` where all diverged."""
    configurations = []
    for values, entries in trials:
        scores = [mean_of(entry.body["values"]) for entry in entries]
        known = tuple(score for score in scores if score is not None)
        configurations.append(
            Configuration(
                values=values,
                scores=known,
                diverged=len(scores) - len(known),
                is_default=values == defaults,
            )
        )
    whole = {str(n): configuration for n, configuration in enumerate(configurations) if configuration.whole}
    if not whole:
        raise UsageError("every setting diverged, so there is nothing to choose from: give smaller ranges")
    baseline = next((name for name, configuration in whole.items() if configuration.is_default), "")
    table = comparison_table(ledger, {name: trials[int(name)][1] for name in whole}, baseline, main_only=True)
    noise = pooled([configuration.scores for configuration in configurations])
    best = max(whole, key=lambda name: whole[name].mean)
    for n, configuration in enumerate(configurations):
        if (name := str(n)) in whole:
            row = table.of(name)
            near = _near(table.of(best), row, table.main, noise)
            configurations[n] = replace(configuration, near=near, change=row.changes.get(table.main))
        else:
            configurations[n] = replace(configuration, near=False)
    return Sensitivity(
        factors=tuple(factors),
        configurations=tuple(configurations),
        noise=noise,
        seeds=seeds,
        digits=digits,
    )


def pooled(groups: Sequence[Sequence[float]]) -> float | None:
    """The standard deviation over seeds, of all settings together; None where each has one seed.

    >>> pooled([[1.0, 3.0], [5.0, 7.0], [9.0]]), pooled([[1.0], [2.0]])
    (1.4142135623730951, None)
    """
    squares = sum(float(np.var(group, ddof=1)) * (len(group) - 1) for group in groups if len(group) > 1)
    freedom = sum(len(group) - 1 for group in groups if len(group) > 1)
    return math.sqrt(squares / freedom) if freedom else None


def _near(best: ComparisonRow, other: ComparisonRow, column: str, noise: float | None) -> bool | None:
    """Whether ``other`` may be as good as ``best``: by the rows where there are any, else by the noise of seeds."""
    first, second = (list(row.per_example[column].values()) for row in (best, other))
    if first and second:
        change = compare_methods(first, second, level=LEVEL)
        return other is best or change.high >= 0
    if noise is None:
        return None
    mine, others = best.spreads[column], other.spreads[column]
    return mine.mean - others.mean <= 2 * noise * math.sqrt(1 / mine.seeds + 1 / others.seeds)
