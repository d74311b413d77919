"""Numbers over several seeds: their spread, and whether one method is better than another.

Two things are drawn by chance when a method is judged: the seeds it was trained with, and the rows it was tested on.
Three seeds on the same rows share the luck of those rows, and one seed on many rows hides its own luck; so a difference
between methods needs both:

    D        mean over seeds of ``other`` - mean over seeds of ``baseline``
    rows     the same rows are resampled for all models of both methods; the spread of D, its mean taken off
    seeds    t(df) sqrt(s_b^2 / n_b + s_o^2 / n_o), s: sample standard deviation over seeds, df: Welch (1947)
    D* = D + rows + seeds       its quantiles are the interval, its share beyond zero is the p-value

Resampling the seeds themselves would be too sure: three values, drawn with replacement, spread by 1/3 less than they
should, and their quantiles know nothing of the long tails that three values leave open. The t-distribution does.
Seeds are not paired by default: with three of them, the two lost degrees of freedom cost more than equal seeds share.
Where runs of one seed draw the same sentences in the same order, ``paired_seeds`` takes what they share out:

    seeds    t(n - 1) s_d / sqrt(n), s_d: sample standard deviation of the n differences of equal seeds

Of many methods with few seeds each, ``noise`` says how far such differences scatter in general
(evaluate/seed_noise.py): s_d and its degrees of freedom are then the moderated ones, which one seed has too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contrapose.errors import UsageError
from contrapose.evaluate.per_example import PerExampleScores, mean_resampled
from contrapose.evaluate.seed_noise import SharedNoise
from contrapose.evaluate.statistics import percentiles
from contrapose.seeds import numpy_generator

#: Draws of the seeds' noise for each draw of rows: they cost nothing, and make small p-values finer.
SEED_DRAWS = 20


@dataclass(frozen=True, kw_only=True)
class Spread:
    """std: sample standard deviation; low, high: t-interval of the mean. All three None for one seed."""

    mean: float
    std: float | None
    low: float | None
    high: float | None
    level: float
    seeds: int

    @property
    def words(self) -> str:
        """With the sample standard deviation, or what one seed leaves open."""
        if self.std is None:
            return f"{self.mean:.2f} (one seed: its spread is unknown)"
        return f"{self.mean:.2f} ± {self.std:.2f} ({self.seeds} seeds)"


@dataclass(frozen=True, kw_only=True)
class MethodChange:
    """From the baseline to another method, in points. seeds: how many of each; rows: test rows, of all tasks together.

    seed_error, row_error: the standard errors that the two sources of noise bring; ``seed_error`` is None where both
    methods have one seed and no others tell of its luck; then it is not in the interval. noise: what others told.
    """

    difference: float
    low: float
    high: float
    level: float
    p_value: float
    seeds: tuple[int, int]
    rows: int
    seed_error: float | None
    row_error: float
    noise: SharedNoise | None = None

    @property
    def caution(self) -> str:
        """What the interval does not hold, or ""."""
        if self.noise is not None:
            return ""
        alone = [
            name for name, count in zip(("the baseline", "the method"), self.seeds, strict=True) if count == 1
        ]
        return (
            f"{' and '.join(alone)} ran with one seed: the luck of it is not in the interval" if alone else ""
        )


def spread(values: Sequence[float], *, level: float = 0.95) -> Spread:
    """Mean, sample standard deviation and t-interval of one number per seed.

    Raises :class:`UsageError` for none, or one that is not finite.

    >>> spread([80.0, 81.0, 82.0]).words, spread([80.0]).words
    ('81.00 ± 1.00 (3 seeds)', '80.00 (one seed: its spread is unknown)')
    """
    if not len(values) or not np.isfinite(values).all():
        raise UsageError(f"a spread needs one finite number per seed, got {list(values)}")
    mean = float(np.mean(values))
    if len(values) == 1:
        return Spread(mean=mean, std=None, low=None, high=None, level=level, seeds=1)
    from scipy.stats import t

    std = float(np.std(values, ddof=1))
    reach = float(t.ppf((1 + level) / 2, len(values) - 1)) * std / math.sqrt(len(values))
    return Spread(mean=mean, std=std, low=mean - reach, high=mean + reach, level=level, seeds=len(values))


def compare_methods(
    baseline: Sequence[PerExampleScores | Sequence[PerExampleScores]],
    other: Sequence[PerExampleScores | Sequence[PerExampleScores]],
    *,
    level: float = 0.95,
    resamples: int | None = None,
    seed: int = 0,
    paired_seeds: bool = False,
    noise: SharedNoise | None = None,
) -> MethodChange:
    """Is ``other`` better than ``baseline``, over their seeds and over the test rows?

    One item per seed: the scores of one task, or of several tasks (always in the same order), whose mean is compared.
    paired_seeds: the items of both are in the order of the same seeds, which are compared one by one. Otherwise the
    numbers of seeds may differ; an encoder without training has one, and no luck of its own. noise: of paired seeds,
    what other methods tell about the scatter of such differences, in points (:mod:`contrapose.evaluate.seed_noise`).
    Of several methods compared at once correct the p-values with :func:`contrapose.evaluate.statistics.holm`; what a
    change says in words is :func:`contrapose.evaluate.statistics.in_words`. Raises :class:`UsageError` where rows
    differ or a method has no seed.

    >>> task = lambda share: PerExampleScores("mean", (np.arange(100) < share).astype(float))
    >>> change = compare_methods([task(50), task(52), task(51)], [task(80), task(81), task(79)])
    >>> round(change.difference), change.low > 20, change.seeds, change.rows
    (29, True, (3, 3), 100)
    """
    before, after = _tasks(baseline), _tasks(other)
    _check(before, after)
    if noise is not None and not paired_seeds:
        raise UsageError("noise is of the differences of equal seeds: give paired_seeds=True with it")
    if paired_seeds and len(before) != len(after):
        raise UsageError(f"seeds are paired one by one, and there are {len(before)} and {len(after)}")
    means = [
        np.array([np.mean([task.value() for task in tasks]) for tasks in side]) for side in (before, after)
    ]
    difference = float(means[1].mean() - means[0].mean())
    resamples = resamples or min(task.resamples for task in before[0])
    rows_before, rows_after = (
        np.mean([mean_resampled(tasks, resamples=resamples, seed=seed) for tasks in side], axis=0)
        for side in (before, after)
    )
    by_rows = rows_after - rows_before
    by_rows -= by_rows.mean()
    error, freedom = _paired(means[1] - means[0], noise) if paired_seeds else _welch(*means)
    drawn = np.tile(by_rows, SEED_DRAWS) + difference
    if error:
        drawn += error * numpy_generator(seed, "over-seeds").standard_t(freedom, len(drawn))
    low, high = percentiles(drawn, level)
    beyond = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    return MethodChange(
        difference=difference,
        low=low,
        high=high,
        level=level,
        p_value=min(1.0, 2 * (1 + beyond) / (1 + len(drawn))),
        seeds=(len(before), len(after)),
        rows=sum(map(len, before[0])),
        seed_error=error,
        row_error=float(by_rows.std()),
        noise=noise,
    )


def _welch(first: np.ndarray, second: np.ndarray) -> tuple[float | None, float]:
    """Standard error of the difference of two means over seeds, and its degrees of freedom; (None, 0) without seeds."""
    shares = [(float(x.var(ddof=1)) / len(x), len(x) - 1) for x in (first, second) if len(x) > 1]
    if not shares:
        return None, 0.0
    variance = sum(share for share, _ in shares)
    if variance == 0:
        return 0.0, 1.0
    return math.sqrt(variance), variance**2 / sum(share**2 / freedom for share, freedom in shares)


def _paired(differences: np.ndarray, noise: SharedNoise | None) -> tuple[float | None, float]:
    """Standard error of the mean of the differences, and its degrees of freedom; (None, 0) of one seed alone."""
    if noise is not None:
        return noise.moderated(differences)
    if len(differences) < 2:
        return None, 0.0
    return float(differences.std(ddof=1)) / math.sqrt(len(differences)), len(differences) - 1.0


def _tasks(seeds: Sequence[PerExampleScores | Sequence[PerExampleScores]]) -> list[list[PerExampleScores]]:
    return [[item] if isinstance(item, PerExampleScores) else list(item) for item in seeds]


def _check(before: Sequence[Sequence[PerExampleScores]], after: Sequence[Sequence[PerExampleScores]]) -> None:
    if not before or not after or not before[0]:
        raise UsageError("comparing methods needs per-example scores of at least one seed and task of each")
    for tasks in (*before, *after):
        if len(tasks) != len(before[0]):
            raise UsageError(f"one seed has {len(tasks)} tasks where the first has {len(before[0])}")
        for first, task in zip(before[0], tasks, strict=True):
            first.check_pairs_with(task)
