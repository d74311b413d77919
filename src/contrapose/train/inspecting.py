"""The gradients of measures that a training protocol asks for, by the same path as those of the loss.

A measure stands where the objective stands in a step: so gradient caching, several processes and the length groups
need no second path, and all processes see the same gradients. The backward pass leaves nothing behind: gradients are
cleared, and running statistics put back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from contrapose.contract import Needs, Views
from contrapose.encoder.encoder import Encoder
from contrapose.train.gradients import clear_gradients
from contrapose.train.modules import put_back, running_statistics, trainable
from contrapose.train.prefetcher import batch_at
from contrapose.train.step import StepPlan, TokenizedBatch, forward_backward

if TYPE_CHECKING:
    from contrapose.train.session import Session


@dataclass(frozen=True)
class _Scalar:
    """What a step needs to know of a loss."""

    total: Tensor
    terms: Mapping[str, Tensor] = field(default_factory=dict)
    shares: frozenset[str] = frozenset()


def gradient_of_measure(
    modules: nn.Module,
    encoder: Encoder,
    tokenized: TokenizedBatch,
    plan: StepPlan,
    measure: Callable[[Views], Tensor],
) -> dict[str, Tensor]:
    """Name -> gradient of ``measure(views)`` by every trainable weight of ``modules`` that it reaches.

    Dropout is that of training at the batch's step, where the encoder is in training mode. Valid until the next call.
    """
    alone = replace(plan, needs=Needs(pooled=True), companions=None)
    before = [buffer.clone() for buffer in running_statistics(modules)]
    clear_gradients(modules, encoder.backbone)
    with torch.enable_grad():
        forward_backward(encoder, lambda views: _Scalar(measure(views)), tokenized, alone)
    put_back(modules, before)
    return {name: weight.grad for name, weight in trainable(modules).items() if weight.grad is not None}


def inspect(session: Session) -> None:
    """Let the protocol look at gradients, at the step where the session stands."""
    step = session.progress.step

    def gradient_of(number: int, measure: Callable[[Views], Tensor]) -> Mapping[str, Tensor]:
        tokenized = batch_at(session, step + number)
        gradients = gradient_of_measure(session.modules, session.encoder, tokenized, session.plan, measure)
        session.listener.advance()
        return gradients

    with session.listener.task("inspecting the weights", unit="batch"), torch.no_grad():
        words = session.protocol.inspect(step, trainable(session.modules), gradient_of)
    clear_gradients(session.modules, session.encoder.backbone)
    if words:
        session.listener.notice(words)
