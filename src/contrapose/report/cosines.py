"""Cosines of pairs that belong together, of random pairs, and of each row with the nearest one that is not its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from contrapose.report.neighbours import numbered
from contrapose.report.record import Histogram
from contrapose.seeds import numpy_generator

POSITIVES, RANDOM, HARDEST = "positives", "random negatives", "hardest negatives"
BINS = 40


def cosines_of(
    first_ND: np.ndarray, second_ND: np.ndarray, keys: Sequence[str], *, true_pairs: bool
) -> dict[str, np.ndarray]:
    """Kind -> cosines. Row i of both belongs together; rows with equal ``keys`` are never each other's negatives.

    true_pairs: False where ``second_ND`` is only a copy of ``first_ND``: then there are no positives to speak of.

    >>> eye = np.eye(3)
    >>> {kind: found.tolist() for kind, found in cosines_of(eye, eye, ["a", "b", "c"], true_pairs=True).items()}
    {'positives': [1.0, 1.0, 1.0], 'random negatives': [0.0, 0.0, 0.0], 'hardest negatives': [0.0, 0.0, 0.0]}
    """
    cosine_NN = first_ND @ second_ND.T
    found = {POSITIVES: np.diag(cosine_NN).copy()} if true_pairs else {}
    numbers = numbered(keys)
    other_NN = numbers[:, None] != numbers[None, :]
    masked_NN = np.where(other_NN, cosine_NN, -np.inf)
    hardest_N = masked_NN.max(axis=1)
    partner_N = numpy_generator(0, "random-negatives").permutation(len(keys))
    drawn = other_NN[np.arange(len(keys)), partner_N]
    found[RANDOM] = cosine_NN[np.arange(len(keys)), partner_N][drawn]
    found[HARDEST] = hardest_N[np.isfinite(hardest_N)]
    return {kind: values for kind, values in found.items() if len(values)}


def bin_edges(tables: Sequence[dict[str, np.ndarray]]) -> tuple[float, ...]:
    """Edges that hold every cosine of all tables, so that the pictures before and after have one axis."""
    lowest = min((float(values.min()) for table in tables for values in table.values()), default=0.0)
    low = max(-1.0, np.floor(lowest * 10) / 10)
    return tuple(float(edge) for edge in np.linspace(min(low, 0.9), 1.0, BINS + 1))


def histograms(table: dict[str, np.ndarray], edges: Sequence[float]) -> tuple[Histogram, ...]:
    """Shares per bin; rounding just outside the edges counts in the outermost bin."""
    return tuple(
        Histogram(
            kind=kind,
            shares=tuple(
                float(share)
                for share in np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] / len(values)
            ),
            median=float(np.median(values)),
            pairs=len(values),
        )
        for kind, values in table.items()
    )
