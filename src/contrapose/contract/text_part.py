"""Where the texts of the views come from: one text twice, two crops, the columns of a pair, a retrieved neighbour."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Protocol

import numpy as np
from torch import Tensor


class TextRows(Protocol):
    """The rows of text that a run is trained on, as a text part sees them."""

    columns: tuple[str, ...]

    def __len__(self) -> int: ...

    def take(self, row_ids: np.ndarray | Sequence[int]) -> dict[str, list[str]]:
        """Column name -> the texts of these rows, in that order."""
        ...


class TextPart(ABC):
    """Text in, text out. A pure function of rows, seed and step, so that a resumed run sees the same texts.

    A subclass says its ``name`` and ``idea`` and takes its hyperparameters as keyword-only arguments (and
    ``max_words``, beyond which the encoder reads nothing, if it asks for it). One that must know the whole corpus
    overrides ``prepare`` and ``attach``.

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
    #: What it does not go with: the name of a method, part, text part or protocol -> why, in one sentence.
    excludes: ClassVar[Mapping[str, str]] = {}
    #: What to try next where training on these views was of no use: a sentence or two for the verdict.
    advice: ClassVar[str] = (
        "Try other views (--views) or a lower --learning-rate, and judge with labels (--dev-data, contrapose evaluate)."
    )

    def prepare(
        self, corpus: TextRows, rows_N: np.ndarray, encode: Callable[[Sequence[str]], Tensor]
    ) -> Mapping[str, np.ndarray]:
        """What must be known of the whole corpus, such as neighbours: arrays by name, computed once for a run.

        rows_N: the rows that may be trained on, sorted; no text of another row may enter a view.
        encode: N texts -> (N, D) float32 by the pretrained model, not normalized.

        Training keeps the arrays in the run's folder and hands them to :meth:`attach`, also after a resumption.
        """
        return {}

    def attach(  # noqa: B027 - most parts have nothing to take
        self, corpus: TextRows, rows_N: np.ndarray, prepared: Mapping[str, np.ndarray]
    ) -> None:
        """Take what :meth:`prepare` gave, read-only, once before the first batch: in every process of a run, and
        again where a run goes on. Only called where the part overrides ``prepare``."""

    @abstractmethod
    def texts(
        self, rows: Sequence[int], columns: Mapping[str, list[str]], *, seed: int, step: int
    ) -> Mapping[str, list[str]]:
        """View name -> one text per row, ``anchor`` and ``positive`` always among them."""
