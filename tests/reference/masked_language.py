"""The masked-language term written with loops over views, rows and positions, as the equation reads."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def mean_loss(logits_of: Sequence[Sequence[Tensor]], ids: Tensor, chosen: Tensor) -> Tensor:
    """The mean over the chosen positions of -log softmax(logits)[word]; ``logits_of[row][position]`` is (V,)."""
    total, count = torch.zeros((), dtype=torch.float64), 0
    for row in range(ids.shape[0]):
        for position in range(ids.shape[1]):
            if not chosen[row, position]:
                continue
            scores = logits_of[row][position]
            normaliser = torch.zeros((), dtype=torch.float64)
            for word in range(len(scores)):
                normaliser = normaliser + torch.exp(scores[word])
            total = total + torch.log(normaliser) - scores[int(ids[row, position])]
            count += 1
    return total / count
