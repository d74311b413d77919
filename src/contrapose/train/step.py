"""One step, from texts to gradients: encode, gather, score, send the gradient back.

    pooled   = encoder(texts of all views)         with graph, or without where gradient caching is on
    gathered = the pooled vectors of all processes, as a leaf
    loss     = objective(head(gathered))           gives the gradient of the leaf
    encoder gradients = pooled.backward(own slice of the leaf's gradient), summed over processes

The loss always sees a leaf, so one path serves one process and many, and gradient caching as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, cast

import torch
from torch import Tensor

from contrapose.contract import Loss, Needs, TiledOutcome, Views
from contrapose.encoder.by_length import length_groups
from contrapose.encoder.encoder import Encoder
from contrapose.encoder.templates import ids_of_views, without_bias
from contrapose.seeds import seeded
from contrapose.train.batches import Batch
from contrapose.train.companions import Companions, CompanionTexts
from contrapose.train.distributed import ProcessGroup
from contrapose.train.dropout import SeededDropout
from contrapose.train.gradcache import encode_chunks, in_order, send_gradient
from contrapose.train.gradient_sums import GradientSums
from contrapose.train.gradients import sparse_lookups
from contrapose.train.shares import backward_of_shares, beside_the_backbone, scored
from contrapose.train.views_of_batch import views_of_batch


@dataclass(frozen=True, kw_only=True)
class StepPlan:
    """How a step is computed. ``seed`` decides dropout and mixing, ``needs``, ``companions`` and ``labels_N``
    (the class of every row of the corpus) what the method sees beside its vectors; the rest decides memory and speed
    only. chunk_size: texts of a forward pass; kept_chunks: of a batch in several chunks, how many keep their graph;
    ``tiled``: the loss in tiles, or, where None, where its table would be large.
    """

    seed: int
    max_length: int
    num_groups: int = 1
    chunk_size: int | None = None
    kept_chunks: int = 1
    tiled: bool | None = False
    bf16: bool = False
    processes: ProcessGroup = field(default_factory=ProcessGroup)
    needs: Needs = field(default_factory=Needs)
    companions: Companions | None = None
    num_steps: int | None = None
    labels_N: Tensor | None = None


class Measured(Protocol):
    """A loss as the loop logs it: ``terms`` sum to ``total``; ``stats`` are detached scalars."""

    @property
    def total(self) -> Tensor: ...
    @property
    def terms(self) -> Mapping[str, Tensor]: ...
    @property
    def stats(self) -> Mapping[str, Tensor]: ...


class Computed(Protocol):
    """What the loop reads of a step whose gradients lie on the parameters, whatever its loss is made of."""

    @property
    def loss(self) -> Measured: ...
    @property
    def views(self) -> Views: ...
    def problem(self) -> str:
        """In words, what of the vectors, the loss and its own gradient is not finite; '' where all of it is."""
        ...


@dataclass(frozen=True)
class StepResult:
    """The loss of the whole batch, the views it was made from, and the gradient of each pooled vector (V, B, D)."""

    loss: Loss
    views: Views
    gradient_VBD: Tensor

    def problem(self) -> str:
        """In words, the first of embeddings, loss and their gradient that is not finite; '' where all are."""
        ids = self.views.row_ids

        def shown(rows: list[int]) -> str:
            some = ", ".join(str(int(ids[row]) if ids is not None else row) for row in rows[:5])
            return f"corpus rows {some}{', ...' if len(rows) > 5 else ''}"

        for name, view_BD in self.views.by_name.items():
            bad = torch.nonzero(~torch.isfinite(view_BD.detach()).all(1)).flatten().tolist()
            if bad:
                return f"the embedding of view '{name}' is not finite in {len(bad)} rows ({shown(bad)})"
        outcome = self.loss.outcome
        loss_B = outcome.loss_B.detach()
        first = outcome.table.rows.start if isinstance(outcome, TiledOutcome) else 0
        rows = [first + row for row in torch.nonzero(~torch.isfinite(loss_B)).flatten().tolist()]
        terms = [name for name, term in self.loss.terms.items() if not torch.isfinite(term)]
        if rows or terms:
            return f"the loss is not finite: term {', '.join(terms) or 'total'}, {len(rows)} rows ({shown(rows)})"
        bad_rows = torch.nonzero(~torch.isfinite(self.gradient_VBD).all(-1).all(0)).flatten().tolist()
        if bad_rows:
            return f"the gradient of the embeddings is not finite in {len(bad_rows)} rows ({shown(bad_rows)})"
        return ""


@dataclass(frozen=True)
class TokenizedBatch:
    """A batch with the token ids of this process's rows, view after view, and each companion's own.

    templates: which of the encoder's is around each text, where it has any.
    """

    batch: Batch
    token_ids: list[list[int]]
    companions: Mapping[str, CompanionTexts] = field(default_factory=dict)
    templates: Sequence[int] = ()


def tokenize(encoder: Encoder, batch: Batch, plan: StepPlan) -> TokenizedBatch:
    """Token ids of this process's share. Done ahead of time in a background thread: it is a pure function."""
    own = plan.processes.rows(len(batch.row_ids))
    token_ids, templates = ids_of_views(
        encoder, {name: view[own] for name, view in batch.texts.items()}, plan.max_length
    )
    others = plan.companions.tokenize(batch, own, plan.max_length) if plan.companions else {}
    return TokenizedBatch(batch, token_ids, others, templates)


def forward_backward(
    encoder: Encoder, objective: Callable[[Views], Any], tokenized: TokenizedBatch, plan: StepPlan
) -> StepResult:
    """Loss and gradients of one batch. Gradients are left on the parameters; nothing else is changed.

    objective: views -> Loss, or whatever has its ``total`` and ``shares``; a module, where it has weights of its own.
    """
    with sparse_lookups(encoder.backbone):
        return _forward_backward(encoder, objective, tokenized, plan)


def _forward_backward(
    encoder: Encoder, objective: Callable[[Views], Any], tokenized: TokenizedBatch, plan: StepPlan
) -> StepResult:
    batch, token_ids = tokenized.batch, tokenized.token_ids
    device, processes = encoder.device, plan.processes
    chunks = length_groups([len(ids) for ids in token_ids], plan.num_groups, plan.chunk_size)
    layers = plan.needs.layers
    template = plan.needs.template
    removes_bias = template is not None and template.remove_bias and bool(encoder.templates)
    caching = plan.chunk_size is not None and plan.chunk_size < len(token_ids)
    kept = min(plan.kept_chunks, len(chunks)) if caching else len(chunks)
    lower = partial(torch.autocast, device.type, torch.bfloat16, enabled=plan.bf16)

    def encode(number: int) -> Tensor:
        with (
            seeded(plan.seed, *(name := ("dropout", batch.step, processes.rank, number)), device=device),
            SeededDropout(plan.seed, *name),
        ):
            chosen = [token_ids[position] for position in chunks[number]]
            if removes_bias:
                around = [encoder.templates[tokenized.templates[position]] for position in chunks[number]]
                return without_bias(chosen, around, encode_rows)
            return encode_rows(chosen, ())

    def encode_rows(rows: Sequence[Sequence[int]], hidden: Sequence[slice]) -> Tensor:
        if not layers:
            return encoder.pooled(rows, hidden)
        # Side by side: one leaf for all of them.
        return encoder.pooled_with_layers(rows, layers, hidden).flatten(1)

    pooled = encode_chunks(encode, len(chunks), kept=kept, surroundings=lower)
    num_views = len(batch.texts)
    width = encoder.width * (1 + len(layers))
    own_VbD = in_order(pooled, chunks).view(num_views, -1, width)
    del pooled[kept:]
    leaf_VBD = processes.gather_rows(own_VbD, len(batch.row_ids)).requires_grad_()
    views = views_of_batch(encoder, leaf_VBD, tokenized, plan)
    loss = scored(objective, views, plan.tiled, processes)
    if loss.shares and processes.size > 1:
        loss = backward_of_shares(loss, [leaf_VBD, *beside_the_backbone(encoder, objective)], processes)
    else:
        torch.autograd.backward(loss.total)
    gradient_VBD = cast("Tensor", leaf_VBD.grad)
    own = processes.rows(leaf_VBD.shape[1])
    # The head saw the whole batch in every process: its gradients are complete already.
    sums = GradientSums(processes, encoder.backbone.parameters())
    send_gradient(encode, pooled, chunks, gradient_VBD[:, own].reshape(-1, width), lower, sums)
    return StepResult(loss=loss, views=views, gradient_VBD=gradient_VBD)
