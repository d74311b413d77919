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
from contrapose.experiment.comparison_table import LEVEL, ComparisonRow, Difference, comparison_table
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
    if best.per_example[column] and other.per_example[column]:
        change = compare_methods(best.per_example[column], other.per_example[column], level=LEVEL)
        return other is best or change.high >= 0
    if noise is None:
        return None
    mine, others = best.spreads[column], other.spreads[column]
    return mine.mean - others.mean <= 2 * noise * math.sqrt(1 / mine.seeds + 1 / others.seeds)


def where(factors: Sequence[Factor], chosen: Sequence[Configuration], of: Sequence[Configuration]) -> str:
    """The values that ``chosen`` take, beside those that all of ``of`` took.

    >>> t = Factor(name="t", low=0, high=9)
    >>> tried = [Configuration(values={"t": v}, scores=(1.0,), diverged=0, is_default=False) for v in (0.1, 0.2, 0.4)]
    >>> where([t], tried[:2], tried), where([t], tried, tried), where([t], tried[1:2], tried)
    ('t from 0.1 to 0.2', 't anywhere from 0.1 to 0.4', 't 0.2')
    """
    parts = []
    for factor in factors:
        mine = {setting.values[factor.name] for setting in chosen}
        every = {setting.values[factor.name] for setting in of}
        if not factor.numeric:
            parts.append(f"{factor.name} {' or '.join(str(each) for each in factor.choices if each in mine)}")
        elif len(mine) == 1:
            parts.append(f"{factor.name} {min(mine):g}")
        else:
            ends = (min(mine), max(mine))
            anywhere = "anywhere " if ends == (min(every), max(every)) else ""
            parts.append(f"{factor.name} {anywhere}from {ends[0]:g} to {ends[1]:g}")
    return ", ".join(parts)


def in_words(response: Sensitivity) -> list[str]:
    """The result in words."""
    tried = response.whole
    lines = [_region(response), _against_defaults(response)]
    if response.noise is None:
        lines.append(
            "one seed per setting: its luck is unknown, so a highest number is not a better setting; give --seeds 3"
        )
    else:
        span = max(setting.mean for setting in tried) - min(setting.mean for setting in tried)
        lines.append(
            f"the noise of one seed is {response.number(response.noise)} (standard deviation); over all settings the "
            f"means span {response.number(span)}"
        )
    if diverged := sum(setting.diverged > 0 for setting in response.configurations):
        lines.append(f"{diverged} of {len(response.configurations)} settings diverged")
    return lines


def _region(response: Sensitivity) -> str:
    tried, region = response.whole, response.region
    if not region:
        return "best region: unknown, because one seed per setting leaves the noise open"
    place = where(response.factors, region, tried)
    if len(region) == len(tried):
        return f"best region: everywhere; none of the {len(tried)} settings can be told from the highest"
    if len(region) == 1:
        return f"best region: {place}; every other setting is clearly below it"
    return f"best region: {place}; {len(region)} of {len(tried)} settings cannot be told from the highest, all there"


def _against_defaults(response: Sensitivity) -> str:
    best, default, tried = response.best, response.default, response.whole
    highest = (
        f"the highest mean, {response.number(best.mean)}, is that of {where(response.factors, [best], tried)}"
    )
    if default is None or not default.whole:
        return f"{highest}; the defaults have no number here, so nothing is said to be better than they are"
    named = f"the defaults ({where(response.factors, [default], tried)}; {response.number(default.mean)})"
    if best is default:
        return f"no setting is above {named}"
    if response.better:
        place = where(response.factors, response.better, tried)
        return f"clearly better than {named}: {len(response.better)} settings, {place}"
    if best.change is None and default.near is False:
        return f"{named} lie below the highest by more than the noise; {highest}, flattered as the best of {len(tried)}"
    within = (
        "and one seed cannot tell luck from merit" if response.seeds < 2 else "and that is within the noise"
    )
    return f"no setting is clearly better than {named}: {highest}, {within}"
