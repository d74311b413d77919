"""BM25: how well a text answers a query by the words that both have."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from contrapose.lexical.words import words

#: How soon more of the same word stops to count, and how much long texts are held back: the usual values.
K1, B = 1.5, 0.75


class Bm25Index:
    """The words of N texts, to be asked many times. The library bm25s does the work.

        score(q, t) = sum over words w of q:  idf(w) * n(w, t) / (n(w, t) + k1 * (1 - b + b * |t| / mean |t|))
        idf(w)      = log(1 + (N - N_w + 1/2) / (N_w + 1/2))

    n(w, t): how often w is in t; |t|: words of t; N_w: texts that have w. Lucene's form of Robertson and Zaragoza,
    The Probabilistic Relevance Framework (2009). A word that a query has twice counts twice. Memory: some 8 bytes for
    every distinct word of every text.

    >>> index = Bm25Index(["red and blue", "blue paint", "green paint"])
    >>> index.scores(["Blue paint!", "nothing of it"]).argmax(axis=1).tolist(), index.scores(["yellow"]).tolist()
    ([1, 0], [[0.0, 0.0, 0.0]])
    """

    def __init__(self, texts: Sequence[str]) -> None:
        import bm25s

        self._num_texts = len(texts)
        counted = [words(text) for text in texts]
        self._index = None
        if any(counted):
            self._index = bm25s.BM25(k1=K1, b=B, method="lucene")
            self._index.index(counted, show_progress=False)

    def __len__(self) -> int:
        return self._num_texts

    def scores(self, queries: Sequence[str]) -> np.ndarray:
        """(Q, N) fp32: of every query the score of every text; 0 where they share no word."""
        scores_QN = np.zeros((len(queries), len(self)), np.float32)
        if self._index is not None:
            known = self._index.vocab_dict
            for scores_N, query in zip(scores_QN, queries, strict=True):
                if shared := [word for word in words(query) if word in known]:
                    scores_N[:] = self._index.get_scores(shared)
        return scores_QN
