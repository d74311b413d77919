"""Proof without labels: questions that the held-out text answers by itself, asked before and after, row by row.

    titles        a title finds its text                                       pairs
    sentences     one sentence of a text finds the rest of it                  texts of three sentences or more
    neighbours    a half of a text has the neighbours of the whole             short texts in topics
    shape         how near halves lie, and how evenly all texts are spread     sentences about everything

Each gives one score per row, so that a paired bootstrap says whether a change could be chance. Neighbours among general
sentences are measured beside: what a domain teaches must not cost everything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from contrapose.adapt.general import GENERAL_SENTENCES
from contrapose.adapt.texts import SHORT, Texts
from contrapose.evaluate.encoding import Encodings, encode_once
from contrapose.evaluate.per_example import MEAN_RESAMPLES
from contrapose.evaluate.probes import FEWEST_PAIRS, probes_of, split_in_halves
from contrapose.evaluate.retrieval_pairs import reciprocal_rank
from contrapose.evaluate.vectors import unit_rows
from contrapose.lexical.bm25 import Bm25Index
from contrapose.lexical.hybrid import hybrid_scores
from contrapose.maths.nearest import nearest
from contrapose.seeds import numpy_generator

if TYPE_CHECKING:
    from contrapose.encoder.encoder import Encoder
    from contrapose.listening import Listener

TITLES, SENTENCES, NEIGHBOURS, SHAPE = "titles", "sentences", "neighbours", "shape"
#: Question -> what is measured, and what a rise of it means.
WORDS: Mapping[str, tuple[str, str]] = {
    TITLES: ("reciprocal rank of the text for its title", "titles find their texts"),
    SENTENCES: ("reciprocal rank of the document for one of its sentences", "sentences find their documents"),
    NEIGHBOURS: (
        "share of ten neighbours that a half of a text has in common with the whole",
        "halves find the neighbours of the whole",
    ),
    SHAPE: ("closeness of halves and evenness of all texts", "meanings are told apart"),
}
#: Sentences that are asked beside titles: pairs are learned as titles and texts, so another question must judge them.
SENTENCES_ASKED = 300
#: Words of a text that has halves to ask with.
SHORTEST_HALVED = 6
#: Neighbours of a text, here and among general sentences.
NEAREST = 10
#: Halves of one text that find each other less often than this (mean reciprocal rank) are about different things: then
#: how near they lie proves nothing.
LEAST_FOUND = 0.15
#: The least share of ten nearest general sentences that must stay.
LEAST_OVERLAP = 0.8


@dataclass(frozen=True, kw_only=True)
class Question:
    """``first[i]`` asks for ``second[i]`` among all of ``second``. of: the kind of text it was made of.

    NEIGHBOURS and SHAPE: first and second are the halves of the texts in ``whole``.
    """

    name: str
    of: str
    first: tuple[str, ...]
    second: tuple[str, ...]
    whole: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.first)

    @property
    def key(self) -> str:
        return f"{self.name} of {self.of}"

    @property
    def ranks(self) -> bool:
        """Whether it asks who is found first, as a search does."""
        return self.name in (TITLES, SENTENCES)


@dataclass(frozen=True)
class Measured:
    """Of one encoder: question -> a score per row, alone and in a hybrid search; its general neighbours (G, 10); and of
    the question of shape the mean reciprocal rank of a half for the other."""

    scores: Mapping[str, np.ndarray]
    hybrid: Mapping[str, np.ndarray]
    neighbours: np.ndarray
    halves_found: float | None = None


def questions_of(held_out: Texts, *, in_topics: bool) -> list[Question]:
    """The questions that held-out rows of one kind answer, the most telling first."""
    if held_out.kind == SHORT:
        questions = [_about_halves(held_out, in_topics=in_topics)]
    else:
        probes = {probe.kind: probe for probe in probes_of(held_out.columns)}
        most = {TITLES: len(held_out), SENTENCES: SENTENCES_ASKED if TITLES in probes else len(held_out)}
        questions = [
            Question(
                name=name,
                of=held_out.kind,
                first=probe.first[: most[name]],
                second=probe.second[: most[name]],
            )
            for name, probe in probes.items()
            if name in most
        ] or [_about_halves(held_out, in_topics=in_topics)]
    return [question for question in questions if len(question) >= FEWEST_PAIRS]


def _about_halves(held_out: Texts, *, in_topics: bool) -> Question:
    whole = [text for text in held_out.bodies if split_in_halves(text, min_words=SHORTEST_HALVED)]
    halves = [split_in_halves(text, min_words=SHORTEST_HALVED) or ("", "") for text in whole]
    return Question(
        name=NEIGHBOURS if in_topics else SHAPE,
        of=held_out.kind,
        first=tuple(first for first, _ in halves),
        second=tuple(second for _, second in halves),
        whole=tuple(whole),
    )


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
        scores, hybrid = {}, {}
        for question in self.questions:
            scores[question.key] = _scores(question, vectors)
            if question.ranks:
                cosines_QN = _cosines(vectors, question)
                hybrid[question.key] = _found(hybrid_scores(cosines_QN, self._bm25[question.key]))
        general_GD = unit_rows(vectors.of(GENERAL_SENTENCES), np.float64)
        found = [float(_found(_cosines(vectors, q)).mean()) for q in self.questions if q.name == SHAPE]
        return Measured(scores, hybrid, _nearest(general_GD, general_GD), found[0] if found else None)

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
        c         = 95% quantile, over resamples of the rows, of  max over encoders |mean* - mean| / se

    The best of several is chosen by these very rows, so the intervals hold for all of them at once. Encoders that
    answer alike cost nothing: of one, or of equal ones, c is that of a single interval (Westfall and Young 1993, maxT).
    """
    moved_ON = np.stack([now.scores[key] - before.scores[key] for now in after])
    mean_O, rows = moved_ON.mean(axis=1), moved_ON.shape[1]
    se_O = moved_ON.std(axis=1, ddof=1) / np.sqrt(rows)
    drawn_RN = numpy_generator(0, "changes").multinomial(rows, np.full(rows, 1 / rows), size=MEAN_RESAMPLES)
    apart_OR = np.abs(moved_ON @ drawn_RN.T / rows - mean_O[:, None])
    c = float(np.quantile((apart_OR / np.maximum(se_O, 1e-12)[:, None]).max(axis=0), 0.95))
    return [
        Change(difference=float(mean), low=float(mean - c * se), high=float(mean + c * se), rows=rows)
        for mean, se in zip(mean_O, se_O, strict=True)
    ]


def overlap(before: Measured, after: Measured) -> float:
    """The share of ten nearest general sentences that are the same."""
    return float(_shared(before.neighbours, after.neighbours).mean())


def _scores(question: Question, vectors: Encodings) -> np.ndarray:
    if question.ranks:
        return _found(_cosines(vectors, question))
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


def _found(scores_NN: np.ndarray) -> np.ndarray:
    """(N,) reciprocal rank of the own column; others of an equal score are counted ahead."""
    own_N1 = scores_NN.diagonal()[:, None]
    return reciprocal_rank((scores_NN >= own_N1).sum(axis=1))
