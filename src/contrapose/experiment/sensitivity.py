"""What a sweep says: how much the numbers of a method matter, where it is good, and what of that is noise.

The highest of many settings is flattered by chance, so it is never told alone: beside it stand the settings that
cannot be told from it (its region), and whether any setting is clearly better than the method's defaults, with the
p-values corrected for all settings (Holm). With one seed the luck of the seed is unknown, and nothing is called better.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from contrapose.errors import UsageError
from contrapose.evaluate.over_seeds import compare_methods
from contrapose.evaluate.per_example import PerExampleScores
from contrapose.evaluate.statistics import holm
from contrapose.experiment.evidence_of_trials import evidence_of
from contrapose.experiment.ranges import Factor
from contrapose.experiment.standings import LEVEL, Judged
from contrapose.experiment.sweep import Swept, score
from contrapose.ledger import Entry, Ledger


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting. scores: one per seed that did not diverge; near: cannot be told from the best (None: unknown).

    change: to the defaults; None for the defaults themselves, and where there are no rows to compare.
    """

    values: Mapping[str, Any]
    scores: tuple[float, ...]
    diverged: int
    is_default: bool
    near: bool | None = None
    change: Judged | None = None

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
    """settings: in the order they were tried; noise: pooled standard deviation over seeds, None for one seed."""

    factors: tuple[Factor, ...]
    settings: tuple[Setting, ...]
    noise: float | None
    seeds: int
    digits: int = 2

    def number(self, value: float) -> str:
        """As it is told: scores x 100 with two digits, label-free scores with four."""
        return f"{value:.{self.digits}f}"

    @property
    def whole(self) -> list[Setting]:
        return [setting for setting in self.settings if setting.whole]

    @property
    def best(self) -> Setting:
        return max(self.whole, key=lambda setting: setting.mean)

    @property
    def default(self) -> Setting | None:
        return next((setting for setting in self.settings if setting.is_default), None)

    @property
    def region(self) -> list[Setting]:
        """The best, and what cannot be told from it; none where that is unknown. Words and pictures both read this."""
        if any(setting.near is None for setting in self.whole):
            return []
        return [setting for setting in self.whole if setting.near]

    @property
    def better(self) -> list[Setting]:
        """Clearly better than the defaults; none where one seed leaves its luck open."""
        if self.seeds < 2:
            return []
        return [s for s in self.whole if s.change is not None and s.change.words == "better"]


def sensitivity(swept: Swept) -> Sensitivity:
    """Read the numbers of a sweep from its ledger. Raises :class:`UsageError` where every setting diverged."""
    rows = [
        Setting(
            values=values,
            scores=tuple(value for entry in entries if (value := score(entry)) is not None),
            diverged=sum(score(entry) is None for entry in entries),
            is_default=values == swept.defaults,
        )
        for values, entries in zip(swept.points, swept.entries, strict=True)
    ]
    if not any(row.whole for row in rows):
        raise UsageError("every setting diverged, so there is nothing to choose from: give smaller ranges")
    pieces = [_pieces(swept.trials.ledger, entries) for entries in swept.entries]
    noise = pooled([row.scores for row in rows])
    best = max((place for place, row in enumerate(rows) if row.whole), key=lambda place: rows[place].mean)
    near = [_near(rows[best], row, pieces[best], mine, noise) for row, mine in zip(rows, pieces, strict=True)]
    changes = _changes(rows, pieces)
    settings = tuple(
        Setting(**{**vars(row), "near": near[place], "change": changes.get(place)})
        for place, row in enumerate(rows)
    )
    return Sensitivity(
        factors=swept.sweep.factors,
        settings=settings,
        noise=noise,
        seeds=swept.sweep.seeds,
        digits=2 if swept.sweep.setting.data else 4,
    )


def pooled(groups: Sequence[Sequence[float]]) -> float | None:
    """The standard deviation over seeds, of all settings together; None where each has one seed.

    >>> pooled([[1.0, 3.0], [5.0, 7.0], [9.0]]), pooled([[1.0], [2.0]])
    (1.4142135623730951, None)
    """
    squares = sum(float(np.var(group, ddof=1)) * (len(group) - 1) for group in groups if len(group) > 1)
    freedom = sum(len(group) - 1 for group in groups if len(group) > 1)
    return math.sqrt(squares / freedom) if freedom else None


def _near(
    best: Setting,
    other: Setting,
    of_best: Sequence[Sequence[PerExampleScores]],
    of_other: Sequence[Sequence[PerExampleScores]],
    noise: float | None,
) -> bool | None:
    """Whether ``other`` may be as good as ``best``: by the rows where there are any, else by the noise of seeds."""
    if not other.whole:
        return False
    if of_best and of_other:
        return other is best or compare_methods(of_best, of_other, level=LEVEL).high >= 0
    if noise is None:
        return None
    reach = 2 * noise * math.sqrt(1 / len(best.scores) + 1 / len(other.scores))
    return best.mean - other.mean <= reach


def _changes(
    rows: Sequence[Setting], pieces: Sequence[Sequence[Sequence[PerExampleScores]]]
) -> dict[int, Judged]:
    default = next((place for place, row in enumerate(rows) if row.is_default and row.whole), None)
    if default is None or not pieces[default]:
        return {}
    found = {
        place: compare_methods(pieces[default], pieces[place], level=LEVEL)
        for place, row in enumerate(rows)
        if row.whole and place != default and pieces[place]
    }
    corrected = holm([change.p_value for change in found.values()])
    return {place: Judged(change, p) for (place, change), p in zip(found.items(), corrected, strict=True)}


def _pieces(ledger: Ledger, entries: Sequence[Entry]) -> list[list[PerExampleScores]]:
    """The evidence of each seed; of none where a task has none."""
    found: list[list[PerExampleScores]] = []
    for entry in entries:
        tasks = evidence_of(ledger, entry)
        if not tasks or len(tasks) < len(entry.body["values"]):
            return []
        found.append(list(tasks.values()))
    return found


def where(factors: Sequence[Factor], settings: Sequence[Setting], of: Sequence[Setting]) -> str:
    """The values that ``settings`` take, beside those that all of ``of`` took.

    >>> t = Factor(name="t", low=0, high=9)
    >>> tried = [Setting(values={"t": v}, scores=(1.0,), diverged=0, is_default=False) for v in (0.1, 0.2, 0.4)]
    >>> where([t], tried[:2], tried), where([t], tried, tried), where([t], tried[1:2], tried)
    ('t from 0.1 to 0.2', 't anywhere from 0.1 to 0.4', 't 0.2')
    """
    parts = []
    for factor in factors:
        mine = {setting.values[factor.name] for setting in settings}
        every = {setting.values[factor.name] for setting in of}
        if not factor.numeric:
            chosen = [choice for choice in factor.choices if choice in mine]
            parts.append(f"{factor.name} {' or '.join(map(str, chosen))}")
        elif len(mine) == 1:
            parts.append(f"{factor.name} {min(mine):g}")
        else:
            ends = (min(mine), max(mine))
            anywhere = "anywhere " if ends == (min(every), max(every)) else ""
            parts.append(f"{factor.name} {anywhere}from {ends[0]:g} to {ends[1]:g}")
    return ", ".join(parts)


def told(found: Sensitivity) -> list[str]:
    """The result in words."""
    tried = found.whole
    lines = [_region(found), _against_defaults(found)]
    if found.noise is None:
        lines.append(
            "one seed per setting: its luck is unknown, so a highest number is not a better setting; give --seeds 3"
        )
    else:
        span = max(setting.mean for setting in tried) - min(setting.mean for setting in tried)
        lines.append(
            f"the noise of one seed is {found.number(found.noise)} (standard deviation); over all settings the means "
            f"span {found.number(span)}"
        )
    if diverged := sum(setting.diverged > 0 for setting in found.settings):
        lines.append(f"{diverged} of {len(found.settings)} settings diverged")
    return lines


def _region(found: Sensitivity) -> str:
    tried, region = found.whole, found.region
    if not region:
        return "best region: unknown, because one seed per setting leaves the noise open"
    place = where(found.factors, region, tried)
    if len(region) == len(tried):
        return f"best region: everywhere; none of the {len(tried)} settings can be told from the highest"
    if len(region) == 1:
        return f"best region: {place}; every other setting is clearly below it"
    return f"best region: {place}; {len(region)} of {len(tried)} settings cannot be told from the highest, all there"


def _against_defaults(found: Sensitivity) -> str:
    best, default, tried = found.best, found.default, found.whole
    highest = f"the highest mean, {found.number(best.mean)}, is that of {where(found.factors, [best], tried)}"
    if default is None or not default.whole:
        return f"{highest}; the defaults have no number here, so nothing is said to be better than they are"
    named = f"the defaults ({where(found.factors, [default], tried)}; {found.number(default.mean)})"
    if best is default:
        return f"no setting is above {named}"
    if found.better:
        place = where(found.factors, found.better, tried)
        return f"clearly better than {named}: {len(found.better)} settings, {place}"
    if best.change is None and default.near is False:
        return f"{named} lie below the highest by more than the noise; {highest}, flattered as the best of {len(tried)}"
    within = "and one seed cannot tell luck from merit" if found.seeds < 2 else "and that is within the noise"
    return f"no setting is clearly better than {named}: {highest}, {within}"
