"""What a tile of logits is made of: the map from cosines to logits, which columns count, and what is added to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from contrapose.maths.struck import Struck


@dataclass(frozen=True, kw_only=True)
class LogitMap:
    """f and t of ``logit = f(cosine) / t``: element by element, so that a tile needs nothing of another.

    temperature  t, divides last
    function     f, in torch's differentiable operations: of a tile of cosines, and of a second one where ``beside`` is
                 given; None: the cosine itself
    beside       unit vectors of all rows (B, E) and columns (N, E), whose cosines f sees too; no gradient enters them
    focal        (margin, clamped, detached) where f is the map of Focal-InfoNCE, which the kernel for GPUs knows
    """

    temperature: float
    function: Callable[..., Tensor] | None = None
    beside: tuple[Tensor, Tensor] | None = None
    focal: tuple[float, bool, bool] | None = None

    def logits(self, cosine_RC: Tensor, *beside_RC: Tensor) -> Tensor:
        """Of a tile; a new tensor.

        >>> import torch
        >>> LogitMap(temperature=0.5, function=torch.square).logits(torch.tensor([[0.5]]))
        tensor([[0.5000]])
        """
        mapped_RC = cosine_RC if self.function is None else self.function(cosine_RC, *beside_RC)
        return mapped_RC / self.temperature

    def beside_tile(self, rows: slice, columns: slice) -> tuple[Tensor, ...]:
        """The second cosines of a tile, where there are any."""
        return () if self.beside is None else (self.beside[0][rows] @ self.beside[1][columns].T,)


@dataclass(frozen=True, kw_only=True)
class TiledColumns:
    """What is known of a block of columns that all rows share, beside its vectors.

    maps        one or several, each of which gets a sum of its own over the same cosines
    first_row   the number in the batch of the first row, where the rows are a part of the batch
    struck      columns that do not count, by the numbers of all rows of the batch
    valid       columns that count, as a table: (B, N), (1, N) or (B, 1)
    log_weight  added to the logits, (B, N), (1, N) or (B, 1); no gradient enters it
    own_weight  added to the logit of the column of the row's own number
    tile        how many rows and columns at once; None: by the device
    """

    maps: tuple[LogitMap, ...]
    first_row: int = 0
    struck: Struck | None = None
    valid: Tensor | None = None
    log_weight: Tensor | None = None
    own_weight: float = 0.0
    tile: tuple[int, int] | None = None

    @property
    def keeps_order(self) -> bool:
        """Whether the largest logit of the first map is that of the largest cosine."""
        return self.maps[0].function is None and self.log_weight is None and not self.own_weight

    def of_batch(self, rows: slice) -> slice:
        """These rows, counted in the batch."""
        return slice(rows.start + self.first_row, rows.stop + self.first_row)

    def add_weights_(self, logits_RC: Tensor, rows: slice, columns: slice) -> None:
        """Add what is added to the logits of a tile, in place."""
        if self.log_weight is not None:
            logits_RC += part_of(self.log_weight, self.of_batch(rows), columns).to(logits_RC.dtype)
        offset = self.of_batch(rows).start - columns.start
        if self.own_weight and -logits_RC.shape[0] < offset < logits_RC.shape[1]:
            logits_RC.diagonal(offset).add_(self.own_weight)

    def left_out(self, rows: slice, columns: slice) -> Tensor | None:
        """(rows, columns) bool, True at what does not count; None where all of the tile does."""
        struck_RC = None if self.struck is None else self.struck.tile(self.of_batch(rows), columns)
        if self.valid is None:
            return struck_RC
        left_out_RC = ~part_of(self.valid, self.of_batch(rows), columns)
        return left_out_RC if struck_RC is None else left_out_RC | struck_RC


def part_of(table_BC: Tensor, rows: slice, columns: slice) -> Tensor:
    """A corner of a table, of which any side may be one wide and stand for all: it broadcasts to the corner.

    >>> import torch
    >>> part_of(torch.tensor([1, 2, 3]), slice(5, 9), slice(1, 3))
    tensor([[2, 3]])
    """
    table_BC = table_BC if table_BC.dim() == 2 else table_BC.expand(1, -1)
    of_rows = table_BC if table_BC.shape[0] == 1 else table_BC[rows]
    return of_rows if table_BC.shape[1] == 1 else of_rows[:, columns]
