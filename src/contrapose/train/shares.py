"""A loss of which every process has a share only, because a term is made of its own rows' tokens.

What processes must not add up twice is the gradient of a term that all have in full. So the shares go backward first,
their gradients are added up over the processes, and the rest goes backward after that, on top of the sums.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from contrapose.contract import Loss, Views
from contrapose.encoder.encoder import Encoder
from contrapose.train.distributed import ProcessGroup


def beside_the_backbone(encoder: Encoder, objective: Callable[[Views], Any]) -> list[nn.Parameter]:
    """The parameters that every process gives its gradient from the loss itself: of the head and of the parts."""
    head = encoder.head.parameters() if encoder.head is not None else ()
    own = objective.parameters() if isinstance(objective, nn.Module) else ()
    return [parameter for parameter in (*head, *own) if parameter.requires_grad]


def backward_of_shares(loss: Loss, leaves: list[Tensor], processes: ProcessGroup) -> Loss:
    """Terms of which each process has a share: their gradients are added up before those that all have in full."""
    shares = [loss.terms[name] for name in sorted(loss.shares)]
    torch.autograd.backward(torch.stack(shares).sum(), retain_graph=True)
    processes.sum_gradients(leaves)
    torch.autograd.backward(
        torch.stack([v for name, v in loss.terms.items() if name not in loss.shares]).sum()
    )
    added_up = processes.sum(torch.stack(shares)).unbind(0)
    terms = {**loss.terms, **dict(zip(sorted(loss.shares), added_up, strict=True))}
    return replace(loss, terms=terms, total=torch.stack([v.detach() for v in terms.values()]).sum())
