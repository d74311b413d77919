"""Cosines of pairs that belong together, of random pairs, and of each row with the nearest one that is not its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from contrapose.maths.nearest import nearest
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
    >>> {kind: cosines.tolist() for kind, cosines in cosines_of(eye, eye, ["a", "b", "c"], true_pairs=True).items()}
    {'positives': [1.0, 1.0, 1.0], 'random negatives': [0.0, 0.0, 0.0], 'hardest negatives': [0.0, 0.0, 0.0]}
    """
    known = {POSITIVES: (first_ND * second_ND).sum(axis=1)} if true_pairs else {}
    key_N = numbered(keys)
    partner_N = numpy_generator(0, "random-negatives").permutation(len(keys))
    random_N = (first_ND * second_ND[partner_N]).sum(axis=1)
    known[RANDOM] = random_N[key_N != key_N[partner_N]]
    hardest_N = nearest(first_ND, second_ND, 1, query_keys_Q=key_N, row_keys_N=key_N).scores_QK[:, 0]
    known[HARDEST] = hardest_N[np.isfinite(hardest_N)]
    return {kind: values for kind, values in known.items() if len(values)}


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
