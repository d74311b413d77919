"""The same text with some of its words left out: what is left should still say nearly the same.

    each word is left out with probability ``deletion_rate``; of a text at least one word stays

Words are what white space parts. It changes what a text says more than dropout or repetition do. Deletion is among the
augmentations that contrastive encoders are tried with (Wu et al. 2020, CLEAR, https://arxiv.org/abs/2012.15466).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from contrapose.contract import TextPart
from contrapose.seeds import numpy_generator

DeletionRate = Annotated[
    float, Field(ge=0, le=0.99, description="probability of each word of a text to be left out")
]


def delete_words(text: str, *, rate: float, seed: int, step: int, row: int) -> str:
    """``text`` without a random choice of its words; the same for the same (seed, step, row).

    >>> delete_words("a cat sits on the mat", rate=0.3, seed=0, step=0, row=0)
    'a sits on the mat'
    """
    words = text.split()
    rng = numpy_generator(seed, "deletion", step, row)
    kept = rng.random(len(words)) >= rate
    if len(words) and not kept.any():
        kept[rng.integers(len(words))] = True
    if kept.all():
        return text
    return " ".join(word for word, stays in zip(words, kept, strict=True) if stays)


class Deletion(TextPart):
    """The positive is the anchor's text with some words left out."""

    name, idea = "deletion", "The same text with some of its words left out."

    def __init__(self, *, deletion_rate: DeletionRate = 0.1) -> None:
        self.rate = deletion_rate

    def texts(
        self, rows: Sequence[int], columns: Mapping[str, list[str]], *, seed: int, step: int
    ) -> dict[str, list[str]]:
        (texts,) = columns.values()
        shortened = [
            delete_words(text, rate=self.rate, seed=seed, step=step, row=int(row))
            for text, row in zip(texts, rows, strict=True)
        ]
        return {"anchor": texts, "positive": shortened}


TEXT_PART = Deletion
