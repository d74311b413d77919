"""Encoders without a network: a vector is a pure function of its text, so every row can be checked alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

WIDTH = 8


class HashEncoder:
    """The vector of a text is drawn from the text's hash. ``fail_at``: the call of that number (from 1) raises."""

    width = WIDTH

    def __init__(self, fail_at: int | None = None, error: BaseException | None = None) -> None:
        self.calls: list[int] = []
        self.fail_at, self.error = fail_at, error or RuntimeError("the machine gave up")

    def encode(self, texts: Sequence[str], *, normalize: bool, precision: str, progress: Any) -> np.ndarray:
        self.calls.append(len(texts))
        if len(self.calls) == self.fail_at:
            raise self.error
        vectors = np.stack([vector_of(text) for text in texts]) if texts else np.zeros((0, WIDTH), np.float32)
        if normalize:
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        if progress is not None:
            progress(len(texts))
        return vectors


def vector_of(text: str) -> np.ndarray:
    """(WIDTH,) float32, neither zero nor of length 1."""
    words = np.frombuffer(hashlib.sha256(text.encode()).digest(), dtype="<i4")
    return (words / 2**30).astype(np.float32)


class TableEncoder:
    """The vector of a text is looked up."""

    def __init__(self, table: dict[str, Sequence[float]]) -> None:
        self.table = {text: np.array(vector, dtype=np.float32) for text, vector in table.items()}
        self.width = len(next(iter(self.table.values())))

    def encode(self, texts: Sequence[str], *, normalize: bool, precision: str, progress: Any) -> np.ndarray:
        return np.stack([self.table[text] for text in texts])
