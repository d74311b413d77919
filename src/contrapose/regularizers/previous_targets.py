"""Targets of an earlier model (PNR): through a trained predictor, a text must still find what that model said of it.

    term = weight / 2  ( L(1) + L(2) )                                   1: anchors, 2: positives
    L(v) = mean_i -log  exp(cos(p_i, f_i) / t) / ( exp(cos(p_i, f_i) / t) + sum_{j != i} exp(cos(p_i, n_j) / t) )
                                                                         n_j: f_j, and z_j

    z_i  the view's vector before the train-only head            f_i  the frozen earlier model's vector of that text
    p_i = W' ReLU( BatchNorm( W z_i ) )                          the predictor

The earlier model is the target, and the predictor may map the new space onto it: so the model is free to learn what is
new as long as nothing that was known is lost. Negatives come from both models, as in the part ``pseudo-negatives``. The
predictor is trained, and left behind when the encoder is exported. No gradient enters the earlier model.

It begins as the identity, but for the batch norm: with the small learning rates of a pretrained model a predictor that
is drawn stays near what was drawn, and the encoder would learn to suit it. ``predictor_start="random"`` draws it.

``target_in_denominator=False`` leaves the target out of its own denominator, as the published code for SimCLR does;
``detach_current`` cuts the gradient into z_j as a negative, as the published code for MoCo does.

Cha, Cho, Moon 2024, https://arxiv.org/abs/2306.05101
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from contrapose.contract import (
    PREVIOUS,
    Part,
    Previous,
    PreviousDropout,
    Supplies,
    Views,
    needs_previous,
)
from contrapose.errors import UsageError
from contrapose.maths.reduce import softmax_loss, to_logits
from contrapose.maths.scores import Columns, ScoreTable, score_table
from contrapose.maths.similarity import at_least_fp32
from contrapose.seeds import seeded


class PreviousTargets(Part):
    """A term of the loss with a trained predictor, over the vectors before the train-only head."""

    name = "previous-targets"
    idea = "Through a trained predictor, each text must find a frozen earlier model's vector of it (PNR)."
    needs_table = "its term compares all pairs of texts with the earlier model"

    predictor: nn.Sequential

    def __init__(
        self,
        *,
        previous: Previous = "start",
        previous_dropout: PreviousDropout = False,
        target_weight: Annotated[float, Field(ge=0, le=100, description="of the term in the loss")] = 1.0,
        target_temperature: Annotated[
            float, Field(gt=0, le=10, description="cosines with targets are divided by it")
        ] = 0.05,
        predictor_width: Annotated[
            int | None,
            Field(ge=1, le=100_000, description="of its hidden layer; none: twice that of the vectors"),
        ] = None,
        predictor_start: Annotated[
            Literal["identity", "random"],
            Field(description="how the predictor begins: as nearly the vector itself, or as it is drawn"),
        ] = "identity",
        target_in_denominator: Annotated[
            bool,
            Field(description="off: the target is left out of its denominator, as in the code for SimCLR"),
        ] = True,
        detach_current: Annotated[
            bool, Field(description="no gradient into the trained model's own vectors as negatives")
        ] = False,
    ) -> None:
        super().__init__()
        self.needs = needs_previous(previous, previous_dropout)
        self.weight, self.temperature, self.hidden = target_weight, target_temperature, predictor_width
        self.starts_as_identity = predictor_start == "identity"
        self.target_in_denominator, self.detach_current = target_in_denominator, detach_current

    def attach(self, supplies: Supplies) -> None:
        """Draw the predictor: its widths are those of the two models, which are one."""
        width = supplies.pooled_width or supplies.width
        hidden = self.hidden or 2 * width
        with seeded(supplies.seed, self.name):
            self.predictor = nn.Sequential(
                nn.Linear(width, hidden, bias=False),  # the batch norm would take a bias off again
                # It is never used outside of training, so it keeps no running means.
                nn.BatchNorm1d(hidden, track_running_stats=False),
                nn.ReLU(),
                nn.Linear(hidden, width),
            )
        if self.starts_as_identity:
            start_as_identity(self.predictor, width)

    def terms(self, views: Views) -> Mapping[str, Tensor]:
        losses = [self._loss(views, view) for view in ("anchor", "positive")]
        return {"targets": self.weight * (losses[0] + losses[1]) / 2}

    def _loss(self, views: Views, view: str) -> Tensor:
        """Of one direction, a scalar."""
        current_BD, target_BD = views.of(view, "pooled"), views.of(view, PREVIOUS).detach()
        if views.num_rows == 1:  # there is no other text, and a batch norm has nothing to compare
            return 0 * at_least_fp32(current_BD).sum()
        # In the precision of the predictor's weights, whatever the encoder ran in.
        predicted_BD = self.predictor(current_BD.to(next(self.predictor.parameters()).dtype))
        table = target_table(
            predicted_BD,
            target_BD,
            current_BD.detach() if self.detach_current else current_BD,
            views.repeats_anchor(view),
        )
        return target_loss(table, self.temperature, self.target_in_denominator).mean()


@torch.no_grad()
def start_as_identity(predictor: nn.Sequential, width: int) -> None:
    """Set the weights so that the predictor gives each vector as its batch norm leaves it: x = ReLU(x) - ReLU(-x).

    Raises UsageError where its hidden layer is not twice as wide as the vectors.
    """
    first, _norm, _relu, last = predictor
    assert isinstance(first, nn.Linear)
    assert isinstance(last, nn.Linear)
    if len(first.weight) < 2 * width:
        raise UsageError(
            f"predictor_width is {len(first.weight)}, and a predictor that begins as the identity needs {2 * width}, "
            "twice the width of the vectors: leave it out, or give predictor_start=random"
        )
    eye = torch.eye(width)
    first.weight[: 2 * width] = torch.cat([eye, -eye])
    last.weight.zero_()
    last.weight[:, : 2 * width] = torch.cat([eye, -eye], dim=1)
    last.bias.zero_()


def target_table(
    predicted_BD: Tensor, target_BD: Tensor, current_BD: Tensor, repeats_BB: Tensor | None
) -> ScoreTable:
    """Columns [targets of all rows | current vectors of all rows]; row i's target is column i.

    repeats_BB: what says what the row says, and is no negative of it; None where no text is known.
    """
    own_BB = torch.eye(len(predicted_BD), dtype=torch.bool, device=predicted_BD.device)
    repeats_BB = own_BB if repeats_BB is None else own_BB | repeats_BB
    blocks = [
        Columns(origin=PREVIOUS, vectors=target_BD, valid=~repeats_BB),
        Columns(origin="current", vectors=current_BD, valid=~repeats_BB),
    ]
    return score_table(predicted_BD, blocks, torch.arange(len(predicted_BD), device=predicted_BD.device))


def target_loss(table: ScoreTable, temperature: float, target_in_denominator: bool = True) -> Tensor:
    """One loss per row (B,): 0 where a row has no negative.

    >>> same = target_table(torch.eye(2), torch.eye(2), torch.eye(2), None)
    >>> target_loss(same, 1.0), target_loss(same, 1.0, False)             # log(1 + 2 / e), log(2 / e)
    (tensor([0.5514, 0.5514]), tensor([-0.3069, -0.3069]))
    """
    logits_BC = to_logits(table.cosine_BC, table, temperature)
    if target_in_denominator:
        return softmax_loss(logits_BC, table.positive_B)
    own_B = logits_BC.gather(1, table.positive_B[:, None]).squeeze(1)
    others_BC = logits_BC.masked_fill(table.is_positive_BC, torch.finfo(logits_BC.dtype).min)
    loss_B = torch.logsumexp(others_BC, dim=1) - own_B
    return loss_B.masked_fill(~table.negative_BC.any(1), 0.0)


PART = PreviousTargets
