"""Batch number n as a pure function of (seed, n): what a resumed run needs, and no more.

The rows of a batch are exactly what a uniform shuffle of each epoch gives: batching by length happens *inside* the
batch (``encoder/by_length.py``), so which rows meet as negatives is not biased by their length. There is no short last
batch: a step that crosses the end of an epoch takes its rest from the next one, and repeated texts are masked by
identity.

Rows of Parquet files that are used where they lie are shuffled in windows instead (``windows.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from contrapose.contract import TextPart
from contrapose.data.corpus import Corpus
from contrapose.errors import UsageError
from contrapose.seeds import derive, permute
from contrapose.text.identity import text_hashes
from contrapose.train.windows import WindowOrder


@dataclass(frozen=True)
class Batch:
    """One global batch: the texts of every view, and hashes that are equal where texts are.

    statistics: what the text parts have to say of it, for the log; targets: what the loss is to reproduce.
    """

    step: int
    row_ids: Tensor
    texts: Mapping[str, list[str]]
    text_ids: Mapping[str, Tensor]
    statistics: Mapping[str, float] = field(default_factory=dict)
    targets: Mapping[str, Tensor] = field(default_factory=dict)

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
        text_parts: Sequence[TextPart],
        seed: int,
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
        self.batch_size, self.text_parts, self.seed = batch_size, tuple(text_parts), seed
        self.mask_repeats = mask_repeats
        self._windows = self._windows_of_groups()

    def among(self, rows: np.ndarray) -> Batches:
        """The same batches of fewer rows: those of ``rows`` that may be trained on."""
        fewer = copy(self)
        fewer.rows = self.rows[np.isin(self.rows, rows)]
        fewer._windows = fewer._windows_of_groups()
        if len(fewer.rows) < self.batch_size:
            raise UsageError(
                f"the method's training protocol leaves {len(fewer.rows)} rows for a step, and batch_size is "
                f"{self.batch_size}: give more text, or a smaller --batch-size"
            )
        return fewer

    def at(self, step: int) -> Batch:
        """The batch of step ``step`` (from 0)."""
        row_ids = self.rows[self._shuffled(step)]
        columns = self.corpus.take(row_ids)
        texts: dict[str, list[str]] = {}
        statistics: dict[str, float] = {}
        targets: dict[str, Tensor] = {}
        for part in self.text_parts:
            texts |= part.texts(row_ids, columns, seed=self.seed, step=step)
            statistics |= part.statistics(row_ids, seed=self.seed, step=step)
            wanted = part.targets(row_ids, seed=self.seed, step=step)
            targets |= {name: torch.from_numpy(array) for name, array in wanted.items()}
        text_ids = {name: text_hashes(view) for name, view in texts.items()} if self.mask_repeats else {}
        return Batch(step, torch.from_numpy(row_ids), texts, text_ids, statistics, targets)

    def _shuffled(self, step: int) -> np.ndarray:
        positions = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        epochs, within = np.divmod(positions, len(self.rows))
        shuffled = np.empty(self.batch_size, dtype=np.int64)
        for epoch in np.unique(epochs):
            here = epochs == epoch
            if self._windows is not None:
                shuffled[here] = self._windows.at(within[here], int(epoch))
            else:
                shuffled[here] = permute(
                    within[here], len(self.rows), derive(self.seed, "shuffle", int(epoch))
                )
        return shuffled

    def _windows_of_groups(self) -> WindowOrder | None:
        """Where rows can only be read with their row group: an order in which each is unpacked once."""
        shards = self.corpus.in_place
        if shards is None:
            return None
        before_G = np.searchsorted(self.rows, shards.ends)
        num_rows_G = np.diff(before_G, prepend=0)
        return WindowOrder(num_rows_G, shards.groups["bytes"], shards.window_bytes, self.seed)
