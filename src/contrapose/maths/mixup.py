"""Pair mixup: shares of two vectors drawn from a Beta distribution (Zhang et al. 2018), and partners drawn or mined.

Masks are boolean and excluded cosines are infinite, so that no product with 0 can win a search by accident.
"""

from __future__ import annotations

import torch
from torch import Tensor

from contrapose.seeds import numpy_generator, torch_generator


def beta_shares(shape: float, count: int, seed: int, *path: int | str, least: float = 0.0) -> Tensor:
    """(count,) fp64 shares from Beta(shape, shape), smaller ones raised to ``least``; the same for the same path.

    >>> beta_shares(1.0, 3, 0, "doctest", least=0.8).min() >= 0.8
    tensor(True)
    """
    drawn = numpy_generator(seed, *path).beta(shape, shape, count)
    return torch.from_numpy(drawn).clamp_min(least)


def drawn_partner(allowed_BB: Tensor, seed: int, *path: int | str) -> tuple[Tensor, Tensor]:
    """For each row one of its allowed columns, each as likely as another (B,), and whether it has any (B,).

    A row without any is given itself.

    >>> drawn_partner(torch.tensor([[False, True], [False, False]]), 0, "doctest")
    (tensor([1, 1]), tensor([ True, False]))
    """
    rows, columns = allowed_BB.shape
    draws_BB = torch.rand(rows, columns, generator=torch_generator(seed, *path), dtype=torch.float64)
    ordered_BB = draws_BB.to(allowed_BB.device).masked_fill(~allowed_BB, -torch.inf)
    return _or_itself(ordered_BB.argmax(1), allowed_BB)


def most_alike(cosine_BB: Tensor, allowed_BB: Tensor) -> tuple[Tensor, Tensor]:
    """For each row the allowed column of largest cosine, of equals the first; itself where none is allowed."""
    return _or_itself(cosine_BB.masked_fill(~allowed_BB, -torch.inf).argmax(1), allowed_BB)


def least_alike(cosine_BB: Tensor, allowed_BB: Tensor) -> tuple[Tensor, Tensor]:
    """For each row the allowed column of smallest cosine, of equals the first; itself where none is allowed.

    >>> least_alike(torch.tensor([[0.0, 0.9, 0.5]]).expand(3, 3), torch.tensor([[False, True, True]] * 3))[0]
    tensor([2, 2, 2])
    """
    return _or_itself(cosine_BB.masked_fill(~allowed_BB, torch.inf).argmin(1), allowed_BB)


def _or_itself(chosen_B: Tensor, allowed_BB: Tensor) -> tuple[Tensor, Tensor]:
    has_any_B = allowed_BB.any(1)
    return torch.where(has_any_B, chosen_B, torch.arange(len(chosen_B), device=chosen_B.device)), has_any_B
