"""The cosine of two texts, or of every text of one list with every text of another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np

from contrapose.errors import UsageError
from contrapose.use.rows import TextEncoder


@overload
def similarity(  # type: ignore[overload-overlap]  # a str is also a sequence of str; the first signature wins
    encoder: TextEncoder, a: str, b: str, *, precision: str = ...
) -> float: ...
@overload
def similarity(
    encoder: TextEncoder, a: Sequence[str], b: Sequence[str], *, precision: str = ...
) -> np.ndarray: ...


def similarity(
    encoder: TextEncoder, a: str | Sequence[str], b: str | Sequence[str], *, precision: str = "fp32"
) -> float | np.ndarray:
    """Cosine of the embeddings, between -1 and 1: a float for two texts, a float32 matrix (A, B) for two lists.

    A text beside a list counts as a list of one. A text whose embedding is the zero vector has cosine 0 with all.
    Raises :class:`UsageError` for a text that is empty or blank.

    >>> class Letters:
    ...     width = 26
    ...     def encode(self, texts, **options):
    ...         counts = [[text.count(chr(97 + letter)) for letter in range(26)] for text in texts]
    ...         return np.array(counts, dtype=np.float32) / [[len(text) ** 0.5] for text in texts]
    >>> round(similarity(Letters(), "ab", "bc"), 3)
    0.5
    >>> similarity(Letters(), ["ab", "cd"], ["ab"]).tolist()
    [[1.0], [0.0]]
    """
    left, right = ([texts] if isinstance(texts, str) else list(texts) for texts in (a, b))
    for text in (*left, *right):
        if not text.strip():
            raise UsageError("an empty text has no meaning to compare; give two texts with words in them")
    vectors = encoder.encode([*left, *right], normalize=True, precision=precision, progress=None)
    vectors = vectors.astype(np.float64)
    cosine_AB = np.clip(vectors[: len(left)] @ vectors[len(left) :].T, -1.0, 1.0)
    if isinstance(a, str) and isinstance(b, str):
        return float(cosine_AB[0, 0])
    return np.asarray(cosine_AB, dtype=np.float32)
