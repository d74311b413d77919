"""Replaced token detection written with loops over rows, positions and words, as the equation reads."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def written(ids: Tensor, attention: Tensor, logits: Tensor, hidden: Tensor | None) -> list[list[int]]:
    """The most probable word at every position (or where ``hidden``); the first token and padding stay."""
    rows = []
    for row in range(ids.shape[0]):
        words = []
        for position in range(ids.shape[1]):
            best = max(range(logits.shape[2]), key=lambda word: float(logits[row, position, word]))
            keeps = position == 0 or not attention[row, position]
            if hidden is not None and not hidden[row, position]:
                keeps = True
            words.append(int(ids[row, position]) if keeps else best)
        rows.append(words)
    return rows


def detection(
    scores: Sequence[Tensor], ids: Tensor, new: Tensor, attention: Tensor, *, nonpad: bool = False
) -> Tensor:
    """The mean over positions of -log softmax(scores)[was it changed]; ``scores[row][position]`` is (2,)."""
    total, count = torch.zeros((), dtype=torch.float64), 0
    for row in range(ids.shape[0]):
        for position in range(ids.shape[1]):
            if nonpad and not attention[row, position]:
                continue
            changed = bool(attention[row, position]) and int(new[row, position]) != int(ids[row, position])
            kept_score, changed_score = scores[row][position]
            own = changed_score if changed else kept_score
            total = total - own + torch.log(torch.exp(kept_score) + torch.exp(changed_score))
            count += 1
    assert math.isfinite(float(total.detach()))
    return total / count
