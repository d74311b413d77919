"""Who is near whom: neighbours gained and lost, and different rows that are so near that they may mean the same."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from contrapose.maths.nearest import nearest_others
from contrapose.report.record import NeighbourChange, Suspect

#: Neighbours compared for each text.
K = 5
#: Rows shown of each list.
MOST_CHANGES, MOST_SUSPECTS = 100, 60
#: Shared words shown of two rows.
MOST_WORDS = 12

_WORD = re.compile(r"\w+")


def numbered(keys: Sequence[str]) -> np.ndarray:
    """(N,) equal numbers for equal keys.

    >>> numbered(["b", "a", "b"]).tolist()
    [0, 1, 0]
    """
    seen: dict[str, int] = {}
    return np.array([seen.setdefault(key, len(seen)) for key in keys], np.int64)


def changes(before_NK: np.ndarray, after_NK: np.ndarray) -> tuple[float, list[NeighbourChange]]:
    """The share of neighbours that stayed, and the rows whose neighbours changed, the most changed first.

    >>> share, changed = changes(np.array([[1, 2], [0, 2], [0, 1]]), np.array([[1, 2], [2, 0], [0, 1]]))
    >>> share, changed
    (1.0, [])
    """
    changed = []
    for row, (old, new) in enumerate(zip(before_NK.tolist(), after_NK.tolist(), strict=True)):
        gained, lost = (tuple(n for n in a if n not in b) for a, b in ((new, old), (old, new)))
        if gained or lost:
            kept = tuple(n for n in new if n in old)
            changed.append(NeighbourChange(text=row, gained=gained, lost=lost, kept=kept))
    moved = sum(len(change.lost) for change in changed)
    return 1.0 - moved / max(before_NK.size, 1), sorted(
        changed, key=lambda change: (len(change.kept), change.text)
    )


def suspects(
    after_ND: np.ndarray, before_ND: np.ndarray | None, texts: Sequence[str], positives: np.ndarray | None
) -> list[Suspect]:
    """The nearest pairs of different rows: training pushes them apart as negatives, and they may mean the same.

    positives: cosines of true pairs after training, to say how near is near.
    """
    keys = [" ".join(words(text)) or text for text in texts]
    near = nearest_others(after_ND, MOST_SUSPECTS, keys_N=numbered(keys))
    pairs = [
        (float(cosine), row, int(other))
        for row, (others, cosines) in enumerate(zip(*near, strict=True))
        for other, cosine in zip(others, cosines, strict=True)
        if other > row
    ]
    return [
        Suspect(
            first=first,
            second=second,
            before=float(before_ND[first] @ before_ND[second]) if before_ND is not None else None,
            after=cosine,
            shared=_shared(texts[first], texts[second]),
            nearer_than=float((positives < cosine).mean()) if positives is not None else None,
        )
        for cosine, first, second in sorted(pairs, key=lambda pair: (-pair[0], *pair[1:]))[:MOST_SUSPECTS]
    ]


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
