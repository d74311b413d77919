"""Proof without labels: questions that the held-out text answers by itself (questions.py), asked before and after, row
by row.

Each gives one score per row, so that a paired bootstrap says whether a change could be chance. Where a text is asked
for, the score is the log-likelihood of the right one,

    l_q = log softmax_j( cos(q, text_j) / t )  at the right j,     t: where the mean of l is largest

and its mean over the questions for a row. It uses what ranks leave out, such as by how much the right text is first,
and no scale of all cosines changes it (temperature scaling: Guo et al. 2017, https://arxiv.org/abs/1706.04599). On
held-out text of SciFact it told what helped from what harmed at two to three times the standard errors that reciprocal
ranks did; those are what a person is shown.

Neighbours among general sentences are measured beside: what a domain teaches must not cost everything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from contrapose.adapt.general import GENERAL_SENTENCES
from contrapose.adapt.questions import NEIGHBOURS, SHAPE, Question
from contrapose.evaluate.encoding import Encodings, encode_once
from contrapose.evaluate.per_example import MEAN_RESAMPLES
from contrapose.evaluate.probes import FEWEST_PAIRS
from contrapose.evaluate.retrieval_pairs import reciprocal_rank
from contrapose.evaluate.vectors import unit_rows
from contrapose.lexical.bm25 import Bm25Index
from contrapose.lexical.hybrid import hybrid_scores
from contrapose.maths.nearest import nearest
from contrapose.seeds import numpy_generator

if TYPE_CHECKING:
    from contrapose.encoder.encoder import Encoder
    from contrapose.listening import Listener

#: Neighbours of a text, here and among general sentences.
NEAREST = 10
#: Halves of one text that find each other less well than this (mean reciprocal rank among so many texts, however many
#: are held out) are about different things: then how near they lie proves nothing.
LEAST_FOUND, AMONG = 0.55, FEWEST_PAIRS
#: Temperatures that are tried, in standard deviations of the scores. The last is there for an encoder that cannot tell:
#: all columns are as likely then, and none is worse than that.
TEMPERATURES = np.append(np.geomspace(0.02, 2.0, 17), 1e4)
SMALLEST_SPREAD = 1e-9
#: The least share of ten nearest general sentences that must stay.
LEAST_OVERLAP = 0.8


@dataclass(frozen=True)
class Measured:
    """Of one encoder: question -> a score per row, alone and in a hybrid search; its general neighbours (G, 10); of the
    question of shape how well halves find each other; and question -> what a person is shown, alone and in a hybrid
    search."""

    scores: Mapping[str, np.ndarray]
    hybrid: Mapping[str, np.ndarray]
    neighbours: np.ndarray
    halves_found: float | None = None
    shown: Mapping[str, float] = field(default_factory=dict)
    shown_hybrid: Mapping[str, float] = field(default_factory=dict)


class Proof:
    """The questions, and looks at encoders by them."""

    def __init__(self, questions: Sequence[Question], precision: str, listener: Listener) -> None:
        self.questions, self.precision, self.listener = tuple(questions), precision, listener
        self._bm25 = {q.key: Bm25Index(q.second).scores(q.first) for q in questions if q.ranks}

    @property
    def texts(self) -> list[str]:
        """All that is encoded at a look, each once."""
        sides = [text for q in self.questions for text in (*q.first, *q.second, *q.whole)]
        return list(dict.fromkeys([*GENERAL_SENTENCES, *sides]))

    def measure(self, encoder: Encoder) -> Measured:
        """One look at an encoder."""
        with encoder.in_mode(training=False):
            vectors = encode_once(encoder, self.texts, precision=self.precision, progress=self.listener)
        scores, hybrid, shown, shown_hybrid = {}, {}, {}, {}
        for question in self.questions:
            key = question.key
            if not question.ranks:
                scores[key] = _scores(question, vectors)
                shown[key] = float(scores[key].mean())
                continue
            cosines_QN = _cosines(vectors, question)
            scores[key], shown[key] = _ranked(question, cosines_QN)
            hybrid[key], shown_hybrid[key] = _ranked(question, hybrid_scores(cosines_QN, self._bm25[key]))
        general_GD = unit_rows(vectors.of(GENERAL_SENTENCES), np.float64)
        shapes = [_cosines(vectors, question) for question in self.questions if question.name == SHAPE]
        found = [
            float(found_among(_ranks(table, np.arange(len(table))), len(table)).mean()) for table in shapes
        ]
        return Measured(
            scores, hybrid, _nearest(general_GD, general_GD), found[0] if found else None, shown, shown_hybrid
        )

    def of_general_sentences(self) -> Proof:
        """What asks for the general neighbours alone."""
        return Proof([], self.precision, self.listener)

    def without(self, name: str) -> Proof:
        """The same without a question."""
        return Proof([q for q in self.questions if q.name != name], self.precision, self.listener)


@dataclass(frozen=True, kw_only=True)
class Change:
    """From the start to an encoder on a question: the mean over rows, and its 95% interval for all encoders at once."""

    difference: float
    low: float
    high: float
    rows: int


def changes(before: Measured, after: Sequence[Measured], key: str) -> list[Change]:
    """From one encoder to each of several that were looked at on the same rows.

        low, high = mean -+ c * se
        c         = 95% quantile, over resamples of the rows, of  max |mean* - mean| / se  over the encoders of its step

    The best of several is chosen by these very rows, so that what one of them alone says would be luck. The encoders
    are tried from the surest change on, the first beside all others; what is clear there is no chance, and the next is
    tried beside those that are left. So a clear harm by one signal does not hide the gain by another, and all that is
    said to be clear is so at once with 95% (Westfall and Young 1993, step-down maxT).
    """
    moved_ON = np.stack([now.scores[key] - before.scores[key] for now in after])
    mean_O, rows = moved_ON.mean(axis=1), moved_ON.shape[1]
    se_O = np.maximum(moved_ON.std(axis=1, ddof=1) / np.sqrt(rows), 1e-12)
    drawn_RN = numpy_generator(0, "changes").multinomial(rows, np.full(rows, 1 / rows), size=MEAN_RESAMPLES)
    apart_OR = np.abs(moved_ON @ drawn_RN.T / rows - mean_O[:, None]) / se_O[:, None]
    sure_O = np.abs(mean_O) / se_O
    order = np.argsort(-sure_O, kind="stable")
    c_O, clear = np.zeros(len(after)), True
    for step, option in enumerate(order):
        if clear:
            c = float(np.quantile(apart_OR[order[step:]].max(axis=0), 0.95))
        clear = clear and bool(sure_O[option] > c)
        c_O[option] = c
    return [
        Change(difference=float(mean), low=float(mean - c * se), high=float(mean + c * se), rows=rows)
        for mean, se, c in zip(mean_O, se_O, c_O, strict=True)
    ]


def overlap(before: Measured, after: Measured) -> float:
    """The share of ten nearest general sentences that are the same."""
    return float(_shared(before.neighbours, after.neighbours).mean())


def _scores(question: Question, vectors: Encodings) -> np.ndarray:
    """Of a question that does not rank."""
    if question.name == NEIGHBOURS:
        first, second, whole = (
            unit_rows(vectors.of(side), np.float64)
            for side in (question.first, question.second, question.whole)
        )
        own_NK = _nearest(whole, whole)
        of_halves = [_shared(own_NK, _nearest(half, whole)) for half in (first, second)]
        shared: np.ndarray = (of_halves[0] + of_halves[1]) / 2
        return shared
    from contrapose.selection.label_free import probe_scores

    scores = probe_scores(vectors.of(question.first), vectors.of(question.second))
    shape: np.ndarray = scores["closeness"] + scores["spread"]
    return shape


def _nearest(queries_ND: np.ndarray, texts_ND: np.ndarray) -> np.ndarray:
    """(N, 10): the nearest texts of each query; query i is of text i, which does not count."""
    own_N = np.arange(len(texts_ND))
    near = nearest(queries_ND, texts_ND, NEAREST, query_keys_Q=own_N, row_keys_N=own_N)
    rows_NK: np.ndarray = near.rows_QK
    return rows_NK


def _shared(one_NK: np.ndarray, other_NK: np.ndarray) -> np.ndarray:
    """(N,): the share of each row that is in the other's row."""
    share_N: np.ndarray = (one_NK[:, :, None] == other_NK[:, None, :]).any(2).mean(1)
    return share_N


def _cosines(vectors: Encodings, question: Question) -> np.ndarray:
    first, second = (unit_rows(vectors.of(side), np.float64) for side in (question.first, question.second))
    cosines_QN: np.ndarray = first @ second.T
    return cosines_QN


def _ranked(question: Question, scores_QN: np.ndarray) -> tuple[np.ndarray, float]:
    """Of each row that is asked for the mean log-likelihood over the questions for it; and the mean reciprocal rank."""
    asked_Q = np.array(question.rows_asked)
    _, row_of_Q, number_R = np.unique(asked_Q, return_inverse=True, return_counts=True)
    likely_R: np.ndarray = np.bincount(row_of_Q, weights=log_likelihood(scores_QN, asked_Q)) / number_R
    return likely_R, float((np.bincount(row_of_Q, weights=_found(scores_QN, asked_Q)) / number_R).mean())


def log_likelihood(scores_QN: np.ndarray, asked_Q: np.ndarray) -> np.ndarray:
    """(Q,) of the column that each row asks for, by a softmax over the columns at the best temperature of a grid.

    >>> log_likelihood(np.ones((2, 4)), np.array([0, 1])).round(4).tolist()         # log 1/4: no column is better
    [-1.3863, -1.3863]
    >>> log_likelihood(np.array([[1.0, 0.0]]), np.array([1])).round(3).tolist()     # as if it knew nothing
    [-0.693]
    """
    spread = max(float(scores_QN.std()), SMALLEST_SPREAD)
    below_QN = scores_QN - scores_QN.max(axis=1, keepdims=True)
    own_Q = below_QN[np.arange(len(asked_Q)), asked_Q]
    likelihoods = (
        own_Q / temperature - np.log(np.exp(below_QN / temperature).sum(axis=1))
        for temperature in TEMPERATURES * spread
    )
    best_Q: np.ndarray = max(likelihoods, key=lambda each_Q: float(each_Q.mean()))
    return best_Q


def _found(scores_QN: np.ndarray, asked_Q: np.ndarray) -> np.ndarray:
    """(Q,) reciprocal rank of the column that is asked for."""
    return reciprocal_rank(_ranks(scores_QN, asked_Q))


def _ranks(scores_QN: np.ndarray, asked_Q: np.ndarray) -> np.ndarray:
    """(Q,) rank of the column that is asked for; others of an equal score are counted ahead."""
    own_Q1 = scores_QN[np.arange(len(asked_Q)), asked_Q][:, None]
    ranks_Q: np.ndarray = (scores_QN >= own_Q1).sum(axis=1)
    return ranks_Q


def found_among(ranks_Q: np.ndarray, ranked: int, among: int = AMONG) -> np.ndarray:
    """(Q,) reciprocal rank that is expected among fewer texts, drawn from those that were ranked, the right one always.

        E = n / (m r) * (1 - P(none of the r best is among m drawn of n))          n: ranked, m: among, r: rank

    >>> found_among(np.array([1, 3]), ranked=3, among=2).round(4).tolist()                  # 1; second of two
    [1.0, 0.5]
    """
    from scipy.stats import hypergeom

    among = min(among, ranked)
    some_Q = 1 - hypergeom.pmf(0, ranked, ranks_Q, among)
    expected_Q: np.ndarray = ranked / (among * ranks_Q) * some_Q
    return expected_Q
