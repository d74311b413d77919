"""Judging an encoder without labels, against the one it was trained from, on texts that were held out of training.

Two texts that belong together, u_i and v_i (a title and its text, else the halves of one text), among all others:

    closeness_i = -||u_i - v_i||^2
    spread_i    = -log mean_j exp(-2 ||x_i - x_j||^2)                            over all held-out texts x of both sides
    margin_i    = <u_i, v_i> - (mean_j <u_i, v_j> + mean_j <u_j, v_i>) / 2       how far partners stand out
    topics      = clusteredness of the start, see maths/geometry.py

Contrast pushes texts apart. Where texts are about everything, that helps; where they come in topics, a batch's
negatives are often of the anchor's own topic, and pushing them away harms unless partners stand out more than before:

    gain_i = change of margin_i                     where there are titles, or topics > DIFFUSE
             change of closeness_i + spread_i       else

Its mean is the score: 0 for the start. The verdict asks for more:

    harms     texts in topics, and the margin of halves falls by more than MARGIN; or titles are found worse
    helps     texts about everything, and titles are found better; or by nothing else: without pairs there is no sign
    unclear   else

What that is worth was measured on encoders trained on eight labelled domains: ``contrapose study selection``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from contrapose.evaluate.evidence import MEAN_RESAMPLES, in_words
from contrapose.evaluate.retrieval_pairs import pair_retrieval, reciprocal_rank
from contrapose.evaluate.statistics import PairedTest, paired_test
from contrapose.evaluate.vectors import unit_rows

#: Fitted on the eight domains; a test fits them again from studies/results/selection.jsonl.
DIFFUSE, MARGIN = 0.25, 0.001
#: Uniformity is 0 when all vectors are equal and about -4 when they are evenly spread (minilm on STS-B: -3.8). Above
#: this value cosines hardly tell sentences apart. Some untrained masked language models start above it.
COLLAPSED_UNIFORMITY = -0.5
#: With fewer texts neighbours mean little.
FEWEST_TEXTS = 40
HELPS, UNCLEAR, HARMS = "helps", "no clear change", "harms"

#: Kind of probe ("titles", "halves") -> both sides' vectors (N, D), row by row.
Sides = Mapping[str, tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, eq=False)
class Look:
    """What one encoder shows: of each probe the scores of its rows, and numbers of all texts together."""

    scores: Mapping[str, Mapping[str, np.ndarray]]
    topics: float
    uniformity: float
    effective_rank: float

    @property
    def collapsed(self) -> bool:
        return not self.uniformity <= COLLAPSED_UNIFORMITY

    @property
    def partners(self) -> str:
        """The probe that is scored: titles where there are any."""
        return "titles" if "titles" in self.scores else "halves"


def look(sides: Sides, texts_ND: np.ndarray) -> Look:
    """Look at the vectors of probes and of the held-out texts (N, D) themselves; at least one probe."""
    import torch

    from contrapose.maths.geometry import clusteredness, effective_rank, uniformity

    texts = torch.from_numpy(np.ascontiguousarray(texts_ND, np.float32))
    return Look(
        scores={kind: probe_scores(*pair) for kind, pair in sides.items()},
        topics=float(clusteredness(texts).mean()),
        uniformity=float(uniformity(texts)),
        effective_rank=float(effective_rank(texts)),
    )


def probe_scores(first_ND: np.ndarray, second_ND: np.ndarray) -> dict[str, np.ndarray]:
    """Of each pair (N,): closeness, spread and margin as above, and the reciprocal rank of the partner, both ways.

    >>> scores = probe_scores(np.eye(4), np.eye(4))
    >>> scores["reciprocal_rank"].tolist(), scores["margin"].tolist()
    ([1.0, 1.0, 1.0, 1.0], [0.75, 0.75, 0.75, 0.75])
    """
    from scipy.special import logsumexp

    u_ND, v_ND = unit_rows(first_ND, np.float64), unit_rows(second_ND, np.float64)
    cosine_NN = u_ND @ v_ND.T
    own_N = cosine_NN.diagonal()
    both_ND = np.concatenate([u_ND, v_ND])
    exponent = 4 * (both_ND @ both_ND.T) - 4
    np.fill_diagonal(exponent, -np.inf)
    spread = np.log(len(both_ND) - 1) - logsumexp(exponent, axis=1)
    ranks = [pair_retrieval(first_ND, second_ND), pair_retrieval(second_ND, first_ND)]
    return {
        "closeness": 2 * own_N - 2,
        "spread": (spread[: len(u_ND)] + spread[len(u_ND) :]) / 2,
        "margin": own_N - (cosine_NN.mean(axis=0) + cosine_NN.mean(axis=1)) / 2,
        "reciprocal_rank": (reciprocal_rank(ranks[0]) + reciprocal_rank(ranks[1])) / 2,
    }


def gain(start: Look, now: Look) -> np.ndarray:
    """The expected gain of each row (N,), see above; its mean is the score."""
    before, after = start.scores[start.partners], now.scores[start.partners]
    names = ("margin",) if start.partners == "titles" or start.topics > DIFFUSE else ("closeness", "spread")
    change: np.ndarray = np.sum([after[name] - before[name] for name in names], axis=0)
    return change


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """word: HELPS, UNCLEAR or HARMS; because: the test that decided, ``measured``: what it is of.

    why: the reason where a clear change decides nothing.
    """

    word: str
    measured: str
    because: PairedTest
    why: str = ""


def judge(start: Look, now: Look) -> Judgement | None:
    """The verdict by the rule above; None where ``now`` is collapsed."""
    if now.collapsed:
        return None
    shape = "halves" if "halves" in start.scores else "titles"
    margin, measured = _test(start, now, shape, "margin"), f"margin of {_SIDES[shape]} over others"
    in_topics = start.topics > DIFFUSE
    if in_topics and margin.difference < -MARGIN and in_words(margin) == "worse":
        return Judgement(word=HARMS, measured=measured, because=margin)
    if "titles" not in start.scores:
        why = "" if in_words(margin) == "no clear change" else _NO_SIGN[in_topics]
        return Judgement(word=UNCLEAR, measured=measured, because=margin, why=why)
    ranks, measured = (
        _test(start, now, "titles", "reciprocal_rank"),
        "reciprocal rank of the text for its title",
    )
    if in_words(ranks) == "worse":
        return Judgement(word=HARMS, measured=measured, because=ranks)
    if in_words(ranks) == "better" and not in_topics:
        return Judgement(word=HELPS, measured=measured, because=ranks)
    why = _NO_SIGN[True] if in_words(ranks) == "better" else ""
    return Judgement(word=UNCLEAR, measured=measured, because=ranks, why=why)


#: Whether texts come in topics -> why a clear change of the measure decides nothing.
_NO_SIGN = {
    True: "That is clear, but these texts come in topics, where a rise of it was no sure sign of help",
    False: "That is clear, but these texts are about everything, where it told neither help nor harm",
}
_SIDES = {"halves": "the halves of a text", "titles": "title and text"}


def _test(start: Look, now: Look, kind: str, name: str) -> PairedTest:
    return paired_test(start.scores[kind][name], now.scores[kind][name], resamples=MEAN_RESAMPLES)
