"""Pseudo-queries: salient spans by a definition written as loops, cut out of their documents in most steps."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from contrapose.text.pseudo_queries import PseudoQueries
from contrapose.text.query_words import KEYWORDS, query_at, query_positions, without
from contrapose.text.salient import FEWEST_WORDS, SPANS, candidate_spans, salient_spans
from tests.text.rows import Rows

WORDS = [
    "tide",
    "rope",
    "mast",
    "sail",
    "wind",
    "hull",
    "keel",
    "bow",
    "stern",
    "deck",
    "anchor",
    "oar",
    "the",
    "of",
    "and",
]
DOCUMENTS = [" ".join(np.random.default_rng(row).choice(WORDS, size=30 + 5 * row)) for row in range(6)] + [
    "a short text of seven words only"
]
ROWS = np.arange(len(DOCUMENTS))


def encode(texts: Sequence[str]) -> Tensor:
    return torch.tensor([[each.split().count(word) + 0.1 for word in WORDS] for each in texts])


def by_definition(row: int, keep: int) -> list[tuple[int, int]]:
    counts = [Counter(text.split()) for text in DOCUMENTS]
    mean = sum(sum(each.values()) for each in counts) / len(counts)
    own, size = counts[row], sum(counts[row].values())

    def weight(word: str) -> float:
        having = sum(word in each for each in counts)
        rare = math.log(1 + (len(counts) - having + 0.5) / (having + 0.5))
        return rare * own[word] / (own[word] + 1.5 * (1 - 0.75 + 0.75 * size / mean))

    def salience(span: tuple[int, int]) -> float:
        words = DOCUMENTS[row].split()[span[0] : span[1]]
        one, other = encode([" ".join(words), DOCUMENTS[row]])
        return float(one @ other / one.norm() / other.norm()) * sum(weight(word) for word in words)

    return sorted(candidate_spans(len(DOCUMENTS[row].split())), key=salience, reverse=True)[:keep]


def made(**options: float | str) -> PseudoQueries:
    part = PseudoQueries(**options)  # type: ignore[arg-type]
    corpus = Rows(DOCUMENTS)
    part.attach(corpus, ROWS, part.prepare(corpus, ROWS, encode))
    return part


def views(part: PseudoQueries, step: int = 0, seed: int = 0) -> list[tuple[str, str]]:
    given = part.texts(ROWS, {"text": DOCUMENTS}, seed=seed, step=step)
    return list(zip(given["anchor"], given["positive"], strict=True))


def test_the_most_salient_spans_are_those_of_the_definition() -> None:
    found = salient_spans(DOCUMENTS, encode, keep=3)
    for row in range(6):
        assert [tuple(span) for span in found[row].tolist()] == by_definition(row, 3)
    assert not found[6].any()


def test_spans_lie_inside_and_a_short_text_has_none() -> None:
    for num_words in (FEWEST_WORDS, 31, 500):
        spans = candidate_spans(num_words)
        assert len(spans) == SPANS
        assert all(0 <= first < end <= num_words for first, end in spans)
        assert spans[0][0] == 0
        assert spans[-1][1] == num_words
    assert candidate_spans(FEWEST_WORDS - 1) == []


def test_a_span_asks_for_its_document_without_it() -> None:
    for query, document in views(made(query_dropped=1.0))[:6]:
        (whole,) = (text for text in DOCUMENTS if query in text and len(text) > len(document))
        before, _, after = whole.partition(query)
        assert document.split() == [*before.split(), *after.split()]


def test_in_some_steps_the_span_stays() -> None:
    part = made(query_dropped=0.75)
    stays = [document in DOCUMENTS for step in range(200) for _, document in views(part, step)[:6]]
    assert np.mean(stays) == pytest.approx(0.25, abs=0.05)


def test_a_text_too_short_asks_for_itself() -> None:
    assert views(made())[6] == (DOCUMENTS[6], DOCUMENTS[6])
    assert "86% of the documents have words that ask for them (salient-span); the others" in made().facts()[0]


def test_all_kept_spans_are_drawn_by_seed_and_step() -> None:
    part = made(queries_kept=2)
    assert len({views(part, step)[0][0] for step in range(60)}) == 2
    assert views(part) == views(made(queries_kept=2))
    assert views(part, 1) != views(part, 2) != views(part, 2, seed=1)


def test_a_first_sentence_asks_for_the_rest() -> None:
    body = "the wind and the tide turn at noon. " + "a rope is on the deck of the hull. " * 4
    positions_KW = query_positions("first-sentence", [body, "one sentence only " * 10], encode, keep=2)
    assert query_at(body, positions_KW[0, 0]) == "the wind and the tide turn at noon."
    assert without(body, positions_KW[0, 0]).startswith("a rope is on")
    assert (positions_KW[0, 1] == -1).all(), "there is one first sentence"
    assert (positions_KW[1] == -1).all(), "of a single sentence nothing would be left"


def test_keywords_are_distinct_rare_words_of_the_document_in_its_order() -> None:
    common = "the of and a to in is it on at by as"
    documents = [f"{common} {common} rare{row}a rare{row}b {common}" for row in range(40)]
    drawn_NKW = query_positions("keywords", documents, encode, keep=5)
    queries = [query_at(documents[row], drawn_W).split() for row in range(40) for drawn_W in drawn_NKW[row]]
    assert all(len(set(query)) == len(query) == KEYWORDS for query in queries)
    assert np.mean([any("rare" in word for word in query) for query in queries]) > 0.95
    assert len({" ".join(query) for query in queries[:5]}) > 1, "every draw is one of its own"
    assert all((np.diff(row_W[row_W >= 0]) > 0).all() for row_W in drawn_NKW.reshape(-1, drawn_NKW.shape[2]))
    assert np.array_equal(drawn_NKW, query_positions("keywords", documents, encode, keep=5))


@pytest.mark.parametrize("kind", ["first-sentence", "keywords"])
def test_other_queries_are_trained_on_alike(kind: str) -> None:
    part = made(query_words=kind, query_dropped=1.0)
    for (query, rest), document in list(zip(views(part), DOCUMENTS, strict=True))[:6]:
        if rest != document:  # random words have one sentence only
            assert sorted([*query.split(), *rest.split()]) == sorted(document.split())
    assert any(rest != document for (_, rest), document in zip(views(part), DOCUMENTS, strict=True)) == (
        kind == "keywords"
    )
