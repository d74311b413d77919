"""Per-example scores: what is resampled for the interval of a number, and paired when two models are compared.

A mean (accuracy, nDCG, reciprocal rank) is made of one value per row; a rank correlation or an average precision of one
cosine and one gold value per row. A number may be the mean over parts (protocol "senteval-mean"): then rows are
resampled within their part. Two numbers can be compared where they are of the same rows: then each row is its own
control, and a difference that single scores hide becomes visible.

    interval      rows are resampled; the 2.5% and 97.5% quantiles of the resampled numbers
    difference    the same rows are resampled for both models
    p-value       in each row, a coin decides whether the two models change places; how often is the difference as
                  large as the one found? Cosines are first put on one scale, their ranks: models differ in how far
                  they spread cosines, and changing places must not mix scales.

Over several seeds: :mod:`contrapose.evaluate.over_seeds`. In files and in the ledger they are arrays called
"task|metric|values", "...|gold" and "...|parts"; :meth:`PerExampleScores.to_arrays` and
:meth:`PerExampleScores.from_arrays` are the only ones who know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from contrapose.errors import UsageError
from contrapose.evaluate.metrics import average_precision
from contrapose.evaluate.statistics import (
    Interval,
    PairedTest,
    paired_test,
    percentiles,
    ranks,
    resampled,
    spearman,
)
from contrapose.seeds import derive, numpy_generator

#: Resamples of a mean (computed all at once) and of anything else (one by one).
MEAN_RESAMPLES, RESAMPLES = 5_000, 500

_ARRAYS = ("values", "gold", "parts")
_STATISTICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "spearman": lambda values, gold: spearman(values, gold),
    "average_precision": lambda values, gold: average_precision(gold, values),
}


@dataclass(frozen=True, eq=False)
class PerExampleScores:
    """kind: "mean", "spearman" or "average_precision"; values_N: per row; gold_N: for all but means.

    parts_N: the part of each row where the number is the unweighted mean over parts.
    """

    kind: str
    values_N: np.ndarray
    gold_N: np.ndarray | None = None
    parts_N: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.kind != "mean" and (self.kind not in _STATISTICS or self.gold_N is None):
            raise ValueError(f"scores of kind {self.kind!r} need a known statistic and gold values")

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, np.ndarray], task: str, metric: str, statistic: str | None = None
    ) -> Self | None:
        """The scores of a task and metric, or None where there are none; statistic: where the metric is not its name.

        >>> scores = PerExampleScores("mean", np.array([0.0, 1.0]))
        >>> PerExampleScores.from_arrays(scores.to_arrays("TREC", "accuracy"), "TREC", "accuracy").value()
        50.0
        """
        values_N, gold_N, parts_N = (arrays.get(f"{task}|{metric}|{name}") for name in _ARRAYS)
        if values_N is None:
            return None
        return cls("mean" if gold_N is None else statistic or metric, values_N, gold_N, parts_N)

    def to_arrays(self, task: str, metric: str) -> dict[str, np.ndarray]:
        """As they are kept: name -> array, of those that there are."""
        arrays = zip(_ARRAYS, (self.values_N, self.gold_N, self.parts_N), strict=True)
        return {f"{task}|{metric}|{name}": array for name, array in arrays if array is not None}

    def __len__(self) -> int:
        return len(self.values_N)

    def value(self) -> float:
        """The number x 100.

        >>> PerExampleScores("mean", np.array([0.0, 1.0])).value()
        50.0
        """
        return float(np.mean([100 * part._statistic() for part in self.by_part()]))

    def by_part(self) -> list[PerExampleScores]:
        """Itself, or those of each part."""
        if self.parts_N is None:
            return [self]
        gold_N = self.gold_N
        return [
            PerExampleScores(self.kind, self.values_N[rows], None if gold_N is None else gold_N[rows])
            for part in np.unique(self.parts_N)
            for rows in [self.parts_N == part]
        ]

    @property
    def resamples(self) -> int:
        """How often this kind of number is resampled by default."""
        return MEAN_RESAMPLES if self.gold_N is None else RESAMPLES

    def resampled(self, *, resamples: int | None = None, seed: int = 0) -> np.ndarray:
        """The number x 100 of each resample; models with the same rows and seed get the same draws."""
        resamples = resamples or self.resamples
        if self.parts_N is not None:
            parts = [
                part.resampled(resamples=resamples, seed=derive(seed, "part", number))
                for number, part in enumerate(self.by_part())
            ]
            mean: np.ndarray = np.mean(parts, axis=0)
            return mean
        if self.gold_N is None:
            return resampled(100 * self.values_N, resamples=resamples, seed=seed)
        rows = np.stack([self.values_N, self.gold_N], axis=1)
        return resampled(
            rows,
            # A resample of equal rows has no value: it counts as 0, which only widens the interval.
            statistic=lambda drawn: float(
                100 * np.nan_to_num(_STATISTICS[self.kind](drawn[:, 0], drawn[:, 1]))
            ),
            resamples=resamples,
            seed=seed,
        )

    def interval(self, *, level: float = 0.95, seed: int = 0) -> Interval:
        """The number x 100 with its bootstrap interval."""
        low, high = percentiles(self.resampled(seed=seed), level)
        return Interval(estimate=self.value(), low=low, high=high, level=level, rows=len(self))

    def check_pairs_with(self, other: PerExampleScores) -> None:
        """Raise :class:`UsageError` unless ``other`` is the same kind of number over the same rows."""
        if self.kind != other.kind or len(self) != len(other):
            raise UsageError(
                f"cannot pair {self.kind} over {len(self)} rows with {other.kind} over {len(other)}"
            )
        for name, mine, others in (
            ("gold values", self.gold_N, other.gold_N),
            ("parts", self.parts_N, other.parts_N),
        ):
            if not _same(mine, others):
                raise UsageError(f"cannot pair two numbers whose {name} differ: they are of other rows")

    def change_to(self, after: PerExampleScores, *, level: float = 0.95, seed: int = 0) -> PairedTest:
        """From this number to ``after``, of another model on the same rows, x 100.

        Raises :class:`UsageError` where the rows are not the same.
        """
        self.check_pairs_with(after)
        if self.gold_N is None and self.parts_N is None:
            return paired_test(
                100 * self.values_N, 100 * after.values_N, level=level, resamples=MEAN_RESAMPLES, seed=seed
            )
        low, high = percentiles(after.resampled(seed=seed) - self.resampled(seed=seed), level)
        difference = after.value() - self.value()
        return PairedTest(
            difference=difference,
            low=low,
            high=high,
            level=level,
            p_value=self._p_of_changed_places(after, difference, seed),
            better=0,  # a single pair makes no correlation better or worse
            worse=0,
            rows=len(self),
        )

    def _p_of_changed_places(self, after: PerExampleScores, difference: float, seed: int) -> float:
        before, after = self._ranked(), after._ranked()
        generator = numpy_generator(seed, "change-places")
        extreme = 0
        for _ in range(RESAMPLES):
            swap = generator.random(len(self)) < 0.5
            first, second = (
                PerExampleScores(self.kind, np.where(swap, a.values_N, b.values_N), self.gold_N, self.parts_N)
                for a, b in ((after, before), (before, after))
            )
            extreme += abs(second.value() - first.value()) >= abs(difference) - 1e-9
        return (1 + extreme) / (1 + RESAMPLES)

    def _ranked(self) -> PerExampleScores:
        """The same with the ranks of the values, in each part; a mean keeps its values."""
        if self.gold_N is None:
            return self
        values_N = np.empty(len(self))
        parts_N = np.zeros(len(self), np.int64) if self.parts_N is None else self.parts_N
        for part in np.unique(parts_N):
            values_N[parts_N == part] = ranks(self.values_N[parts_N == part])
        return PerExampleScores(self.kind, values_N, self.gold_N, self.parts_N)

    def _statistic(self) -> float:
        if self.gold_N is None:
            return float(np.mean(self.values_N))
        return _STATISTICS[self.kind](self.values_N, self.gold_N)


def mean_resampled(
    parts: Sequence[PerExampleScores], *, resamples: int | None = None, seed: int = 0
) -> np.ndarray:
    """Resamples of the mean of several numbers, each of which draws its own rows."""
    resamples = resamples or min(part.resamples for part in parts)
    drawn = [
        part.resampled(resamples=resamples, seed=derive(seed, "task", number))
        for number, part in enumerate(parts)
    ]
    mean: np.ndarray = np.mean(drawn, axis=0)
    return mean


def _same(first: np.ndarray | None, second: np.ndarray | None) -> bool:
    if first is None or second is None:
        return first is second
    return bool(np.array_equal(first, second))
