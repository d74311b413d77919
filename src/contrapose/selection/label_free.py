"""Judging an encoder without labels, against the one it was trained from, on texts that were held out of training.

Two texts that belong together, u_i and v_i (a title and its text, else the halves of one text), among all others:

    closeness_i = -||u_i - v_i||^2
    spread_i    = -log mean_j exp(-2 ||x_i - x_j||^2)                            over all held-out texts x of both sides
    margin_i    = <u_i, v_i> - (mean_j <u_i, v_j> + mean_j <u_j, v_i>) / 2       how far partners stand out
    topics      = neighbour_overlap of the pretrained model, see maths/geometry.py

Contrast pushes texts apart. Where texts are about everything, that helps; where they come in topics, a batch's
negatives are often of the anchor's own topic, and pushing them away harms unless partners stand out more than before:

    gain_i = change of margin_i                     where there are titles, or topics > DIFFUSE
             change of closeness_i + spread_i       else

Its mean is the score: 0 for the pretrained model. The verdict asks for more:

    harms     texts in topics, and the margin of halves falls by more than MARGIN; or titles are found worse
    helps     texts about everything, and titles are found better; or by nothing else: without pairs there is no sign
    unclear   else

What that is worth was measured on encoders trained on eight labelled domains: ``python -m studies selection``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from contrapose.evaluate.per_example import MEAN_RESAMPLES
from contrapose.evaluate.retrieval_pairs import pair_retrieval, reciprocal_rank
from contrapose.evaluate.statistics import PairedTest, in_words, paired_test
from contrapose.evaluate.vectors import unit_rows

#: Fitted on the eight domains; a test fits them again from studies/results/selection.jsonl.
DIFFUSE, MARGIN = 0.25, 0.001
#: Uniformity is 0 when all vectors are equal and about -4 when they are evenly spread (minilm on STS-B: -3.8). Above
#: this value cosines hardly tell sentences apart. Some untrained masked language models begin above it.
COLLAPSED_UNIFORMITY = -0.5
#: With fewer texts neighbours mean little.
FEWEST_TEXTS = 40
HELPS, UNCLEAR, HARMS = "helps", "no clear change", "harms"

#: Kind of probe ("titles", "halves") -> both sides' vectors (N, D), row by row.
Sides = Mapping[str, tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, eq=False)
class LabelFreeStatistics:
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


def label_free_statistics(sides: Sides, texts_ND: np.ndarray) -> LabelFreeStatistics:
    """Statistics of the vectors of probes and of the held-out texts (N, D) themselves; at least one probe."""
    import torch

    from contrapose.maths.geometry import effective_rank, neighbour_overlap, uniformity

    texts = torch.from_numpy(np.ascontiguousarray(texts_ND, np.float32))
    return LabelFreeStatistics(
        scores={kind: probe_scores(*pair) for kind, pair in sides.items()},
        topics=float(neighbour_overlap(texts).mean()),
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


def gain(pretrained: LabelFreeStatistics, now: LabelFreeStatistics) -> np.ndarray:
    """The expected gain of each row (N,), see above; its mean is the score."""
    before, after = pretrained.scores[pretrained.partners], now.scores[pretrained.partners]
    change: np.ndarray = np.sum([after[name] - before[name] for name in _counted(pretrained)], axis=0)
    return change


def level(pretrained: LabelFreeStatistics, now: LabelFreeStatistics) -> np.ndarray:
    """What :func:`gain` is the change of (N,): so that two models that began with one can be compared row by row."""
    scores = now.scores[pretrained.partners]
    whole: np.ndarray = np.sum([scores[name] for name in _counted(pretrained)], axis=0)
    return whole


def _counted(pretrained: LabelFreeStatistics) -> tuple[str, ...]:
    in_topics = pretrained.partners == "titles" or pretrained.topics > DIFFUSE
    return ("margin",) if in_topics else ("closeness", "spread")


@dataclass(frozen=True)
class Measure:
    """What a test is of, and what it means in plain words where it clearly rose, or fell, from the pretrained model."""

    name: str
    rose: str
    fell: str


#: (probe, score of its rows) -> the measure that decides.
MEASURES: Mapping[tuple[str, str], Measure] = {
    ("halves", "margin"): Measure(
        "margin of the halves of a text over others",
        "the two halves of a text stand out more among other texts than before",
        "the two halves of a text stand out less among other texts than before",
    ),
    ("titles", "margin"): Measure(
        "margin of title and text over others",
        "a title and its text stand out more among other texts than before",
        "a title and its text stand out less among other texts than before",
    ),
    ("titles", "reciprocal_rank"): Measure(
        "reciprocal rank of the text for its title",
        "titles find their texts better than before",
        "titles find their texts less well than before",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """word: HELPS, UNCLEAR or HARMS; because: the test that decided, ``measure``: what it is of.

    why: the reason where a clear change decides nothing; it continues the words of the measure after "but".
    """

    word: str
    measure: Measure
    because: PairedTest
    why: str = ""


def judge(pretrained: LabelFreeStatistics, now: LabelFreeStatistics) -> Judgement | None:
    """The verdict by the rule above; None where ``now`` is collapsed."""
    if now.collapsed:
        return None
    shape = "halves" if "halves" in pretrained.scores else "titles"
    in_topics = pretrained.topics > DIFFUSE
    margin = _test(pretrained, now, shape, "margin")
    if in_topics and margin.difference < -MARGIN and in_words(margin) == "worse":
        return Judgement(word=HARMS, measure=MEASURES[shape, "margin"], because=margin)
    if "titles" not in pretrained.scores:
        why = _no_sign(in_words(margin), in_topics=in_topics)
        return Judgement(word=UNCLEAR, measure=MEASURES["halves", "margin"], because=margin, why=why)
    ranks, measure = (
        _test(pretrained, now, "titles", "reciprocal_rank"),
        MEASURES["titles", "reciprocal_rank"],
    )
    change = in_words(ranks)
    if change == "worse":
        return Judgement(word=HARMS, measure=measure, because=ranks)
    if change == "better" and not in_topics:
        return Judgement(word=HELPS, measure=measure, because=ranks)
    return Judgement(word=UNCLEAR, measure=measure, because=ranks, why=_no_sign(change, in_topics=in_topics))


def _no_sign(change: str, *, in_topics: bool) -> str:
    """Why a change that is clear decides nothing; "" for one that is not clear.

    >>> _no_sign("worse", in_topics=False)
    'these texts are about everything, where such a fall told neither help nor harm'
    """
    if change == "no clear change":
        return ""
    if not in_topics:
        moved = "rise" if change == "better" else "fall"
        return f"these texts are about everything, where such a {moved} told neither help nor harm"
    if change == "better":
        return "these texts come in topics, where such a rise was no sure sign of help"
    return f"by no more than {MARGIN:g}, and so small a fall was no sure sign of harm"


def _test(pretrained: LabelFreeStatistics, now: LabelFreeStatistics, kind: str, name: str) -> PairedTest:
    return paired_test(pretrained.scores[kind][name], now.scores[kind][name], resamples=MEAN_RESAMPLES)
