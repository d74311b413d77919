"""How alike two texts are on the surface: the share of letters or words that they have in common.

    a_ij = | G_i and G_j | / | G_i or G_j |        G_i: the distinct n-grams of text i (Jaccard)

Capitals do not count. An n-gram is three characters in a row, a space before and behind the text included, or a word.
All texts' n-grams lie in one array, and a row is compared with all its candidates at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from contrapose.text.identity import text_hashes

Unit = Literal["characters", "words"]
#: More than any code point: three of them make a number of their own below 2**63.
CODES = 0x110000


class Grams(NamedTuple):
    """The distinct n-grams of N texts: those of text i are ``grams[starts[i]:starts[i + 1]]``, in rising order."""

    grams: np.ndarray
    starts: np.ndarray


def grams_of(texts: Iterable[str], unit: Unit = "characters") -> Grams:
    """The n-grams of each text as whole numbers; every text has at least one.

    >>> [len(grams_of([text]).grams) for text in ("abc", "", "aaaaaa")]
    [3, 1, 3]
    """
    sets = [_characters(text) if unit == "characters" else _words(text) for text in texts]
    starts = np.concatenate([[0], np.cumsum([len(grams) for grams in sets], dtype=np.int64)])
    return Grams(np.concatenate(sets) if sets else np.empty(0, dtype=np.int64), starts)


def surface_similarity(grams: Grams, rows_Q: np.ndarray, others_QK: np.ndarray) -> np.ndarray:
    """(Q, K) float32 in [0, 1]: of each of ``rows_Q`` with each of its own K others; 0 where that is -1.

    >>> grams = grams_of(["a b", "b A", "c"], "words")
    >>> surface_similarity(grams, np.array([0]), np.array([[1, 2, -1]])).tolist()
    [[1.0, 0.0, 0.0]]
    """
    similarity_QK = np.zeros(others_QK.shape, dtype=np.float32)
    sizes_N = np.diff(grams.starts)
    for query, (row, others_K) in enumerate(zip(rows_Q, others_QK, strict=True)):
        own = grams.grams[grams.starts[row] : grams.starts[row + 1]]
        there = np.flatnonzero(others_K >= 0)
        if not len(there):
            continue
        others = others_K[there]
        theirs = np.concatenate([grams.grams[grams.starts[n] : grams.starts[n + 1]] for n in others])
        nearest = np.minimum(np.searchsorted(own, theirs), len(own) - 1)
        ends = np.cumsum(sizes_N[others])
        common = np.add.reduceat(own[nearest] == theirs, ends - sizes_N[others], dtype=np.int64)
        similarity_QK[query, there] = common / (len(own) + sizes_N[others] - common)
    return similarity_QK


def _characters(text: str) -> np.ndarray:
    codes = np.frombuffer(f" {text.casefold() or ' '} ".encode("utf-32-le", "surrogatepass"), dtype="<u4")
    c = codes.astype(np.int64)
    return np.unique((c[:-2] * CODES + c[1:-1]) * CODES + c[2:])


def _words(text: str) -> np.ndarray:
    words: Sequence[str] = sorted(set(text.casefold().split())) or [""]
    return np.unique(text_hashes(words).numpy())
