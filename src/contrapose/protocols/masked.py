"""Weights that contribute least to alignment and uniformity are held at zero (An et al. 2023, SparseCSE).

    step s = score_after * steps:   scores of all weights on the coming batches (contrapose.maths.importance)
                                    the lowest share of them becomes 0; with ``rewind``, all others what they were
                                    before training, and the optimizer begins anew
    every step from s on:           their gradients are 0 before the norm is taken, and they are 0 after the optimizer

So momentum and decay cannot move them, and the norm that is clipped is that of the weights that learn. A mask may come
from a file as well (``contrapose sparsify`` writes one); then it holds from the first step on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from contrapose.contract import GradientOf, TrainingProtocol
from contrapose.errors import UsageError
from contrapose.maths.geometry import alignment, uniformity
from contrapose.maths.importance import ImportanceSums, Reduction, Scope, keep_masks, scores
from contrapose.protocols.mask_file import mask_path, read_mask

#: The two measures, of the vectors that the exported model gives: before the train-only head.
MEASURES = {
    "alignment": lambda views: alignment(views.of("anchor", "pooled"), views.of("positive", "pooled")),
    "uniformity": lambda views: uniformity(views.of("anchor", "pooled")),
}
#: Below it lie the weights that may be masked; the names in a mask's file begin behind it.
ENCODER = "encoder."
_BEFORE_SCORING = -1

Sparsity = Annotated[float, Field(ge=0, lt=1, description="share of the weights that is held at zero")]
ScoreScope = Annotated[
    Scope, Field(description="whether weights are compared within their matrix, or all with each other")
]
ScoreReduction = Annotated[
    Reduction, Field(description="gradients of batches: their mean's size, or the mean of their sizes")
]
ScoreSentences = Annotated[
    int,
    Field(
        ge=2,
        le=10_000_000,
        description="sentences that weights are scored on, at most, in full batches; one batch at least",
    ),
]


class Masked(TrainingProtocol):
    """Holds weights at zero: the least important ones, or those of a mask's file.

    Only matrices of the pretrained model are masked. Biases, norms, word and position tables, the train-only head and
    the weights of parts are left alone, and so is a matrix that no gradient reaches.
    """

    name = "masked"
    idea = "Weights that contribute least to alignment and uniformity are held at zero."
    forbids_blend = "a blend with the pretrained model would fill the weights that the mask holds at zero"

    def __init__(
        self,
        *,
        sparsity: Sparsity = 0.02,
        score_after: Annotated[
            float, Field(ge=0, lt=1, description="share of the steps after which weights are scored")
        ] = 0.5,
        rewind: Annotated[
            bool,
            Field(
                description="go back to the pretrained weights when the mask is made, and train on with it"
            ),
        ] = False,
        score_scope: ScoreScope = "matrix",
        score_reduction: ScoreReduction = "abs_mean",
        # Ours, not the paper's: 31 batches of 64, each read twice. 10,000 would cost more than a short run itself.
        score_sentences: ScoreSentences = 2_000,
        mask_file: Annotated[
            str | None,
            Field(
                min_length=1,
                description="take this mask instead, from the first step on: what sparsify wrote",
            ),
        ] = None,
    ) -> None:
        super().__init__()
        if rewind and score_after == 0:
            raise ValueError("rewind would be ignored with score_after=0: nothing has been trained by then")
        if mask_file is not None:
            chosen = (sparsity, score_after, rewind, score_scope, score_reduction, score_sentences)
            if chosen != (0.02, 0.5, False, "matrix", "abs_mean", 2_000):
                raise ValueError(
                    "mask_file says which weights are held at zero, so sparsity, score_... and rewind would be "
                    "ignored: leave them out"
                )
            mask_path(mask_file)
        self.sparsity, self.score_after, self.rewind = sparsity, score_after, rewind
        self.scope, self.reduction, self.sentences = score_scope, score_reduction, score_sentences
        self.mask_file = mask_file

    def attach(self, weights: Mapping[str, Tensor], rows: Tensor, *, seed: int) -> None:
        self.names = maskable(weights, self.run.lookup_tables)
        if not self.names:
            raise UsageError("the model has no matrix that is trained, so there is nothing to mask")
        given = {}
        if self.mask_file is not None:
            shapes = {name.removeprefix(ENCODER): weights[name].shape for name in self.names}
            given = read_mask(self.mask_file, shapes)
        for name in self.names:
            all_kept = torch.ones_like(weights[name], dtype=torch.bool)
            kept = given.get(name.removeprefix(ENCODER), all_kept).to(all_kept.device)
            self.register_buffer(_buffer(name), kept)
        scored_at = _BEFORE_SCORING if self.mask_file is None else 0
        self.register_buffer("scored_at", torch.tensor(scored_at))
        self.pretrained = (
            {name: weight.detach().cpu().clone() for name, weight in weights.items()} if self.rewind else {}
        )

    def masks(self) -> dict[str, Tensor]:
        """Weight name -> bool, False where the weight is held at zero."""
        return {name: self.get_buffer(_buffer(name)) for name in self.names}

    def inspects_at(self, step: int) -> bool:
        return not self.may_export() and step >= int(self.score_after * self.run.num_steps)

    def inspect(self, step: int, weights: Mapping[str, Tensor], gradient_of: GradientOf) -> str:
        sums = ImportanceSums({name: weights[name] for name in self.names}, self.reduction)
        for number in range(max(1, self.sentences // self.run.batch_size)):
            for measure, function in MEASURES.items():
                sums.add(measure, gradient_of(number, function))
        kept = keep_masks(scored(sums, self.scope), self.sparsity, self.scope)
        for name, mask in kept.items():
            self.get_buffer(_buffer(name)).copy_(mask)
        self.get_buffer("scored_at").fill_(step)
        for name, weight in self.pretrained.items():
            weights[name].copy_(weight)
        self._hold(weights)
        of_all = sum(mask.numel() for mask in kept.values())
        zero = of_all - sum(int(mask.sum()) for mask in kept.values())
        again = "; all others are the pretrained ones again" if self.rewind else ""
        return (
            f"before step {step + 1}, {zero:,} of {of_all:,} weights in {len(kept)} "
            f"{'matrix' if len(kept) == 1 else 'matrices'} were set to zero for the rest of the run{again}"
        )

    def restarts_optimizer_at(self, step: int) -> bool:
        return self.rewind and int(self.get_buffer("scored_at")) == step

    def before(self, step: int, weights: Mapping[str, Tensor]) -> None:
        if step == 0:  # the mask of a file; later steps find what this one left
            self._hold(weights)

    def after_backward(self, step: int, weights: Mapping[str, Tensor]) -> None:
        for name, mask in self.masks().items():
            if (gradient := weights[name].grad) is not None:
                gradient.masked_fill_(~mask, 0.0)

    def after(self, step: int, weights: Mapping[str, Tensor]) -> None:
        self._hold(weights)

    def may_export(self) -> bool:
        return int(self.get_buffer("scored_at")) != _BEFORE_SCORING

    def _hold(self, weights: Mapping[str, Tensor]) -> None:
        for name, mask in self.masks().items():
            weights[name].masked_fill_(~mask, 0.0)


def maskable(weights: Mapping[str, Tensor], lookup_tables: frozenset[str]) -> list[str]:
    """The matrices of the pretrained model among ``weights``: no bias, norm, table, head or part.

    >>> weights = {"encoder.backbone.a.weight": torch.zeros(2, 2), "encoder.backbone.a.bias": torch.zeros(2)}
    >>> weights["encoder.backbone.words.weight"] = torch.zeros(9, 2)
    >>> maskable(weights, frozenset({"encoder.backbone.words.weight"}))
    ['encoder.backbone.a.weight']
    """
    return [
        name
        for name, weight in weights.items()
        if weight.dim() == 2 and name.startswith(f"{ENCODER}backbone.") and name not in lookup_tables
    ]


def scored(sums: ImportanceSums, scope: Scope) -> dict[str, Tensor]:
    """The scores of the weights that both measures reach. Raises UsageError where a gradient was not finite."""
    by_weight = scores({measure: sums.importance(measure) for measure in MEASURES}, scope)
    if bad := [name for name, score in by_weight.items() if not bool(torch.isfinite(score).all())]:
        raise UsageError(
            f"the scores of {bad[0]} are not finite, so no weight can be chosen by them: the gradient of alignment or "
            "uniformity was not. Try --precision fp32, or a lower --learning-rate"
        )
    return by_weight


def _buffer(name: str) -> str:
    return f"mask/{name.replace('.', '/')}"


PROTOCOL = Masked
