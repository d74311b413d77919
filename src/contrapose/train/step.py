"""One step, from texts to gradients: encode, gather, score, send the gradient back.

    pooled   = encoder(texts of all views)         with graph, or without where gradient caching is on
    gathered = the pooled vectors of all processes, as a leaf
    loss     = objective(head(gathered))           gives the gradient of the leaf
    encoder gradients = pooled.backward(own slice of the leaf's gradient), summed over processes

The loss always sees a leaf, so one path serves one process and many, and gradient caching as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor

from contrapose.contract import Loss, Views
from contrapose.encoder.encoder import Encoder
from contrapose.objectives.objective import Objective
from contrapose.seeds import seeded
from contrapose.train.batches import Batch
from contrapose.train.chunks import length_groups
from contrapose.train.distributed import ProcessGroup
from contrapose.train.dropout import SeededDropout
from contrapose.train.gradcache import encode_chunks, in_order, send_gradient
from contrapose.train.gradients import sparse_lookups


@dataclass(frozen=True, kw_only=True)
class StepPlan:
    """How a step is computed. ``seed`` decides dropout and mixing; the rest decides memory and speed only."""

    seed: int
    max_length: int
    num_groups: int = 1
    chunk_size: int | None = None
    bf16: bool = False
    processes: ProcessGroup = field(default_factory=ProcessGroup)


@dataclass(frozen=True)
class StepResult:
    """The loss of the whole batch, the views it was made from, and the gradient of each pooled vector (V, B, D)."""

    loss: Loss
    views: Views
    gradient_VBD: Tensor


@dataclass(frozen=True)
class TokenizedBatch:
    """A batch with the token ids of this process's rows, view after view."""

    batch: Batch
    token_ids: list[list[int]]


def tokenize(encoder: Encoder, batch: Batch, plan: StepPlan) -> TokenizedBatch:
    """Token ids of this process's share. Done ahead of time in a background thread: it is a pure function."""
    own = plan.processes.rows(len(batch.row_ids))
    texts = [text for view in batch.texts.values() for text in view[own]]
    return TokenizedBatch(batch, encoder.token_ids(texts, plan.max_length))


def forward_backward(
    encoder: Encoder, objective: Objective, tokenized: TokenizedBatch, plan: StepPlan
) -> StepResult:
    """Loss and gradients of one batch. Gradients are left on the parameters; nothing else is changed."""
    with sparse_lookups(encoder.backbone):
        return _forward_backward(encoder, objective, tokenized, plan)


def _forward_backward(
    encoder: Encoder, objective: Objective, tokenized: TokenizedBatch, plan: StepPlan
) -> StepResult:
    batch, token_ids = tokenized.batch, tokenized.token_ids
    device, processes = encoder.device, plan.processes
    chunks = length_groups([len(ids) for ids in token_ids], plan.num_groups, plan.chunk_size)
    caching = plan.chunk_size is not None and plan.chunk_size < len(token_ids)

    def encode(number: int) -> Tensor:
        with (
            seeded(plan.seed, *(name := ("dropout", batch.step, processes.rank, number)), device=device),
            SeededDropout(plan.seed, *name),
            torch.autocast(device.type, torch.bfloat16, enabled=plan.bf16),
        ):
            return encoder.pooled([token_ids[position] for position in chunks[number]])

    pooled = encode_chunks(encode, chunks, keep_graph=not caching)
    num_views = len(batch.texts)
    own_VbD = in_order(pooled, chunks).view(num_views, -1, encoder.width)
    leaf_VBD = processes.gather_rows(own_VbD).requires_grad_()
    views = _views(encoder, leaf_VBD, batch, plan.seed)
    loss = cast("Loss", objective(views))
    torch.autograd.backward(loss.total)
    gradient_VBD = cast("Tensor", leaf_VBD.grad)
    own = processes.rows(leaf_VBD.shape[1])
    send_gradient(encode, pooled, chunks, gradient_VBD[:, own].reshape(-1, encoder.width))
    # The head saw the whole batch in every process: its gradients are complete already.
    processes.sum_gradients(encoder.backbone.parameters())
    return StepResult(loss=loss, views=views, gradient_VBD=gradient_VBD)


def _views(encoder: Encoder, pooled_VBD: Tensor, batch: Batch, seed: int) -> Views:
    projected_VBD = pooled_VBD
    if encoder.head is not None:
        # All views through the head at once: its batch norm sees the whole batch, as in training on one device.
        projected_VBD = encoder.head(pooled_VBD.flatten(0, 1)).view_as(pooled_VBD)
    return Views(
        by_name=dict(zip(batch.view_names, projected_VBD.unbind(0), strict=True)),
        text_ids={name: numbers.to(pooled_VBD.device) for name, numbers in batch.text_ids.items()},
        row_ids=batch.row_ids,
        seed=seed,
        step=batch.step,
    )
