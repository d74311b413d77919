"""Differences between what was measured, on the same test rows, with their p-values corrected for all that are shown.

seeds on their own    two methods, however many seeds each has (evaluate/over_seeds.py)
equal seeds           the seeds that both have, one by one; how far such differences scatter is learned from all
                      differences to the baseline (evaluate/seed_noise.py)
p, corrected          Holm: on the main column over all pairs; on the other columns over all pairs and columns
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from contrapose.evaluate.over_seeds import MethodChange, compare_methods
from contrapose.evaluate.per_example import PerExampleScores
from contrapose.evaluate.seed_noise import SharedNoise, shared_noise
from contrapose.evaluate.statistics import holm, in_words

LEVEL = 0.95
#: Seed (None: the start, which has none) -> the per-example scores of one task, or of several whose mean is compared.
Seeds = Mapping[int | None, Sequence[PerExampleScores]]
#: What is compared, and what it is compared with.
Pair = tuple[str, str]


@dataclass(frozen=True)
class Difference:
    """A difference, with its p-value corrected for all that are shown beside it."""

    change: MethodChange
    p_corrected: float

    @property
    def words(self) -> str:
        return in_words(self.change, self.p_corrected)


def differences(
    scores: Mapping[str, Mapping[str, Seeds]],
    pairs: Mapping[str, Iterable[Pair]],
    main: str,
    *,
    paired_seeds: bool,
) -> dict[Pair, dict[str, Difference]]:
    """Pair -> column -> difference. scores: column -> name -> its seeds; pairs: column -> those compared there.

    Pairs without scores, and with ``paired_seeds`` those without a common seed, are left out.
    """  # fmt: skip
    changes: dict[tuple[str, Pair], MethodChange] = {}
    for column, wanted in pairs.items():
        of_column = scores[column]
        known = [pair for pair in wanted if all(of_column.get(name) for name in pair)]
        compared = _equal_seeds(of_column, known) if paired_seeds else _all_seeds(of_column, known)
        changes |= {(column, pair): change for pair, change in compared.items()}
    found: dict[Pair, dict[str, Difference]] = {}
    for family in ([key for key in changes if key[0] == main], [key for key in changes if key[0] != main]):
        for key, corrected in zip(family, holm([changes[key].p_value for key in family]), strict=True):
            found.setdefault(key[1], {})[key[0]] = Difference(changes[key], corrected)
    return found


def _all_seeds(scores: Mapping[str, Seeds], pairs: Sequence[Pair]) -> dict[Pair, MethodChange]:
    return {
        (name, beside): compare_methods(
            list(scores[beside].values()), list(scores[name].values()), level=LEVEL
        )
        for name, beside in pairs
    }


def _equal_seeds(scores: Mapping[str, Seeds], pairs: Sequence[Pair]) -> dict[Pair, MethodChange]:
    """Seeds that both have: a run that diverged leaves its seed out, and moves no other."""
    common = {
        (name, beside): seeds
        for name, beside in pairs
        if (seeds := [seed for seed in scores[beside] if seed in scores[name]])
    }
    noise = _noise(scores, common)
    return {
        (name, beside): compare_methods(
            [scores[beside][seed] for seed in seeds],
            [scores[name][seed] for seed in seeds],
            level=LEVEL,
            paired_seeds=True,
            noise=noise,
        )
        for (name, beside), seeds in common.items()
    }


def _noise(scores: Mapping[str, Seeds], common: Mapping[Pair, Sequence[int | None]]) -> SharedNoise | None:
    """Of the first pair's baseline: pairs of other methods are made of the same runs, and tell nothing more."""
    baseline = next((beside for _, beside in common), None)
    return shared_noise(
        [value_of(scores[name][seed]) - value_of(scores[beside][seed]) for seed in seeds]
        for (name, beside), seeds in common.items()
        if beside == baseline
    )


def value_of(tasks: Sequence[PerExampleScores]) -> float:
    """The mean over the tasks of one seed."""
    return float(np.mean([task.value() for task in tasks]))
