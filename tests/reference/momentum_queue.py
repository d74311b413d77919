"""ESimCSE over several steps, as loops: a slow copy of a linear encoder, a queue of its vectors, and SimCSE's loss."""

from __future__ import annotations

from collections.abc import Sequence

from tests.reference.loops import Vector, cosine, inner, simcse

Matrix = Sequence[Vector]


def through(weights: Matrix, vector: Vector) -> list[float]:
    return [inner(row, vector) for row in weights]


def follow(slow: Matrix, trained: Matrix, momentum: float) -> list[list[float]]:
    return [
        [momentum * old + (1 - momentum) * new for old, new in zip(before, after, strict=True)]
        for before, after in zip(slow, trained, strict=True)
    ]


def losses_of_steps(
    anchors: Sequence[Matrix],
    positives: Sequence[Matrix],
    trained: Sequence[Matrix],
    *,
    momentum: float,
    size: int,
    temperature: float,
) -> list[list[float]]:
    """Step -> one loss per row. ``trained[s]``: the encoder's weights at step s; the slow copy begins as they do."""
    slow, queue, losses = trained[0], [], []
    for step, weights in enumerate(trained):
        if step > 0:
            slow = follow(slow, weights, momentum)
        mine = [through(weights, text) for text in anchors[step]]
        theirs = [through(weights, text) for text in positives[step]]
        extra = [[cosine(vector, kept) for kept in queue] for vector in mine]
        losses.append(simcse(mine, theirs, temperature=temperature, extra=extra))
        queue = [*queue, *(through(slow, text) for text in anchors[step])][-size:]
    return losses
