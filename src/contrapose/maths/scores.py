"""ScoreTable: who is compared with whom, which columns count, where the positive is.

The table holds raw cosines: temperature, margins and focal maps act on it afterwards. The positive is found by index,
never by "the diagonal", so that extra columns need no special case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from contrapose.maths.similarity import cosine_table
from contrapose.maths.struck import Struck


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Candidate columns of one origin, before they are scored.

    Either ``vectors``, shared (N, D) or one set per row (B, K, D), or ``cosines`` (B, K) where a source knows them
    without building the vectors. ``valid`` (bool) and ``log_weight`` (added to the logit) broadcast to (B, columns).
    ``text_ids`` (int64, as of the views) says whose text a column is, shared (N,) or of each row (B, K); None where
    it is no one text's, as a mixture. ``struck`` says of shared vectors what ``valid`` does, by numbers and without a
    table: where both are given, both leave out.
    """

    origin: str
    vectors: Tensor | None = None
    cosines: Tensor | None = None
    valid: Tensor | None = None
    log_weight: Tensor | None = None
    text_ids: Tensor | None = None
    struck: Struck | None = None

    def __post_init__(self) -> None:
        if (self.vectors is None) == (self.cosines is None):
            raise ValueError(f"columns from '{self.origin}' need either vectors or cosines, and not both")

    def counts(self, shape: Sequence[int]) -> Tensor:
        """Which columns count, as a table (B, columns) of this shape.

        >>> Columns(origin="batch", vectors=torch.eye(2)).counts((1, 2))
        tensor([[True, True]])
        """
        if self.struck is not None:
            counted_BC = ~self.struck.table()
            return counted_BC if self.valid is None else counted_BC & self.valid
        if self.valid is not None:
            return self.valid.expand(*shape)
        given = next(each for each in (self.cosines, self.vectors) if each is not None)
        return torch.ones(*shape, dtype=torch.bool, device=given.device)


@dataclass(frozen=True, kw_only=True)
class ScoreTable:
    """Cosines of B rows with C columns.

    cosine_BC      raw cosines, fp32
    valid_BC       bool: the column may appear in the row's denominator; always True at the positive
    log_weight_BC  added to the logit, or None where all are 0
    positive_B     the column of each row's positive
    origins        where the columns came from: name -> slice of columns
    text_ids       of the columns of an origin, where they are known: (N,), or of each row (B, K)
    """

    cosine_BC: Tensor
    valid_BC: Tensor
    log_weight_BC: Tensor | None
    positive_B: Tensor
    origins: Mapping[str, slice]
    text_ids: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def is_positive_BC(self) -> Tensor:
        """One True per row, at its positive."""
        columns_C = torch.arange(self.cosine_BC.shape[1], device=self.positive_B.device)
        return columns_C[None, :] == self.positive_B[:, None]

    @property
    def negative_BC(self) -> Tensor:
        """The columns that count as negatives of the row."""
        return self.valid_BC & ~self.is_positive_BC

    def without(self, struck_BC: Tensor) -> ScoreTable:
        """The table with these columns struck out of their rows' denominators; never the positive.

        >>> table = score_table(torch.eye(2), [Columns(origin="batch", vectors=torch.eye(2))], torch.arange(2))
        >>> table.without(torch.ones(2, 2, dtype=torch.bool)).valid_BC.tolist()
        [[True, False], [False, True]]
        """
        return replace(self, valid_BC=self.valid_BC & (~struck_BC | self.is_positive_BC))

    def weighted(self, log_weight_BC: Tensor) -> ScoreTable:
        """The table with these numbers added to the logits: exp(w) multiplies a column's exponential; never the
        positive's."""
        added_BC = log_weight_BC.to(self.cosine_BC.dtype).masked_fill(self.is_positive_BC, 0)
        before = self.log_weight_BC
        return replace(self, log_weight_BC=added_BC if before is None else before + added_BC)


def score_table(anchor_BD: Tensor, blocks: Sequence[Columns], positive_B: Tensor) -> ScoreTable:
    """Score blocks of columns side by side, in the order given.

    Raises ValueError for two blocks of one origin: a log that counts columns by origin would lose one of them.

    >>> table = score_table(torch.eye(2), [Columns(origin="batch", vectors=torch.eye(2))], torch.arange(2))
    >>> table.cosine_BC
    tensor([[1., 0.],
            [0., 1.]])
    """
    num_rows = anchor_BD.shape[0]
    cosines, valids, weights = [], [], []
    origins: dict[str, slice] = {}
    start = 0
    for block in blocks:
        cosine = block.cosines if block.cosines is not None else cosine_table(anchor_BD, _vectors(block))
        shape = cosine.shape
        cosines.append(cosine)
        valids.append(block.counts(shape))
        weights.append(
            cosine.new_zeros(()).expand(shape) if block.log_weight is None else block.log_weight.expand(shape)
        )
        if block.origin in origins:
            raise ValueError(
                f"two blocks of columns come from '{block.origin}': a source gives its columns an origin of their own"
            )
        origins[block.origin] = slice(start, start + shape[1])
        start += shape[1]
    any_weight = any(block.log_weight is not None for block in blocks)
    valid_BC = torch.cat(valids, dim=1)
    assert cosines[0].shape[0] == num_rows
    return ScoreTable(
        cosine_BC=torch.cat(cosines, dim=1),
        valid_BC=valid_BC.scatter(1, positive_B[:, None], True),
        log_weight_BC=torch.cat(weights, dim=1) if any_weight else None,
        positive_B=positive_B,
        origins=origins,
        text_ids={block.origin: block.text_ids for block in blocks if block.text_ids is not None},
    )


def _vectors(block: Columns) -> Tensor:
    assert block.vectors is not None
    return block.vectors
