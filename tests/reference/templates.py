"""A text in a template less its template's bias, row by row, as the paper writes it: the empty template is read without
the text, and the numbers of the positions after it are moved on by the text's length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def vector_at_mask(backbone: Any, ids: Sequence[int], mask_id: int, positions: Sequence[int]) -> Tensor:
    """(D,) the state at the mask token of one row, whose tokens stand at these positions."""
    states = backbone(
        input_ids=torch.tensor([list(ids)]), position_ids=torch.tensor([list(positions)])
    ).last_hidden_state[0]
    state: Tensor = states[list(ids).index(mask_id)]
    return state


def without_bias(
    backbone: Any,
    rows: Sequence[Sequence[int]],
    opening: Sequence[int],
    closing: Sequence[int],
    mask_id: int,
) -> Tensor:
    """(N, D); every row is opening, text, closing."""
    vectors = []
    for row in rows:
        length = len(row) - len(opening) - len(closing)
        whole = vector_at_mask(backbone, row, mask_id, range(len(row)))
        places = [*range(len(opening)), *(len(opening) + length + number for number in range(len(closing)))]
        alone = vector_at_mask(backbone, [*opening, *closing], mask_id, places)
        vectors.append(whole - alone)
    return torch.stack(vectors)
