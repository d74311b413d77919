"""A loss of which every process has a share only, because a term is made of its own rows, or of their tokens.

What processes must not add up twice is the gradient of a term that all have in full. So the shares go backward first,
their gradients are added up over the processes, and the rest goes backward after that, on top of the sums.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from contrapose.contract import Loss, Views
from contrapose.encoder.encoder import Encoder
from contrapose.objectives.objective import Objective
from contrapose.train.distributed import ProcessGroup


def scored(
    objective: Callable[[Views], Any], views: Views, tiled: bool | None, processes: ProcessGroup
) -> Loss:
    """The loss of the batch; in tiles, of this process's rows against all columns."""
    if isinstance(objective, Objective):
        loss: Loss = objective(views, tiled=tiled, rows=processes.rows(views.num_rows))
        return loss
    return cast("Loss", objective(views))


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
    if in_full := [term for name, term in loss.terms.items() if name not in loss.shares]:
        torch.autograd.backward(torch.stack(in_full).sum())
    added_up = processes.sum(torch.stack(shares)).unbind(0)
    terms = {**loss.terms, **dict(zip(sorted(loss.shares), added_up, strict=True))}
    total = torch.stack([v.detach() for v in terms.values()]).sum()
    return replace(loss, terms=terms, total=total, stats=_over_all_rows(loss, processes))


def _over_all_rows(loss: Loss, processes: ProcessGroup) -> dict[str, Tensor]:
    """The statistics, those of this process's rows as means over the rows of all processes."""
    names = sorted(loss.row_stats)
    if not names:
        return dict(loss.stats)
    mine = torch.stack([loss.stats[name].detach().float() for name in names])
    # A process that has more rows counts for more; one without a value does not count.
    rows = (~mine.isnan()).float() * len(loss.outcome.loss_B)
    sums, counts = processes.sum(torch.stack([mine.nan_to_num() * rows, rows])).unbind(0)
    # 0 / 0 where no process has one: not a number, as with one process.
    return {**loss.stats, **dict(zip(names, (sums / counts).unbind(0), strict=True))}
