"""The spans of a document that say most of what it is about: queries that nobody had to write.

    salience(span) = cos(span, document) * bm25(span, document)

    cos     by the pretrained model: near the document in meaning
    bm25    the span's words in its document, by how rare they are in the corpus: near in words that tell texts apart

Of ``SPANS`` runs of words, evenly spread and of several lengths, those of the highest salience are kept.

Meng et al. 2023, "AugTriever: Unsupervised Dense Retrieval and Domain Adaptation by Scalable Data Augmentation",
query extraction; https://arxiv.org/abs/2212.08841
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

from contrapose.lexical.bm25 import K1, B
from contrapose.lexical.words import words
from contrapose.maths.similarity import unit

#: Spans that are tried of each document.
SPANS = 16
#: Words of a span: the lengths are tried in turn.
LENGTHS = (5, 8, 12, 16)
#: A document has at least so many words; of a shorter one too little would be left.
FEWEST_WORDS = 24
#: Texts that are encoded together.
DOCUMENTS_PER_BLOCK = 512


def candidate_spans(num_words: int) -> list[tuple[int, int]]:
    """(first word, one behind the last) of :data:`SPANS` runs, evenly spread over a text of so many words.

    >>> candidate_spans(64)[:4], len(candidate_spans(64)), candidate_spans(10)
    ([(0, 5), (4, 12), (7, 19), (10, 26)], 16, [])
    """
    if num_words < FEWEST_WORDS:
        return []
    spans = []
    for number in range(SPANS):
        length = LENGTHS[number % len(LENGTHS)]
        first = round(number * (num_words - length) / (SPANS - 1))
        spans.append((first, first + length))
    return spans


def salient_spans(
    documents: Sequence[str], encode: Callable[[Sequence[str]], Tensor], keep: int
) -> np.ndarray:
    """(N, keep, 2) int32: the most salient spans of each document, best first; (0, 0) where there are no more.

    encode: N texts -> (N, D), by the pretrained model.
    """
    weigh = _own_words(documents)
    kept_NK2 = np.zeros((len(documents), keep, 2), dtype=np.int32)
    for start in range(0, len(documents), DOCUMENTS_PER_BLOCK):
        rows = range(start, min(start + DOCUMENTS_PER_BLOCK, len(documents)))
        spans = {row: candidate_spans(len(documents[row].split())) for row in rows}
        asked = [row for row in rows if spans[row]]
        if not asked:
            continue
        texts = [_span(documents[row], at) for row in asked for at in spans[row]]
        whole_ND = unit(encode([documents[row] for row in asked]))
        cosine_NS = (unit(encode(texts)).view(len(asked), SPANS, -1) * whole_ND[:, None]).sum(2).numpy()
        for number, row in enumerate(asked):
            bm25_S = weigh(row, texts[number * SPANS : (number + 1) * SPANS])
            order = np.argsort(-cosine_NS[number] * bm25_S, kind="stable")[:keep]
            kept_NK2[row, : len(order)] = np.array(spans[row])[order]
    return kept_NK2


def _span(text: str, at: tuple[int, int]) -> str:
    return " ".join(text.split()[at[0] : at[1]])


def _own_words(documents: Sequence[str]) -> Callable[[int, Sequence[str]], np.ndarray]:
    """(row, spans of its document) -> the BM25 of each span for its own document: lexical/bm25.py has the equation."""
    counts = [Counter(words(text)) for text in documents]
    having = Counter(word for counted in counts for word in counted)
    mean = sum(counted.total() for counted in counts) / max(1, len(counts)) or 1.0

    def weigh(row: int, spans: Sequence[str]) -> np.ndarray:
        own = counts[row]
        damping = K1 * (1 - B + B * own.total() / mean)

        def weight(word: str) -> float:
            rare = math.log(1 + (len(counts) - having[word] + 0.5) / (having[word] + 0.5))
            return rare * own[word] / (own[word] + damping)

        return np.array([sum(weight(word) for word in words(span)) for span in spans])

    return weigh
