"""Judging an encoder without labels, against the one it was trained from, on texts that were held out of training.

Contrast pushes texts apart. That helps where texts are about everything, and harms where they come in topics: there a
batch's negatives are often of the same topic, and what is pushed apart belongs together. So two things are measured on
held-out texts, before and after, row by row:

    spread_i    -log mean_j exp(-2 ||u_i - u_j||^2)      the row's part of minus the uniformity
    topic_i     how far the neighbours of its neighbours are its neighbours: maths/geometry.py, clusteredness

    gain_i = SPREAD * (spread_i - spread_i of the start)
             + TOPIC * max(0, mean topic of the start - DIFFUSE) * (topic_i - topic_i of the start)

The score is the mean gain: 0 for the start itself, above it where training is expected to help. The three constants
were fitted on encoders trained on eight labelled domains, and judged on domains left out: see
``experiment/reliability.py`` and docs/studies.md, which say how often this is right and where it is not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from contrapose.errors import UsageError
from contrapose.evaluate.evidence import MEAN_RESAMPLES, Evidence
from contrapose.evaluate.retrieval_pairs import pair_retrieval, reciprocal_rank
from contrapose.evaluate.statistics import PairedTest, paired_test

#: Fitted by ``python -m contrapose.experiment.verdicts``; tests compare them with studies/results/selection.jsonl.
SPREAD, TOPIC, DIFFUSE = 1.0, 200.0, 0.24
#: Uniformity is 0 when all vectors are equal and about -4 when they are evenly spread (minilm on STS-B: -3.8). Above
#: this value cosines hardly tell sentences apart. Some untrained masked language models start above it.
COLLAPSED_UNIFORMITY = -0.5
#: A gain below the first is harm, above the second help; between them it is not clear.
HARMS_BELOW, HELPS_ABOVE = -0.02, 0.02
#: What the verdict is worth: right, of how many, on domains left out (tests compare with the results file).
RIGHT, JUDGED = 0, 0
#: With fewer texts neighbours mean little.
FEWEST_TEXTS = 40


@dataclass(frozen=True, eq=False)
class Look:
    """What one encoder shows on the texts: spread and topic of each row (M,), and numbers of the whole."""

    spread_M: np.ndarray
    topic_M: np.ndarray
    uniformity: float
    effective_rank: float

    @property
    def collapsed(self) -> bool:
        return not self.uniformity <= COLLAPSED_UNIFORMITY


def look(x_ND: np.ndarray) -> Look:
    """Look at the vectors (N, D) of N different texts.

    Raises :class:`UsageError` for fewer than :data:`FEWEST_TEXTS`.

    >>> bool(look(np.ones((80, 4))).collapsed)
    True
    """
    import torch

    from contrapose.maths.geometry import clusteredness, effective_rank, uniformity
    from contrapose.maths.similarity import unit

    if x_ND.ndim != 2 or len(x_ND) < FEWEST_TEXTS:
        raise UsageError(f"judging without labels takes {FEWEST_TEXTS} texts or more, got {x_ND.shape}")
    u_ND = unit(torch.from_numpy(np.ascontiguousarray(x_ND, np.float32)))
    topic_M = clusteredness(u_ND)
    exponent_NN = (4 * (u_ND @ u_ND.T) - 4).fill_diagonal_(-torch.inf)
    spread_N = np.log(len(u_ND) - 1) - exponent_NN.logsumexp(dim=1)
    return Look(
        spread_M=spread_N[: len(topic_M)].double().numpy(),
        topic_M=topic_M.double().numpy(),
        uniformity=float(uniformity(u_ND)),
        effective_rank=float(effective_rank(u_ND)),
    )


def gain(start: Look, now: Look) -> Evidence | None:
    """The expected gain of each row, as evidence for its mean; None where ``now`` is collapsed.

    Raises :class:`UsageError` where the two were not looked at on the same texts.
    """
    if len(start.topic_M) != len(now.topic_M):
        raise UsageError(f"{len(start.topic_M)} rows of the start against {len(now.topic_M)}")
    if now.collapsed:
        return None
    clustered = max(0.0, float(start.topic_M.mean()) - DIFFUSE)
    spread_M, topic_M = now.spread_M - start.spread_M, now.topic_M - start.topic_M
    return Evidence("mean", SPREAD * spread_M + TOPIC * clustered * topic_M)


def gain_test(start: Look, now: Look) -> PairedTest | None:
    """The mean gain with its interval and p-value, in the score's unit; None where ``now`` is collapsed."""
    expected = gain(start, now)
    if expected is None:
        return None
    zeros = np.zeros(len(expected.values_N))
    return paired_test(zeros, expected.values_N, resamples=MEAN_RESAMPLES)


def together(first_ND: np.ndarray, second_ND: np.ndarray) -> dict[str, float]:
    """How texts that belong together lie, for people to look at: alignment, mean reciprocal rank of the partner.

    Row i of both belongs together; two halves of one text, or two columns. These rank checkpoints badly by themselves.
    """
    import torch

    from contrapose.maths.geometry import alignment

    first_ND, second_ND = (
        np.ascontiguousarray(first_ND, np.float32),
        np.ascontiguousarray(second_ND, np.float32),
    )
    ranks = np.concatenate([pair_retrieval(first_ND, second_ND), pair_retrieval(second_ND, first_ND)])
    return {
        "alignment": float(alignment(torch.from_numpy(first_ND), torch.from_numpy(second_ND))),
        "retrieval_mrr": float(reciprocal_rank(ranks).mean()),
    }
