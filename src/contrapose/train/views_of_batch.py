"""What a method sees of a batch: the vectors through the head, and beside them what it needs and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from contrapose.contract import Views, key_of
from contrapose.encoder.encoder import Encoder
from contrapose.train.batch_tokens import tokens_of_batch

if TYPE_CHECKING:
    from contrapose.train.step import StepPlan, TokenizedBatch


def views_of_batch(encoder: Encoder, leaf_VBD: Tensor, tokenized: TokenizedBatch, plan: StepPlan) -> Views:
    """The views of the rows of all processes.

    leaf_VBD: pooled vectors of every view, and beside each other in it those of the inner layers that are needed.
    """
    batch, needs, device = tokenized.batch, plan.needs, leaf_VBD.device
    inner: list[Tensor] = []
    pooled_VBD = leaf_VBD
    if needs.layers:
        pooled_VBD, *inner = torch.split(leaf_VBD, encoder.width, dim=-1)
    by_name = dict(zip(batch.view_names, _projected(encoder, pooled_VBD).unbind(0), strict=True))
    for layer, layer_VBD in zip(needs.layers, inner, strict=True):
        names = [key_of(view, layer) for view in batch.view_names]
        by_name |= dict(zip(names, _projected(encoder, layer_VBD).unbind(0), strict=True))
    if needs.pooled:
        names = [key_of(view, "pooled") for view in batch.view_names]
        by_name |= dict(zip(names, pooled_VBD.unbind(0), strict=True))
    if plan.companions is not None:
        others = plan.companions.views(
            batch, tokenized.companions, plan.seed, plan.processes, head=encoder.head, bf16=plan.bf16
        )
        by_name |= {name: vectors.to(device) for name, vectors in others.items()}
    return Views(
        by_name=by_name,
        text_ids={name: hashes.to(device) for name, hashes in batch.text_ids.items()},
        row_ids=batch.row_ids,
        labels=None if plan.labels_N is None else plan.labels_N[batch.row_ids].to(device),
        tokens=tokens_of_batch(encoder, tokenized, plan.processes) if needs.tokens else {},
        targets={name: target.to(device) for name, target in batch.targets.items()},
        seed=plan.seed,
        step=batch.step,
        num_steps=plan.num_steps,
    )


def _projected(encoder: Encoder, vectors_VBD: Tensor) -> Tensor:
    if encoder.head is None:
        return vectors_VBD
    # All views through the head at once: its batch norm sees the whole batch, as in training on one device.
    projected_VBD: Tensor = encoder.head(vectors_VBD.flatten(0, 1)).view_as(vectors_VBD)
    return projected_VBD
