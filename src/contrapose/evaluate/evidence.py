"""The rows behind a number: what is resampled for its interval, and paired when two models are compared.

A mean (accuracy, nDCG, reciprocal rank) is made of one value per row; a rank correlation or an average precision of one
cosine and one gold value per row. Two numbers can be compared where they are of the same rows: then each row is its own
control, and a difference that single scores hide becomes visible.

    interval      rows are resampled; the 2.5% and 97.5% quantiles of the resampled numbers
    difference    the same rows are resampled for both models
    p-value       in each row, a coin decides whether the two models change places; how often is the difference as
                  large as the one found? Cosines are first put on one scale, their ranks: models differ in how far
                  they spread cosines, and changing places must not mix scales.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from contrapose.errors import UsageError
from contrapose.evaluate.metrics import average_precision
from contrapose.evaluate.statistics import (
    Interval,
    PairedTest,
    bootstrap_interval,
    paired_test,
    ranks,
    spearman,
)
from contrapose.seeds import numpy_generator

#: Resamples of a mean (computed all at once) and of anything else (one by one).
MEAN_RESAMPLES, RESAMPLES = 5_000, 500

_STATISTICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "spearman": lambda values, gold: spearman(values, gold),
    "average_precision": lambda values, gold: average_precision(gold, values),
}


@dataclass(frozen=True, eq=False)
class Evidence:
    """kind: "mean", "spearman" or "average_precision"; values_N: per row; gold_N: for all but means."""

    kind: str
    values_N: np.ndarray
    gold_N: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.kind != "mean" and (self.kind not in _STATISTICS or self.gold_N is None):
            raise ValueError(f"evidence of kind {self.kind!r} needs a known statistic and gold values")

    def value(self) -> float:
        """The number x 100.

        >>> Evidence("mean", np.array([0.0, 1.0])).value()
        50.0
        """
        return self._of(self.values_N, self.gold_N)

    def interval(self, *, level: float = 0.95, seed: int = 0) -> Interval:
        """The number x 100 with its bootstrap interval."""
        if self.gold_N is None:
            return bootstrap_interval(100 * self.values_N, level=level, resamples=MEAN_RESAMPLES, seed=seed)
        rows = np.stack([self.values_N, self.gold_N], axis=1)
        return bootstrap_interval(
            rows,
            statistic=lambda drawn: self._defined(drawn[:, 0], drawn[:, 1]),
            level=level,
            resamples=RESAMPLES,
            seed=seed,
        )

    def change_to(self, after: Evidence, *, level: float = 0.95, seed: int = 0) -> PairedTest:
        """From this number to ``after``, of another model on the same rows, x 100.

        Raises :class:`UsageError` where the rows are not the same.
        """
        if self.kind != after.kind or len(self.values_N) != len(after.values_N):
            raise UsageError(
                f"cannot pair {self.kind} over {len(self.values_N)} rows with {after.kind} over {len(after.values_N)}"
            )
        if self.gold_N is None:
            return paired_test(
                100 * self.values_N, 100 * after.values_N, level=level, resamples=MEAN_RESAMPLES, seed=seed
            )
        if after.gold_N is None or not np.array_equal(self.gold_N, after.gold_N):
            raise UsageError("cannot pair two numbers whose gold values differ: they are of other rows")
        return self._paired(after, self.gold_N, level, seed)

    def _paired(self, after: Evidence, gold_N: np.ndarray, level: float, seed: int) -> PairedTest:
        rows = np.stack([self.values_N, after.values_N, gold_N], axis=1)
        interval = bootstrap_interval(
            rows,
            statistic=lambda drawn: (
                self._defined(drawn[:, 1], drawn[:, 2]) - self._defined(drawn[:, 0], drawn[:, 2])
            ),
            level=level,
            resamples=RESAMPLES,
            seed=seed,
        )
        before_N, after_N = ranks(self.values_N), ranks(after.values_N)
        observed = abs(interval.estimate) - 1e-9
        generator = numpy_generator(seed, "change-places")
        extreme = 0
        for _ in range(RESAMPLES):
            swap = generator.random(len(rows)) < 0.5
            first, second = np.where(swap, after_N, before_N), np.where(swap, before_N, after_N)
            extreme += abs(self._of(second, gold_N) - self._of(first, gold_N)) >= observed
        return PairedTest(
            difference=interval.estimate,
            low=interval.low,
            high=interval.high,
            level=level,
            p_value=(1 + extreme) / (1 + RESAMPLES),
            better=0,  # a single pair makes no correlation better or worse
            worse=0,
            rows=len(rows),
        )

    def _of(self, values_N: np.ndarray, gold_N: np.ndarray | None) -> float:
        if gold_N is None:
            return 100 * float(np.mean(values_N))
        return 100 * _STATISTICS[self.kind](values_N, gold_N)

    def _defined(self, values_N: np.ndarray, gold_N: np.ndarray) -> float:
        """A resample of equal rows has no value: it counts as 0, which only widens the interval."""
        return float(np.nan_to_num(self._of(values_N, gold_N)))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for their number (Holm 1979): the chance of any false alarm among them stays at the level.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda row: p_values[row])
    corrected, highest = [0.0] * len(p_values), 0.0
    for place, row in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[row]))
        corrected[row] = highest
    return corrected


def in_words(test: PairedTest, p_value: float | None = None) -> str:
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
