"""A method with a text part that must know the whole corpus, and a protocol that masks weights between steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from contrapose.contract import Method, TextPart, TextRows, TrainingProtocol
from contrapose.maths.nearest import nearest_others
from contrapose.objectives.simcse import simcse

#: The steps before this one use the first half of the rows; the mask is made before the other.
ALL_ROWS_FROM, MASKED_FROM = 6, 3


class NearestOther(TextPart):
    name = "nearest-other"
    idea = "The positive is the sentence of the corpus that is nearest to the anchor, or the second nearest."

    def __init__(self, *, nearness: int = 1) -> None:
        self.nearness = nearness

    def prepare(
        self, corpus: TextRows, rows_N: np.ndarray, encode: Callable[[Sequence[str]], Tensor]
    ) -> Mapping[str, np.ndarray]:
        (texts,) = corpus.take(rows_N).values()
        near = nearest_others(encode(texts), self.nearness)
        other_N = np.full(len(corpus), -1)
        other_N[rows_N] = rows_N[near.rows_QK[:, -1].numpy()]
        return {"other": other_N}

    def attach(self, corpus: TextRows, rows_N: np.ndarray, prepared: Mapping[str, np.ndarray]) -> None:
        self.corpus, self.other_N = corpus, prepared["other"]

    def texts(
        self, rows: Sequence[int], columns: Mapping[str, list[str]], *, seed: int, step: int
    ) -> Mapping[str, list[str]]:
        (texts,) = columns.values()
        (others,) = self.corpus.take(self.other_N[rows]).values()
        return {"anchor": texts, "positive": others}


class Masked(TrainingProtocol):
    name = "masked"
    idea = "The smallest weights of one layer are held at zero, and the first steps see half of the rows."

    def __init__(self, *, sparsity: float = 0.5) -> None:
        super().__init__()
        self.sparsity = sparsity

    def attach(self, weights: Mapping[str, Tensor], rows: Tensor, *, seed: int) -> None:
        self.half = rows[: len(rows) // 2]
        self.weight = "encoder.backbone.encoder.layer.0.output.dense.weight"
        self.register_buffer("mask", torch.ones_like(weights[self.weight], dtype=torch.bool))

    def rows(self, step: int) -> Tensor | None:
        return self.half if step < ALL_ROWS_FROM else None

    def before(self, step: int, weights: Mapping[str, Tensor]) -> None:
        if step == MASKED_FROM:
            size = weights[self.weight].abs()
            self.mask.copy_(size > size.quantile(self.sparsity))

    def after(self, step: int, weights: Mapping[str, Tensor]) -> None:
        weights[self.weight].mul_(self.mask)


METHOD = Method(
    name="whole-corpus",
    idea="A method for tests.",
    paper="None 2000, None",
    reference="https://example.org",
    objective=simcse,
    text_parts=(NearestOther,),
    protocol=Masked,
)
