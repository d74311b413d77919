"""Two random spans of one text, as two views of what it is about (for documents longer than a sentence).

Each span is a run of words whose length is drawn uniformly between a third and four fifths of the text's, and whose
place is drawn uniformly; the two may overlap. A text of fewer than ``SHORTEST_TEXT`` words is kept whole: cut further
it would say something else. Giorgi et al. 2021 (DeCLUTR) train on span pairs of a document in this way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from contrapose.contract import TextPart
from contrapose.seeds import numpy_generator

SHORTEST_TEXT = 6
SHORTEST_SHARE, LONGEST_SHARE = 1 / 3, 4 / 5


def crop(text: str, *, seed: int, step: int, row: int, view: str, max_words: int | None = None) -> str:
    """A random span of ``text``; the same one for the same (seed, step, row, view).

    max_words   a span is no longer than this: words beyond the encoder's cut would be lost

    >>> span = crop("one two three four five six seven eight", seed=0, step=1, row=2, view="anchor")
    >>> span in "one two three four five six seven eight"
    True
    >>> crop("only three words", seed=0, step=1, row=2, view="anchor")
    'only three words'
    """
    words = text.split()
    if len(words) < SHORTEST_TEXT:
        return text
    rng = numpy_generator(seed, "crop", step, row, view)
    least = max(1, round(len(words) * SHORTEST_SHARE))
    most = max(least, int(len(words) * LONGEST_SHARE))
    if max_words is not None:
        least, most = min(least, max_words), min(most, max_words)
    length = int(rng.integers(least, most + 1))
    start = int(rng.integers(0, len(words) - length + 1))
    return " ".join(words[start : start + length])


class Crops(TextPart):
    """Both views are a span of the row's text, each drawn for itself."""

    name, idea = "crop", "Two random spans of one text, for documents longer than a sentence."
    advice = (
        "Where the documents have titles, train on (title, text) pairs (--columns title,text); else try a lower "
        "--learning-rate, and judge with labels (--dev-data, contrapose evaluate)."
    )

    def __init__(self, *, max_words: int | None = None) -> None:
        self.max_words = max_words

    def texts(
        self, rows: Sequence[int], columns: Mapping[str, list[str]], *, seed: int, step: int
    ) -> dict[str, list[str]]:
        (texts,) = columns.values()
        return {
            view: [
                crop(text, seed=seed, step=step, row=int(row), view=view, max_words=self.max_words)
                for text, row in zip(texts, rows, strict=True)
            ]
            for view in ("anchor", "positive")
        }


TEXT_PART = Crops
