"""How sure a number is: rank correlation, bootstrap intervals, and paired comparison on the same queries.

Everything random is seeded through :mod:`contrapose.seeds`, so an interval printed twice is the same interval.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from contrapose.errors import UsageError
from contrapose.seeds import numpy_generator

#: Draws held in memory at once; resampling 5,000 queries 10,000 times walks through 13 blocks of it.
BLOCK = 4_000_000


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate with its percentile bootstrap interval."""

    estimate: float
    low: float
    high: float
    level: float
    rows: int


@dataclass(frozen=True, kw_only=True)
class PairedTest:
    """after - before on the same rows: mean difference, its bootstrap interval, and a permutation p-value."""

    difference: float
    low: float
    high: float
    level: float
    p_value: float
    better: int
    worse: int
    rows: int


class TestedDifference(Protocol):
    """What every comparison of two numbers holds."""

    @property
    def difference(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def level(self) -> float: ...
    @property
    def p_value(self) -> float: ...


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation in [-1, 1], ties sharing their mean rank. NaN where one side is constant.

    >>> spearman(np.array([1.0, 2.0, 3.0]), np.array([10.0, 30.0, 20.0]))
    0.5
    """
    if len(a) != len(b):
        raise ValueError(f"{len(a)} values against {len(b)}")
    if len(a) < 2:
        return float("nan")
    rank_a, rank_b = ranks(np.asarray(a)), ranks(np.asarray(b))
    rank_a, rank_b = rank_a - rank_a.mean(), rank_b - rank_b.mean()
    scale = np.sqrt((rank_a @ rank_a) * (rank_b @ rank_b))
    if scale == 0 or not np.isfinite(scale):
        return float("nan")
    return float(np.clip((rank_a @ rank_b) / scale, -1.0, 1.0))


def bootstrap_interval(
    scores: np.ndarray,
    *,
    statistic: Callable[[np.ndarray], float] | None = None,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """The percentile interval of a statistic of ``scores`` under resampling of rows.

    scores: (N,) one number per query, or (N, k) with one row per query for a ``statistic`` of several columns.
    statistic: None for the mean (MRR and accuracy are means of per-query scores), computed for all resamples at once;
    otherwise any function of resampled rows. Raises :class:`UsageError` for no rows or rows that are not finite.

    >>> interval = bootstrap_interval(np.array([0.0, 1.0] * 50))
    >>> interval.estimate, round(interval.low, 1), round(interval.high, 1)
    (0.5, 0.4, 0.6)
    """
    scores = _checked(scores, level, resamples)
    of_rows = statistic or (lambda rows: float(rows.mean()))
    low, high = percentiles(resampled(scores, statistic=statistic, resamples=resamples, seed=seed), level)
    return Interval(estimate=float(of_rows(scores)), low=low, high=high, level=level, rows=len(scores))


def resampled(
    scores: np.ndarray,
    *,
    statistic: Callable[[np.ndarray], float] | None = None,
    resamples: int = 10_000,
    seed: int = 0,
) -> np.ndarray:
    """The statistic of each of ``resamples`` draws of rows, with replacement; see :func:`bootstrap_interval`.

    The draws depend on the seed and the number of rows alone: two models on the same rows get the same ones.
    """
    generator = numpy_generator(seed, "bootstrap")
    draws = _draws(generator, len(scores), resamples)
    if statistic is None and scores.ndim == 1:
        return np.concatenate([scores[draw].mean(axis=1) for draw in draws])
    of_rows = statistic or (lambda rows: float(rows.mean()))
    return np.array([of_rows(scores[rows]) for draw in draws for rows in draw])


def paired_test(
    before: np.ndarray, after: np.ndarray, *, level: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> PairedTest:
    """Is ``after`` better than ``before`` on the same rows? Row i of both is the same query.

    The p-value is two-sided, from flipping the sign of each row's difference at random: (1 + flips at least as
    extreme) / (1 + resamples), so it is never 0. Raises :class:`UsageError` for unequal, empty or non-finite rows.

    >>> test = paired_test(np.zeros(20), np.ones(20))
    >>> test.difference, test.better, test.worse, test.p_value < 0.001
    (1.0, 20, 0, True)
    """
    before, after = np.asarray(before, np.float64), np.asarray(after, np.float64)
    if before.shape != after.shape or before.ndim != 1:
        raise UsageError(
            f"a paired test needs one score per query on both sides, got {before.shape}, {after.shape}"
        )
    difference = _checked(after - before, level, resamples)
    interval = bootstrap_interval(difference, level=level, resamples=resamples, seed=seed)
    moved = difference[difference != 0]
    return PairedTest(
        difference=interval.estimate,
        low=interval.low,
        high=interval.high,
        level=level,
        p_value=_sign_flip_p(moved, resamples, seed),
        better=int((difference > 0).sum()),
        worse=int((difference < 0).sum()),
        rows=len(difference),
    )


def _sign_flip_p(moved: np.ndarray, resamples: int, seed: int) -> float:
    """Rows without a difference change no flipped sum, so only the moved ones are flipped."""
    if not len(moved):
        return 1.0
    generator = numpy_generator(seed, "sign-flips")
    # Sums of the same numbers in another order differ by rounding; that must not count as "less extreme".
    observed = abs(moved.sum()) - 1e-9 * np.abs(moved).sum()
    extreme = 0
    for count in _blocks(len(moved), resamples):
        signs = 2.0 * generator.integers(0, 2, (count, len(moved)), dtype=np.int8) - 1.0
        extreme += int((np.abs(signs @ moved) >= observed).sum())
    return (1 + extreme) / (1 + resamples)


def _draws(generator: np.random.Generator, num_rows: int, resamples: int) -> Iterator[np.ndarray]:
    for count in _blocks(num_rows, resamples):
        yield generator.integers(0, num_rows, (count, num_rows), dtype=np.int32)


def _blocks(num_rows: int, resamples: int) -> Iterator[int]:
    size = max(1, BLOCK // num_rows)
    for start in range(0, resamples, size):
        yield min(size, resamples - start)


def percentiles(values: np.ndarray, level: float) -> tuple[float, float]:
    """What leaves out (1 - level) / 2 of the values on each side."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _checked(scores: np.ndarray, level: float, resamples: int) -> np.ndarray:
    scores = np.asarray(scores, np.float64)
    if not len(scores):
        raise UsageError("no rows to resample")
    if not np.isfinite(scores).all():
        raise UsageError(f"{int((~np.isfinite(scores)).sum())} of {scores.size} scores are not finite")
    if not 0 < level < 1 or resamples < 1:
        raise UsageError(f"level must be in (0, 1) and resamples positive, got {level} and {resamples}")
    return scores


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1; equal values share the mean of the ranks they cover. NaN anywhere makes every rank NaN."""
    if np.isnan(values).any():
        return np.full(len(values), np.nan)
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: np.ndarray = (last - (counts - 1) / 2)[inverse]
    return ranks


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for their number (Holm 1979): the chance of any false alarm among them stays at the level.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda row: p_values[row])
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, row in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[row]))
        corrected[row] = highest
    return corrected


def in_words(test: TestedDifference, p_value: float | None = None) -> str:
    """What a comparison says: "better", "worse", or "no clear change" where it could be chance.

    Clear is a difference whose interval leaves out zero and whose p-value (corrected, where given) is at most
    1 - level.

    >>> in_words(paired_test(np.zeros(30), np.ones(30))), in_words(paired_test(np.zeros(30), np.zeros(30)))
    ('better', 'no clear change')
    """
    p_value = test.p_value if p_value is None else p_value
    if p_value > 1 - test.level + 1e-12 or test.low <= 0 <= test.high:
        return "no clear change"
    return "better" if test.difference > 0 else "worse"
