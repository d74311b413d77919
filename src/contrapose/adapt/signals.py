"""What text can teach without a label: each signal, which kind of text holds it, and how an encoder is trained on it.

The settings are the same for every text. They were tried on text of the domains that docs/how-to/adapt.md names, so
what is measured there is no proof for other text: that is what the proof of each adaptation is for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contrapose.adapt.texts import DOCUMENTS, PAIRS, SHORT


@dataclass(frozen=True, kw_only=True)
class Signal:
    """One thing to learn from.

    of         the kinds of text that hold it
    teaches    what is learned, in a person's words
    options    of ``train``, for every text
    steps      that it is trained for where the budget allows, at least
    passes     over the rows, where these are more steps
    texts      that the encoder reads of a row, those of a teacher counted as a third (no gradient)
    needs_teacher   it imitates a search, so it is used only where that search beats the encoder
    in_topics  True: only for texts that come in topics; False: only for texts about everything; None: for both
    """

    name: str
    of: tuple[str, ...]
    teaches: str
    options: Mapping[str, Any]
    steps: int
    texts: float
    passes: float = 0.0
    needs_teacher: bool = False
    in_topics: bool | None = None

    @property
    def batch_size(self) -> int:
        return int(self.options["batch_size"])

    def steps_for(self, rows: int) -> int:
        """Steps for so many rows to train on, where time is no matter."""
        return max(self.steps, round(self.passes * rows / self.batch_size))

    def fits(self, kind: str, *, in_topics: bool) -> bool:
        """Whether text of this kind holds it."""
        return kind in self.of and self.in_topics in (None, in_topics)


_LONG = {"max_length": 64, "learning_rate": 5e-5}

#: In the order of their worth: where time is short, the last are left out.
SIGNALS: tuple[Signal, ...] = (
    Signal(
        name="ranking",
        of=(PAIRS, DOCUMENTS),
        teaches="to rank texts as a search by words and meaning ranks them",
        options={
            "method": "bmembed", "batch_size": 16, "ranked_by": "hybrid", "candidates": 3, "in_batch": True,
            "target_scale": 1.0, **_LONG,
        },
        steps=60,
        texts=5,
        needs_teacher=True,
    ),
    Signal(
        name="pairs",
        of=(PAIRS,),
        teaches="which text belongs to a title",
        # Not with the filter: on docstrings it struck out what was to be told apart, and cost most of the gain.
        options={"method": "focal-infonce", "batch_size": 64, "views": "pairs", **_LONG},
        steps=40,
        passes=2.0,
        texts=2,
    ),
    Signal(
        name="spans",
        of=(DOCUMENTS,),
        teaches="which document a salient span of it is from",
        options={
            "method": "simcse", "batch_size": 32, "views": "pseudo-queries", "parts": ("positive-aware-filter",),
            **_LONG,
        },
        steps=60,
        texts=2.7,
    ),
    Signal(
        name="neighbours",
        of=(SHORT,),
        teaches="to place a text where its neighbours in the corpus lie",
        options={
            "method": "bmembed", "batch_size": 64, "views": "smoothed-neighbours",
            "target_scale": 20.0, "dropout": 0.0, "max_length": 32, "learning_rate": 1e-4,
        },
        steps=75,
        texts=2,
        in_topics=True,
    ),
    Signal(
        name="sentences",
        of=(SHORT,),
        teaches="to tell a sentence from its hardest negatives under dropout",
        options={
            "method": "focal-infonce", "batch_size": 64, "views": "dropout", "max_length": 32, "learning_rate": 3e-5,
        },
        steps=120,
        texts=2,
        in_topics=False,
    ),
)  # fmt: skip


def signals_for(kinds: Sequence[str], in_topics: Mapping[str, bool]) -> list[tuple[str, Signal]]:
    """(kind, signal) for every signal that the text holds, in the order of their worth."""
    return [
        (kind, signal) for signal in SIGNALS for kind in kinds if signal.fits(kind, in_topics=in_topics[kind])
    ]
