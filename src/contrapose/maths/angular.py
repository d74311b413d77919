"""Cosines of turned vectors: an additive margin on the angle, without the arc cosine and its infinite slope."""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: The sine is taken of a cosine no larger than 1 less this: at 1 its slope is infinite.
NEAR_ONE = 1e-6


def turned_closer(cosine: Tensor, angle: Tensor) -> Tensor:
    """cos(theta - angle) = c cos(angle) + sqrt(1 - c^2) sin(angle); exactly c where the angle is 0.

    >>> turned_closer(torch.tensor([0.0, 0.5]), torch.tensor([math.pi / 6, 0.0]))
    tensor([0.5000, 0.5000])
    """
    inside = cosine.clamp(-1 + NEAR_ONE, 1 - NEAR_ONE)
    return cosine * angle.cos() + (1 - inside * inside).sqrt() * angle.sin()


def with_angular_margin(cosine: Tensor, margin: float, share: Tensor) -> Tensor:
    """Angles above ``margin`` are made smaller by ``share * margin``, smaller ones are left as they are.

    Turned like this a negative looks closer than it is, so it is pushed away further.

    >>> with_angular_margin(torch.tensor([0.0, 1.0]), math.pi / 6, torch.ones(2))
    tensor([0.5000, 1.0000])
    """
    turned = turned_closer(cosine, share * margin)
    return torch.where(cosine < math.cos(margin), turned, cosine)
