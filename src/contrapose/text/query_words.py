"""Queries that a document holds itself, each as the positions of its words.

    salient-span     the runs of words that say most of what the document is about (salient.py)
    first-sentence   the first of two sentences or more, as the first sentence often says what the others prove
    keywords         words drawn by how rare they are in the corpus, in the order of the document: a search box's query

A query is cut out of its document, mostly, so the positions are what is kept. The cut leaves the other occurrences of a
word where they are.

First sentences and drawn keywords as queries: Meng et al. 2023 (AugTriever), https://arxiv.org/abs/2212.08841, and
Ma et al. 2021, "PROP: Pre-training with Representative Words Prediction for Ad-hoc Retrieval" (WSDM),
https://arxiv.org/abs/2010.10137, there with a unigram language model in place of the inverse frequency.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from torch import Tensor

from contrapose.lexical.words import words
from contrapose.seeds import numpy_generator
from contrapose.text.salient import FEWEST_WORDS, LENGTHS, salient_spans
from contrapose.text.sentences import sentences_of

QueryWords = Literal["salient-span", "first-sentence", "keywords"]
#: Words of a query at most: of a longer first sentence the beginning.
MOST_WORDS = max(LENGTHS)
#: Words of a query of keywords.
KEYWORDS = 6
#: Of fewer distinct words no keywords are drawn: they would be the whole text.
FEWEST_DISTINCT = 2 * KEYWORDS


def query_positions(
    kind: QueryWords, documents: Sequence[str], encode: Callable[[Sequence[str]], Tensor], keep: int
) -> np.ndarray:
    """(N, keep, W) int32: positions of the words of each document's queries, -1 behind the last word; nothing but -1
    where there are no more queries.

    encode: N texts -> (N, D), by the pretrained model; asked for salient spans only.

    >>> query_positions("first-sentence", ["Rope is cheap. " + "Sails are not. " * 8], encode=None, keep=1)[0, 0, :5]
    array([ 0,  1,  2, -1, -1], dtype=int32)
    """
    positions_NKW = np.full((len(documents), keep, MOST_WORDS), -1, dtype=np.int32)
    if kind == "salient-span":
        for row, spans_K2 in enumerate(salient_spans(documents, encode, keep)):
            for number, (first, end) in enumerate(spans_K2):
                positions_NKW[row, number, : end - first] = np.arange(first, end)
    elif kind == "first-sentence":
        for row, document in enumerate(documents):
            words_of_first = _words_of_first_sentence(document)
            positions_NKW[row, 0, :words_of_first] = np.arange(words_of_first)
    else:
        weigh = _rareness(documents)
        rng = numpy_generator(0, "keywords")
        for row, document in enumerate(documents):
            for number, drawn in enumerate(_keywords(document, weigh, keep, rng)):
                positions_NKW[row, number, : len(drawn)] = drawn
    return positions_NKW


def query_at(text: str, positions: Sequence[int] | np.ndarray) -> str:
    """The words of a text at these positions.

    >>> query_at("one two three four", [1, 3, -1])
    'two four'
    """
    parts = text.split()
    return " ".join(parts[at] for at in positions if at >= 0)


def without(text: str, positions: Sequence[int] | np.ndarray) -> str:
    """The text without the words at these positions.

    >>> without("one two three four", [1, 2, -1])
    'one four'
    """
    cut = {int(at) for at in positions}
    return " ".join(part for at, part in enumerate(text.split()) if at not in cut)


def _words_of_first_sentence(document: str) -> int:
    """How many words of the document are its query; 0 where there would be too little left."""
    if len(document.split()) < FEWEST_WORDS or len(sentences := sentences_of(document)) < 2:
        return 0
    return min(MOST_WORDS, len(sentences[0].split()))


def _rareness(documents: Sequence[str]) -> Callable[[str], float]:
    """word -> log((N + 1) / (number of documents that have it + 1/2)), which no word of theirs has below 0."""
    having = Counter(word for document in documents for word in set(words(document)))
    return lambda word: math.log((len(documents) + 1) / (having[word] + 0.5))


def _keywords(
    document: str, weigh: Callable[[str], float], draws: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Draws of :data:`KEYWORDS` positions of distinct words, without replacement, a word's chance by its rareness."""
    parts = document.split()
    first_at: dict[str, int] = {}
    for at, part in enumerate(parts):
        if counted := words(part):
            first_at.setdefault(" ".join(counted), at)
    if len(parts) < FEWEST_WORDS or len(first_at) < FEWEST_DISTINCT:
        return []
    weights = np.array([max(weigh(word) for word in key.split()) for key in first_at])
    places = np.array(list(first_at.values()))
    # The largest of log(weight) + Gumbel noise are a draw without replacement.
    logs = np.log(np.maximum(weights, 1e-9))
    return [
        np.sort(places[np.argsort(-(logs + rng.gumbel(size=len(logs))), kind="stable")[:KEYWORDS]])
        for _ in range(draws)
    ]
