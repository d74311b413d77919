"""The questions of each kind of text, and their scores by definitions written as loops."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from contrapose.adapt.general import GENERAL_SENTENCES
from contrapose.adapt.proof import (
    TEMPERATURES,
    Measured,
    Proof,
    changes,
    found_among,
    log_likelihood,
    overlap,
)
from contrapose.adapt.questions import (
    MOST_OF_A_TEXT,
    NEIGHBOURS,
    SENTENCES,
    SHAPE,
    TITLES,
    questions_of,
)
from contrapose.adapt.texts import DOCUMENTS, PAIRS, SHORT, Texts
from contrapose.lexical.bm25 import Bm25Index
from contrapose.lexical.hybrid import hybrid_scores
from contrapose.listening import Listener

WORDS = ["tide", "rope", "mast", "sail", "wind", "hull", "keel", "bow", "stern", "deck", "anchor", "oar"]


def text(seed: int, length: int) -> str:
    return " ".join(np.random.default_rng([seed, length]).choice(WORDS, size=length))


def short(rows: int = 60) -> Texts:
    return Texts(kind=SHORT, columns={"text": [text(row, 8) for row in range(rows)]}, what="")


def pairs(rows: int = 60) -> Texts:
    columns = {
        "anchor": [text(row, 3) for row in range(rows)],
        "positive": [text(row, 12) for row in range(rows)],
    }
    return Texts(kind=PAIRS, columns=columns, what="")


class Counting:
    """An encoder of word counts, turned by a matrix; what is drawn for it makes it another one."""

    def __init__(self, seed: int = 0) -> None:
        self.turn = np.random.default_rng(seed).normal(size=(len(WORDS) + 5, 6))

    def in_mode(self, *, training: bool) -> Any:
        from contextlib import nullcontext

        return nullcontext()

    def encode(self, texts: Sequence[str], **_: Any) -> np.ndarray:
        counts = [[*(each.split().count(word) for word in WORDS), *shape_of(each)] for each in texts]
        return np.tanh(np.array(counts, float) @ self.turn).astype(np.float32)


def shape_of(each: str) -> list[float]:
    """Numbers that have nothing to do with words, and differ for all texts."""
    return list(np.random.default_rng(list(each.encode())).normal(size=5))


def cosines(encoder: Counting, first: Sequence[str], second: Sequence[str]) -> np.ndarray:
    a, b = (encoder.encode(side).astype(np.float64) for side in (first, second))
    return (a / np.linalg.norm(a, axis=1, keepdims=True)) @ (b / np.linalg.norm(b, axis=1, keepdims=True)).T


def measured(texts: Texts, *, in_topics: bool = False, seed: int = 0) -> Any:
    questions = questions_of(texts, in_topics=in_topics)
    return questions[0], Proof(questions, "fp32", Listener()).measure(Counting(seed))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("texts", "in_topics", "expected"),
    [(pairs(), False, TITLES), (short(), True, NEIGHBOURS), (short(), False, SHAPE)],
)
def test_each_kind_has_its_question(texts: Texts, in_topics: bool, expected: str) -> None:
    assert [question.name for question in questions_of(texts, in_topics=in_topics)] == [expected]


def test_documents_are_asked_by_their_sentences_where_they_have_some() -> None:
    with_sentences = [". ".join(text(10 * row + part, 7) for part in range(5)) + "." for row in range(60)]
    for bodies, expected in ((with_sentences, SENTENCES), ([text(row, 60) for row in range(60)], SHAPE)):
        texts = Texts(kind=DOCUMENTS, columns={"text": bodies}, what="")
        assert [question.name for question in questions_of(texts, in_topics=False)] == [expected]


def test_few_rows_ask_nothing() -> None:
    assert questions_of(short(20), in_topics=True) == []


def likelihoods(table: np.ndarray, right: Sequence[int]) -> list[float]:
    """By the definition: a softmax of each row, at the temperature of the grid with the largest mean."""
    tried = []
    for temperature in TEMPERATURES * table.std():
        rows = [np.exp(row / temperature) for row in table]
        tried.append(
            [float(np.log(row[at] / row.sum())) for row, at in zip(rows, right, strict=True) if row[at] > 0]
        )
    return max((each for each in tried if len(each) == len(table)), key=lambda each: float(np.mean(each)))


def test_a_title_is_scored_by_likelihood_and_shown_by_rank_alone_and_in_the_hybrid() -> None:
    question, found = measured(pairs())
    table = cosines(Counting(), question.first, question.second)
    both = hybrid_scores(table, Bm25Index(question.second).scores(question.first))
    right = range(len(table))
    for scores, tested, shown in (
        (table, found.scores, found.shown),
        (both, found.hybrid, found.shown_hybrid),
    ):
        ranks = [sum(scores[i, j] >= scores[i, i] for j in right) for i in right]
        np.testing.assert_allclose(tested[question.key], likelihoods(scores, right), rtol=1e-6)
        assert shown[question.key] == pytest.approx(np.mean([1 / rank for rank in ranks]))


def test_the_likelihood_knows_no_scale_and_rewards_the_right_column() -> None:
    table = np.random.default_rng(0).normal(size=(40, 40)) + 2 * np.eye(40)
    right = np.arange(40)
    np.testing.assert_allclose(log_likelihood(7 * table + 3, right), log_likelihood(table, right), rtol=1e-9)
    surer = log_likelihood(table + np.eye(40), right)
    assert surer.mean() > log_likelihood(table, right).mean()
    assert log_likelihood(table, np.roll(right, 1)).mean() < log_likelihood(table, right).mean()


def test_several_sentences_ask_for_their_document_which_has_none_of_them() -> None:
    bodies = [". ".join(text(100 * row + part, 7) for part in range(9)) + "." for row in range(60)]
    (question,) = questions_of(Texts(kind=DOCUMENTS, columns={"text": bodies}, what=""), in_topics=False)
    assert len(question) == 60
    assert len(question.first) == 60 * MOST_OF_A_TEXT
    for sentence, row in zip(question.first, question.rows_asked, strict=True):
        assert sentence in bodies[row]
        assert sentence not in question.second[row]
    found = Proof([question], "fp32", Listener()).measure(Counting())  # type: ignore[arg-type]
    table = cosines(Counting(), question.first, question.second)
    each = likelihoods(table, question.rows_asked)
    expected = [np.mean([value for value, row in zip(each, question.rows_asked, strict=True) if row == at])
                for at in range(60)]  # fmt: skip
    np.testing.assert_allclose(found.scores[question.key], expected, rtol=1e-6)


def test_halves_are_asked_for_the_neighbours_of_the_whole() -> None:
    question, found = measured(short(), in_topics=True)
    encoder, size = Counting(), len(question)

    def nearest(sides: Sequence[str]) -> list[set[int]]:
        table = cosines(encoder, sides, question.whole)
        return [
            set(sorted((j for j in range(size) if j != i), key=lambda j: -table[i, j])[:10])
            for i in range(size)
        ]

    own, first, second = (nearest(side) for side in (question.whole, question.first, question.second))
    expected = [(len(o & a) + len(o & b)) / 20 for o, a, b in zip(own, first, second, strict=True)]
    np.testing.assert_allclose(found.scores[question.key], expected)
    assert all(
        f"{a} {b}" == whole
        for a, b, whole in zip(question.first, question.second, question.whole, strict=True)
    )


def test_how_well_halves_find_each_other_does_not_depend_on_how_many_are_held_out() -> None:
    ranked, among = 7, 3
    for rank in range(1, ranked + 1):
        drawn = [
            set(others) for others in combinations([r for r in range(1, ranked + 1) if r != rank], among - 1)
        ]
        expected = np.mean([1 / (1 + sum(other < rank for other in others)) for others in drawn])
        assert found_among(np.array([rank]), ranked, among)[0] == pytest.approx(expected)
    # One more text in ten is nearer than the right one, of few texts as of many.
    few, many = (found_among(np.array([1 + rows // 10]), rows)[0] for rows in (400, 4000))
    assert few == pytest.approx(many, rel=0.02)


def test_general_neighbours_stay_with_the_same_encoder_and_not_with_another() -> None:
    (_, one), (_, other) = measured(short()), measured(short(), seed=1)
    assert overlap(one, one) == 1.0
    assert overlap(one, other) < 0.9


def shifted(shifts: Sequence[float], *, alike: bool) -> list[Measured]:
    """Encoders whose scores differ from the start's by a shift and by noise, of one draw or of draws of their own."""
    random = np.random.default_rng(0)
    noise = random.normal(size=(len(shifts), 200))
    rows = zip(shifts, noise[[0] * len(shifts)] if alike else noise, strict=True)
    return [Measured({"titles": shift + each}, {}, np.zeros((1, 10), int)) for shift, each in rows]


START = Measured({"titles": np.zeros(200)}, {}, np.zeros((1, 10), int))


def test_of_one_encoder_the_interval_is_the_usual_one() -> None:
    (found,) = changes(START, shifted([0.3], alike=True), "titles")
    scores = shifted([0.3], alike=True)[0].scores["titles"]
    half = 1.96 * scores.std(ddof=1) / np.sqrt(200)
    assert found.difference == pytest.approx(scores.mean())
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.05)
    assert found.rows == 200


def test_many_encoders_widen_it_and_equal_ones_do_not() -> None:
    def width(number: int, *, alike: bool) -> float:
        found = changes(START, shifted([0.0] * number, alike=alike), "titles")[0]
        return found.high - found.low

    assert width(12, alike=True) == pytest.approx(width(1, alike=True))
    assert width(12, alike=False) > 1.3 * width(1, alike=False)


def test_a_clear_harm_does_not_hide_a_gain_beside_it() -> None:
    alone = changes(START, shifted([0.18], alike=False), "titles")[0]
    beside_noise = changes(START, shifted([0.18, *[0.0] * 9], alike=False), "titles")[0]
    beside_harm = changes(START, shifted([0.18, *[-3.0] * 9], alike=False), "titles")[0]
    assert beside_harm.low == pytest.approx(alone.low, abs=0.01)
    assert beside_noise.low < beside_harm.low - 0.03


def test_clear_by_chance_is_one_in_twenty_over_all_that_were_looked_at() -> None:
    """Of a hundred sets of six encoders that changed nothing, some five have one that looks clear."""
    random = np.random.default_rng(0)
    wrong = 0
    for _ in range(100):
        noise = random.normal(size=(6, 80)) + random.normal(size=80)
        looked = [Measured({"titles": each}, {}, np.zeros((1, 10), int)) for each in noise]
        start = Measured({"titles": np.zeros(80)}, {}, np.zeros((1, 10), int))
        wrong += any(found.low > 0 or found.high < 0 for found in changes(start, looked, "titles"))
    assert 1 <= wrong <= 13


def test_where_nothing_moved_nothing_is_clear() -> None:
    (found,) = changes(START, [START], "titles")
    assert (found.difference, found.low, found.high) == (0.0, 0.0, 0.0)


def test_the_general_sentences_are_two_hundred_different_ones() -> None:
    assert len(set(GENERAL_SENTENCES)) == len(GENERAL_SENTENCES) == 200
