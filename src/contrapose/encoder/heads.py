"""Heads that stand between pooling and loss while training, and are thrown away afterwards.

SimCSE's finding (its table of poolers): on unlabeled text a freshly made layer over [CLS] helps training, and the
vector *below* it is the better sentence embedding. So a head is never saved with the model; a run's checkpoint keeps
it, for resuming.
"""

from __future__ import annotations

import torch
from torch import nn

from contrapose.errors import UsageError, nearest
from contrapose.seeds import seeded, torch_generator

HEADS = ("none", "linear-tanh", "mlp-bn")

#: Standard deviation of BERT's own initialisation, which SimCSE's head inherits.
BERT_INITIAL_STD = 0.02


def build_head(name: str, width: int, seed: int = 0) -> nn.Module | None:
    """A new head, the same for the same seed on every machine; no global random number is drawn.

    none         no head: None
    linear-tanh  Linear(D, D) and tanh, as SimCSE
    mlp-bn       Linear(D, 2D) - BatchNorm - ReLU - Linear(2D, D) - BatchNorm without scale, as DiffCSE

    >>> build_head("none", 8) is None
    True
    >>> build_head("linear-tanh", 8)(torch.zeros(1, 8)).abs().max().item()
    0.0
    """
    if name not in HEADS:
        raise UsageError(f"unknown head '{name}'{nearest(name, HEADS)} Known: {', '.join(HEADS)}")
    if name == "none":
        return None
    with seeded(seed, "head", name):
        if name == "mlp-bn":
            return nn.Sequential(
                nn.Linear(width, 2 * width, bias=False),
                nn.BatchNorm1d(2 * width),
                nn.ReLU(),
                nn.Linear(2 * width, width, bias=False),
                nn.BatchNorm1d(width, affine=False),
            )
        linear = nn.Linear(width, width)
    with torch.no_grad():
        linear.weight.normal_(0.0, BERT_INITIAL_STD, generator=torch_generator(seed, "head", name))
        linear.bias.zero_()
    return nn.Sequential(linear, nn.Tanh())
