"""Who is near whom: neighbours gained and lost, and different rows that are so near that they may mean the same."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from contrapose.report.record import NeighbourChange, Suspect

#: Neighbours compared for each text.
K = 5
#: Rows shown of each list.
MOST_CHANGES, MOST_SUSPECTS = 100, 60
#: Shared words shown of two rows.
MOST_WORDS = 12

_WORD = re.compile(r"\w+")


def nearest(vectors_ND: np.ndarray, keys: Sequence[str], k: int = K) -> np.ndarray:
    """(N, k) the numbers of the k nearest rows of each row, nearest first; rows of equal ``keys`` do not count.

    >>> nearest(np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]), ["a", "b", "c"], k=1).tolist()
    [[1], [0], [1]]
    """
    cosine_NN = masked_cosines(vectors_ND, keys)
    return np.argsort(-cosine_NN, axis=1, kind="stable")[:, : min(k, len(keys) - 1)]


def masked_cosines(vectors_ND: np.ndarray, keys: Sequence[str]) -> np.ndarray:
    """(N, N) cosines of unit vectors; -inf with itself and with rows of an equal key."""
    numbers = numbered(keys)
    cosine_NN: np.ndarray = vectors_ND @ vectors_ND.T
    return np.where(numbers[:, None] == numbers[None, :], -np.inf, cosine_NN)


def numbered(keys: Sequence[str]) -> np.ndarray:
    """(N,) equal numbers for equal keys.

    >>> numbered(["b", "a", "b"]).tolist()
    [0, 1, 0]
    """
    seen: dict[str, int] = {}
    return np.array([seen.setdefault(key, len(seen)) for key in keys], np.int64)


def changes(before_NK: np.ndarray, after_NK: np.ndarray) -> tuple[float, list[NeighbourChange]]:
    """The share of neighbours that stayed, and the rows whose neighbours changed, the most changed first.

    >>> share, found = changes(np.array([[1, 2], [0, 2], [0, 1]]), np.array([[1, 2], [2, 0], [0, 1]]))
    >>> share, found
    (1.0, [])
    """
    found = []
    for row, (old, new) in enumerate(zip(before_NK.tolist(), after_NK.tolist(), strict=True)):
        gained, lost = (tuple(n for n in a if n not in b) for a, b in ((new, old), (old, new)))
        if gained or lost:
            kept = tuple(n for n in new if n in old)
            found.append(NeighbourChange(text=row, gained=gained, lost=lost, kept=kept))
    moved = sum(len(change.lost) for change in found)
    return 1.0 - moved / max(before_NK.size, 1), sorted(
        found, key=lambda change: (len(change.kept), change.text)
    )


def suspects(
    after_ND: np.ndarray, before_ND: np.ndarray | None, texts: Sequence[str], positives: np.ndarray | None
) -> list[Suspect]:
    """The nearest pairs of different rows: training pushes them apart as negatives, and they may mean the same.

    positives: cosines of true pairs after training, to say how near is near.
    """
    keys = [" ".join(words(text)) or text for text in texts]
    cosine_NN = np.triu(masked_cosines(after_ND, keys), k=1)
    cosine_NN[np.tril_indices(len(texts))] = -np.inf
    flat = cosine_NN.ravel()
    best = np.argsort(-flat, kind="stable")[:MOST_SUSPECTS]
    found = []
    for place in best[np.isfinite(flat[best])]:
        first, second = divmod(int(place), len(texts))
        after = float(flat[place])
        found.append(
            Suspect(
                first=first,
                second=second,
                before=float(before_ND[first] @ before_ND[second]) if before_ND is not None else None,
                after=after,
                shared=_shared(texts[first], texts[second]),
                nearer_than=float((positives < after).mean())
                if positives is not None and len(positives)
                else None,
            )
        )
    return found


def words(text: str) -> list[str]:
    """Lower-case words.

    >>> words("What is it? It's 2.")
    ['what', 'is', 'it', 'it', 's', '2']
    """
    return _WORD.findall(text.lower())


def _shared(first: str, second: str) -> tuple[str, ...]:
    """Words of both, in the order of the first; short ones (the, of, a) only where there are no others."""
    other = set(words(second))
    both = [word for word in dict.fromkeys(words(first)) if word in other]
    return tuple([word for word in both if len(word) > 3][:MOST_WORDS] or both[:MOST_WORDS])
