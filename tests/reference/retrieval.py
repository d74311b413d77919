"""Retrieved negatives as plain loops: who is a neighbour of whom, and the loss with a retrieved column for each row."""

from __future__ import annotations

from collections.abc import Sequence

from tests.reference.loops import Vector, cosine, minus_log_share


def neighbours(
    vectors: Sequence[Vector], texts: Sequence[str], k: int, ceiling: float | None = None
) -> list[list[int]]:
    """Of each row the k rows of another text with the largest cosines, then without those above the ceiling."""
    chosen = []
    for row, vector in enumerate(vectors):
        scored = []
        for other, there in enumerate(vectors):
            if texts[other] != texts[row]:
                scored.append((-cosine(vector, there), other))
        nearest = sorted(scored)[:k]
        chosen.append([other for minus, other in nearest if ceiling is None or -minus <= ceiling])
    return chosen


def loss_with_retrieved(
    anchors: Sequence[Vector],
    positives: Sequence[Vector],
    retrieved: Sequence[Vector],
    texts: Sequence[tuple[str, str, str]],
    temperature: float,
) -> float:
    """The mean over rows. texts: of anchor, positive and retrieved negative; a column whose text is one of the row's
    own two is no negative of it, nor is the positive of a row with the same anchor."""
    losses = []
    for row, anchor in enumerate(anchors):
        own = texts[row][:2]
        negatives = []
        for other in range(len(anchors)):
            same_anchor = texts[other][0] == texts[row][0]
            if other != row and texts[other][1] not in own and not same_anchor:
                negatives.append(cosine(anchor, positives[other]) / temperature)
        for other in range(len(anchors)):
            if texts[other][2] not in own:
                negatives.append(cosine(anchor, retrieved[other]) / temperature)
        losses.append(minus_log_share(cosine(anchor, positives[row]) / temperature, negatives))
    return sum(losses) / len(losses)
