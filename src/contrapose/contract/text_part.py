"""Where the texts of the views come from: one text twice, two crops, the columns of a pair, a retrieved neighbour."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar, Protocol

import numpy as np
from torch import Tensor

#: Rows whose texts are read together.
ROWS_PER_BLOCK = 8_192


class TextRows(Protocol):
    """The rows of text that a run is trained on, as a text part sees them."""

    columns: tuple[str, ...]

    def __len__(self) -> int: ...

    def take(self, row_ids: np.ndarray | Sequence[int]) -> dict[str, list[str]]:
        """Column name -> the texts of these rows, in that order."""
        ...


def first_texts(corpus: TextRows, rows_N: np.ndarray) -> Iterator[tuple[slice, list[str]]]:
    """(which of ``rows_N``, the first text of each), a block at a time: memory is flat, however long the corpus is."""
    for start in range(0, len(rows_N), ROWS_PER_BLOCK):
        block = slice(start, min(start + ROWS_PER_BLOCK, len(rows_N)))
        texts, *_ = corpus.take(rows_N[block]).values()
        yield block, texts


class TextPart(ABC):
    """Text in, text out. A pure function of rows, seed and step, so that a resumed run sees the same texts.

    A subclass says its ``name`` and ``idea`` and takes its hyperparameters as keyword-only arguments (and, if it asks
    for them, ``max_words``, beyond which the encoder reads nothing, and ``token_ids``, which turns texts into the
    model's token ids). One that must know the whole corpus overrides ``prepare`` or ``refresh``, and ``attach``.

    gives_targets                 the names of what :meth:`targets` gives
    gives                         the views it makes; several text parts each give their own, and where none of them
                                  gives anchor and positive, those are the columns of the data, or one text twice
    fewest_columns, most_columns  how many columns of text it takes; None: any number
    refresh_every                 steps between two calls of ``refresh``; None: only before the first
    looks_at_vectors              whether ``refresh`` looks at the vectors; where not, the corpus is not encoded for it

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
    gives: ClassVar[tuple[str, ...]] = ("anchor", "positive")
    gives_targets: ClassVar[tuple[str, ...]] = ()
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

    refresh_every: int | None = None
    looks_at_vectors: bool = True

    def check(self, corpus: TextRows, rows_N: np.ndarray) -> None:  # noqa: B027 - most parts take any corpus
        """Raise UsageError, in one sentence, for a corpus or a tokenizer that the part can do nothing with. Called
        before anything is computed; rows_N: the rows that may be trained on, sorted."""

    def prepare(
        self, corpus: TextRows, rows_N: np.ndarray, encode: Callable[[Sequence[str]], Tensor]
    ) -> Mapping[str, np.ndarray]:
        """What must be known of the whole corpus, such as neighbours: arrays by name, computed once for a run.

        rows_N: the rows that may be trained on, sorted; no text of another row may enter a view.
        encode: N texts -> (N, D) float32 by the pretrained model, not normalized.

        Training keeps the arrays in the run's folder and hands them to :meth:`attach`, also after a resumption.
        """
        return {}

    def refresh(
        self, corpus: TextRows, rows_N: np.ndarray, vectors_ND: np.ndarray
    ) -> Mapping[str, np.ndarray]:
        """In place of :meth:`prepare`, for a part that looks at the vectors of the corpus: arrays by name.

        vectors_ND: (N, D) float32 of the first text of each of ``rows_N``, not normalized, mapped from a file; (N, 0)
        where the part does not look at them.

        Called with the vectors of the pretrained model before the first batch, and with those of the model as it is
        then before the batch of every later step that ``refresh_every`` divides; shapes and types stay the same. What
        a later call gives is saved with the checkpoint.
        """
        return {}

    def attach(  # noqa: B027 - most parts have nothing to take
        self, corpus: TextRows, rows_N: np.ndarray, prepared: Mapping[str, np.ndarray]
    ) -> None:
        """Take what :meth:`prepare` or :meth:`refresh` gave, read-only: in every process of a run, before the first
        batch, after every refresh, and where a run goes on. Only called where the part overrides one of the two."""

    def facts(self) -> Sequence[str]:
        """What a person should know of it before the first step, a line each. Called once all is attached."""
        return ()

    def statistics(self, rows: Sequence[int], *, seed: int, step: int) -> Mapping[str, float]:
        """Numbers for the log about the batch of a step, under names that no other part uses."""
        return {}

    def targets(self, rows: Sequence[int], *, seed: int, step: int) -> Mapping[str, np.ndarray]:
        """What the loss is to reproduce for the texts of this step, (B, ...) float32 by name: such as a teacher's
        scores. A method that reads one says so in ``Needs.targets``."""
        return {}

    @abstractmethod
    def texts(
        self, rows: Sequence[int], columns: Mapping[str, list[str]], *, seed: int, step: int
    ) -> Mapping[str, list[str]]:
        """View name -> one text per row, for every view that the part gives."""
