"""Rows of text in memory, as a text part sees a corpus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


class Rows:
    """One column of texts; remembers which rows were asked for."""

    columns = ("text",)

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = list(texts)
        self.taken: list[int] = []

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, row_ids: Any) -> dict[str, list[str]]:
        self.taken += [int(row) for row in row_ids]
        return {"text": [self.texts[row] for row in row_ids]}


def vectors(rows: int, width: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)
