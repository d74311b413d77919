"""Batch number n as a pure function of (seed, n): what a resumed run needs, and no more.

The rows of a batch are exactly what a uniform shuffle of each epoch gives: batching by length happens *inside* the
batch (see ``chunks.py``), so which rows meet as negatives is not biased by their length. There is no short last batch:
a step that crosses the end of an epoch takes its rest from the next one, and repeated texts are masked by identity.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from contrapose.data.corpus import Corpus
from contrapose.errors import UsageError
from contrapose.seeds import derive, permute
from contrapose.text.crop import crop


@dataclass(frozen=True)
class Batch:
    """One global batch: the texts of every view, and numbers that are equal where texts are."""

    step: int
    row_ids: Tensor
    texts: Mapping[str, list[str]]
    text_ids: Mapping[str, Tensor]

    @property
    def view_names(self) -> tuple[str, ...]:
        return tuple(self.texts)


class Batches:
    """All batches of a run, by step. ``rows`` are the corpus rows that may be trained on."""

    def __init__(
        self,
        corpus: Corpus,
        rows: np.ndarray,
        *,
        batch_size: int,
        views: str,
        seed: int,
        max_words: int,
        mask_repeats: bool = True,
    ) -> None:
        if len(rows) < 2:
            raise UsageError(
                f"the corpus has {len(rows)} rows to train on: a contrast needs at least two texts"
            )
        if len(rows) < batch_size:
            raise UsageError(
                f"the corpus has {len(rows)} rows to train on, and batch_size is {batch_size}: "
                f"give more text, or --batch-size {max(2, len(rows) // 2)}"
            )
        self.corpus, self.rows = corpus, rows
        self.batch_size, self.views, self.seed = batch_size, views, seed
        self.max_words, self.mask_repeats = max_words, mask_repeats

    def among(self, rows: np.ndarray) -> Batches:
        """The same batches of fewer rows: those of ``rows`` that may be trained on."""
        fewer = copy(self)
        fewer.rows = self.rows[np.isin(self.rows, rows)]
        if len(fewer.rows) < self.batch_size:
            raise UsageError(
                f"{len(fewer.rows)} rows are left to train on, and batch_size is {self.batch_size}"
            )
        return fewer

    def at(self, step: int) -> Batch:
        """The batch of step ``step`` (from 0)."""
        row_ids = self.rows[self._shuffled(step)]
        texts = self._views_of(self.corpus.take(row_ids), row_ids, step)
        text_ids = {name: text_numbers(view) for name, view in texts.items()} if self.mask_repeats else {}
        return Batch(step=step, row_ids=torch.from_numpy(row_ids), texts=texts, text_ids=text_ids)

    def _shuffled(self, step: int) -> np.ndarray:
        positions = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        epochs, within = np.divmod(positions, len(self.rows))
        shuffled = np.empty(self.batch_size, dtype=np.int64)
        for epoch in np.unique(epochs):
            here = epochs == epoch
            shuffled[here] = permute(within[here], len(self.rows), derive(self.seed, "shuffle", int(epoch)))
        return shuffled

    def _views_of(
        self, columns: Mapping[str, list[str]], row_ids: np.ndarray, step: int
    ) -> dict[str, list[str]]:
        if self.views == "pairs":
            return dict(columns)
        (texts,) = columns.values()
        if self.views == "dropout":
            return {"anchor": texts, "positive": texts}
        return {
            view: [
                crop(text, seed=self.seed, step=step, row=int(row), view=view, max_words=self.max_words)
                for text, row in zip(texts, row_ids, strict=True)
            ]
            for view in ("anchor", "positive")
        }


def text_numbers(texts: list[str]) -> Tensor:
    """One positive int64 per text, equal for equal texts (63 bits of a hash).

    >>> text_numbers(["a", "b", "a"]).unique().numel()
    2
    """
    digests = (hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
    # The low bit is set: 0 stands for "unknown text" in a queue.
    return torch.tensor(
        [(int.from_bytes(digest, "little") >> 1) | 1 for digest in digests], dtype=torch.int64
    )


def choose_views(views: str, columns: tuple[str, ...]) -> str:
    """Resolve ``auto``, and refuse views that the columns cannot give."""
    if views == "auto":
        return "pairs" if len(columns) > 1 else "dropout"
    if views == "pairs" and len(columns) < 2:
        raise UsageError("--views pairs needs two text columns (anchor, positive), and the corpus has one")
    if views in ("dropout", "crop") and len(columns) > 1:
        raise UsageError(
            f"--views {views} needs one text column, and the corpus has {', '.join(columns)}: "
            f"choose one with --columns, or use --views pairs"
        )
    return views
