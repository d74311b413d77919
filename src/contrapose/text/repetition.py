"""The same text with some of its words said twice: length tells a positive from a negative no longer (ESimCSE).

    number ~ uniform {0, 1, ..., max(2, floor(rate * N))}, at most N        N: the words of the text
    the positive: the text with ``number`` words, drawn without replacement, each followed by itself

With one text twice, both views have one length, and no negative of another length does: an encoder learns to tell
texts apart by their lengths. Wu et al. 2021 (ESimCSE), https://arxiv.org/abs/2109.04380

Words are what white space parts; the paper repeats word pieces or words. A text that the encoder cuts loses as much
at its end as was repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from contrapose.contract import TextPart
from contrapose.seeds import numpy_generator

#: So many words of a short text may be repeated, whatever the rate says.
FEWEST_AT_MOST = 2

RepetitionRate = Annotated[
    float, Field(ge=0, le=1, description="share of a text's words that are said twice, at most")
]


def repeat_words(text: str, *, rate: float, seed: int, step: int, row: int) -> str:
    """``text`` with a random number of its words said twice; the same for the same (seed, step, row).

    >>> repeat_words("a cat sits on the mat", rate=0.32, seed=0, step=2, row=0)
    'a cat cat sits sits on the mat'
    """
    words = text.split()
    rng = numpy_generator(seed, "repetition", step, row)
    most = min(len(words), max(FEWEST_AT_MOST, int(rate * len(words))))
    number = int(rng.integers(most + 1))
    repeated = set(rng.choice(len(words), size=number, replace=False).tolist()) if number else set()
    if not repeated:
        return text
    return " ".join(f"{word} {word}" if position in repeated else word for position, word in enumerate(words))


class Repetition(TextPart):
    """The positive is the anchor's text with some words said twice."""

    name, idea = "repetition", "The same text with some of its words said twice (ESimCSE)."

    def __init__(self, *, repetition_rate: RepetitionRate = 0.32) -> None:
        self.rate = repetition_rate

    def texts(
        self, rows: Sequence[int], columns: Mapping[str, list[str]], *, seed: int, step: int
    ) -> dict[str, list[str]]:
        (texts,) = columns.values()
        repeated = [
            repeat_words(text, rate=self.rate, seed=seed, step=step, row=int(row))
            for text, row in zip(texts, rows, strict=True)
        ]
        return {"anchor": texts, "positive": repeated}


TEXT_PART = Repetition
