"""Which columns do not count for which rows, said in numbers of rows and columns in place of a table.

A table of 65,536 rows and as many columns has 4 billion entries; the numbers of their texts are 131,072. Any corner of
the table is made of them when it is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

#: Two numbers are compared: of every row (B,) and of every column (N,), int64.
Numbers = tuple[Tensor, Tensor]


@dataclass(frozen=True, kw_only=True)
class Struck:
    """Column j is struck out of row i where one of ``pairs`` has equal numbers at i and j, unless ``kept`` has.

    pairs    numbers of the rows (B,) and of the columns (N,), int64; any of the pairs is enough
    kept     a pair that decides before the others: where it is equal, the column stays
    known_N  bool: a column of which nothing is known (False) stays; None where all are known

    >>> struck = Struck(pairs=((torch.tensor([7, 8]), torch.tensor([8, 7, 8])),))
    >>> struck.table().int().tolist()
    [[0, 1, 0], [1, 0, 1]]
    >>> struck.tile(slice(1, 2), slice(0, 2)).int().tolist()
    [[1, 0]]
    """

    pairs: tuple[Numbers, ...]
    kept: Numbers | None = None
    known_N: Tensor | None = None

    def tile(self, rows: slice, columns: slice) -> Tensor:
        """(rows, columns) bool, True where a column is struck out."""
        first, *others = self.pairs
        struck_RC = _equal(first, rows, columns)
        for pair in others:
            struck_RC |= _equal(pair, rows, columns)
        if self.known_N is not None:
            struck_RC &= self.known_N[columns]
        return struck_RC if self.kept is None else struck_RC & ~_equal(self.kept, rows, columns)

    def table(self) -> Tensor:
        """All of it, (B, N)."""
        return self.tile(slice(None), slice(None))

    def also(self, row_numbers_B: Tensor, column_numbers_N: Tensor) -> Struck:
        """The same, and columns whose number of this pair is the row's."""
        return replace(self, pairs=(*self.pairs, (row_numbers_B, column_numbers_N)))

    def but_for(self, row_numbers_B: Tensor, column_numbers_N: Tensor) -> Struck:
        """The same without columns whose number of this pair is the row's."""
        return replace(self, kept=(row_numbers_B, column_numbers_N))


def own_number(struck: Struck | None, num_rows: int, device: torch.device) -> Struck:
    """What is struck out already, and of every row the column of its own number.

    >>> own_number(None, 2, torch.device("cpu")).table().int().tolist()
    [[1, 0], [0, 1]]
    """
    rows_B = torch.arange(num_rows, device=device)
    return Struck(pairs=((rows_B, rows_B),)) if struck is None else struck.also(rows_B, rows_B)


def equal_to_any(rows: Sequence[Tensor | None], column_numbers_N: Tensor) -> Struck | None:
    """Columns whose number is any of the row's; None where no row has one.

    >>> equal_to_any([torch.tensor([1, 2]), None], torch.tensor([2])).table().tolist()
    [[False], [True]]
    """
    pairs = tuple((numbers_B, column_numbers_N) for numbers_B in rows if numbers_B is not None)
    return Struck(pairs=pairs) if pairs else None


def _equal(pair: Numbers, rows: slice, columns: slice) -> Tensor:
    return pair[0][rows, None] == pair[1][None, columns]
