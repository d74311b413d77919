"""One step of masked language modelling: hide words, read the texts, ask for the words, send the gradient back.

Nothing is gathered: each process has its own rows' share of the mean over the hidden words of the whole batch, and the
gradients of the shares are added up, as are the words that were filled in right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from contrapose.contract import Views
from contrapose.encoder.encoder import Encoder
from contrapose.objectives.objective import Objective
from contrapose.regularizers.mlm import MaskedLanguageModelling, accuracy
from contrapose.train.batch_tokens import tokens_of_batch
from contrapose.train.dropout import SeededDropout
from contrapose.train.gradient_sums import GradientSums
from contrapose.train.gradients import sparse_lookups
from contrapose.train.step import StepPlan, TokenizedBatch

#: The part of every method that has this loss; here it stands alone.
PART = "mlm"


@dataclass(frozen=True)
class HiddenWords:
    """The mean loss of the hidden words of the whole batch; ``stats``: the share that was filled in right."""

    total: Tensor
    terms: Mapping[str, Tensor]
    stats: Mapping[str, Tensor]


@dataclass(frozen=True)
class HiddenWordsResult:
    """As the loop reads a step. ``views`` hold tokens and no vectors."""

    loss: HiddenWords
    views: Views

    def problem(self) -> str:
        return "" if torch.isfinite(self.loss.total) else "the loss of the hidden words is not finite"


def forward_backward(
    encoder: Encoder, objective: Objective, tokenized: TokenizedBatch, plan: StepPlan
) -> HiddenWordsResult:
    """Loss and gradients of one batch. The objective's equation is not asked: its part is the whole loss."""
    batch, processes = tokenized.batch, plan.processes
    part = cast("MaskedLanguageModelling", objective.parts[PART])
    views = Views(
        by_name={},
        row_ids=batch.row_ids,
        tokens=tokens_of_batch(encoder, tokenized, processes),
        seed=plan.seed,
        step=batch.step,
        num_steps=plan.num_steps,
    )
    dropout = SeededDropout(plan.seed, "dropout", batch.step, processes.rank)
    sums = GradientSums(processes, [*encoder.backbone.parameters(), *objective.parameters()])
    with sparse_lookups(encoder.backbone), dropout:
        share, filled_in_2 = part.measured(views)
        with sums:
            torch.autograd.backward(share)
    total = processes.sum(share)
    told = {"mlm_accuracy": accuracy(processes.sum(filled_in_2))}
    return HiddenWordsResult(HiddenWords(total, {"mlm": total}, told), views)
