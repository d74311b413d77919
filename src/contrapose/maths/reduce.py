"""From a table of transformed cosines to logits, and from logits to one loss per row."""

from __future__ import annotations

import torch
from torch import Tensor

from contrapose.maths.scores import ScoreTable


def to_logits(mapped_BC: Tensor, table: ScoreTable, temperature: float) -> Tensor:
    """Cosines, after whatever map the objective applies to them, as logits (B, C).

    Temperature is divided last, log-weights are added, and columns that do not count get the lowest finite number, so
    that their exponential is exactly 0. This is the only place where excluded logits are set.
    """
    logits_BC = mapped_BC / temperature
    if table.log_weight_BC is not None:
        logits_BC = logits_BC + table.log_weight_BC
    return logits_BC.masked_fill(~table.valid_BC, torch.finfo(logits_BC.dtype).min)


def softmax_loss(logits_BC: Tensor, positive_B: Tensor) -> Tensor:
    """-log softmax at the positive, one per row (B,).

    loss_i = logsumexp_c logits_ic - logits_i,positive(i);  exactly 0 where a row has no other column.

    >>> softmax_loss(torch.tensor([[0.0, 0.0]]), torch.tensor([0]))
    tensor([0.6931])
    """
    at_positive_B = logits_BC.gather(1, positive_B[:, None]).squeeze(1)
    return torch.logsumexp(logits_BC, dim=1) - at_positive_B


def softmax_loss_of_sums(own_logit_B: Tensor, log_sum_B: Tensor) -> Tensor:
    """The same from the positive's logit and the log of the sum over the other columns, (B,).

    >>> softmax_loss_of_sums(torch.tensor([0.0]), torch.tensor([0.0]))
    tensor([0.6931])
    """
    return torch.logaddexp(own_logit_B, log_sum_B) - own_logit_B
