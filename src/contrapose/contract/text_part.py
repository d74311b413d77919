"""Where the texts of the views come from: one text twice, two crops, the columns of a pair, a retrieved neighbour."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor


class TextPart:
    """Text in, text out. A pure function of rows, seed and step, so that a resumed run sees the same texts.

    A subclass says its ``name`` and ``idea`` and takes its hyperparameters as keyword-only arguments (and
    ``max_words``, beyond which the encoder reads nothing, if it asks for it).

    fewest_columns, most_columns  how many columns of text it takes; None: any number

    >>> class Shout(TextPart):
    ...     name, idea = "shout", "The same text in capitals."
    ...     def texts(self, rows, columns, *, seed, step):
    ...         (texts,) = columns.values()
    ...         return {"anchor": texts, "positive": [text.upper() for text in texts]}
    >>> Shout().texts([0], {"text": ["hello"]}, seed=0, step=0)
    {'anchor': ['hello'], 'positive': ['HELLO']}
    """

    name: ClassVar[str]
    idea: ClassVar[str]
    fewest_columns: ClassVar[int] = 1
    most_columns: ClassVar[int | None] = 1
    #: Whether both views are one text, so that only dropout tells them apart: then the encoder must have some.
    needs_dropout: ClassVar[bool] = False
    #: What to try next where training on these views was of no use: a sentence or two for the verdict.
    advice: ClassVar[str] = (
        "Try other views (--views) or a lower --learning-rate, and judge with labels (--dev-data, contrapose evaluate)."
    )

    def prepare(self, corpus: Any, encode: Callable[[Sequence[str]], Tensor], folder: Path) -> None:
        """What must be known of the whole corpus, such as neighbours: computed once, kept in files under ``folder``."""

    def texts(
        self, rows: Sequence[int], columns: Mapping[str, list[str]], *, seed: int, step: int
    ) -> Mapping[str, list[str]]:
        """View name -> one text per row, ``anchor`` and ``positive`` always among them."""
        raise NotImplementedError
