"""Distillation: a text's vector, through a trained head, must find its teacher's vector among those of the batch.

    term = weight / 2  ( CE(p1, q) + CE(p2, q) )
    CE(p, q) = mean_i -log  E_ii / ( E_ii + sum_{j != i} exp( cos(theta_ij - m Delta_ij) / t ) )

    E_ii = exp(cos(p_i, q_i) / t),    theta_ij: the angle between p_i and q_j
    p1, p2 = tanh(W h + b) of the anchor and the positive before the train-only head
    q      = tanh(V z + c) of the teacher's vector z of the row;        Delta_ij = |1 - cos(z_i, z_j)|

Both heads are trained and left behind when the encoder is exported. No gradient enters the teacher. The teacher reads
anchors; one that says what the row's anchor or positive says is no negative of the row.

Nguyen et al. 2024 (KDMCSE, L_inter), https://arxiv.org/abs/2403.17486
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from contrapose.contract import (
    TEACHER,
    AngularMargin,
    Needs,
    Part,
    Supplies,
    Teacher,
    TeacherVectors,
    Temperature,
    Views,
    needs_teacher,
    teacher_similarity,
)
from contrapose.maths.angular import with_angular_margin
from contrapose.maths.reduce import softmax_loss, to_logits
from contrapose.maths.scores import Columns, score_table
from contrapose.seeds import seeded


class TeacherDistillation(Part):
    """A term of the loss with two trained heads, over the vectors before the train-only head."""

    name = "teacher-distillation"
    idea = "Each text must find its frozen teacher's vector in the batch, through two trained heads (KDMCSE)."
    needs_table = "its term compares all pairs of texts with the teacher"

    def __init__(
        self,
        *,
        teacher: Teacher = "start",
        teacher_vectors: TeacherVectors = None,
        distillation_weight: Annotated[
            float, Field(ge=0, le=100, description="of the term in the loss")
        ] = 0.01,
        distillation_width: Annotated[
            int, Field(ge=1, le=100_000, description="of the space in which text and teacher meet")
        ] = 256,
        angular_margin: AngularMargin = 0.125,
        temperature: Temperature = 0.05,
    ) -> None:
        super().__init__()
        self.needs = needs_teacher(teacher, teacher_vectors) | Needs(pooled=True)
        self.weight, self.space = distillation_weight, distillation_width
        self.angular_margin, self.temperature = angular_margin, temperature

    def attach(self, supplies: Supplies) -> None:
        """Draw both heads: their widths are those of the encoder and of the teacher."""
        with seeded(supplies.seed, self.name):
            self.text_head = nn.Linear(supplies.pooled_width or supplies.width, self.space)
            self.teacher_head = nn.Linear(supplies.companion_widths[TEACHER], self.space)

    def terms(self, views: Views) -> Mapping[str, Tensor]:
        share_BB = (1 - teacher_similarity(views, "anchor")).abs()
        teacher_BS = torch.tanh(_through(self.teacher_head, views.of("anchor", TEACHER)))
        losses = []
        for view in ("anchor", "positive"):
            text_BS = torch.tanh(_through(self.text_head, views.of(view, "pooled")))
            losses.append(self._contrast(text_BS, teacher_BS, share_BB, views))
        return {"distillation": self.weight * (losses[0] + losses[1]) / 2}

    def _contrast(self, text_BS: Tensor, teacher_BS: Tensor, share_BB: Tensor, views: Views) -> Tensor:
        repeats_BB = views.repeats_anchor("anchor")
        columns = Columns(
            origin="teacher", vectors=teacher_BS, valid=None if repeats_BB is None else ~repeats_BB
        )
        table = score_table(text_BS, [columns], torch.arange(views.num_rows, device=text_BS.device))
        turned_BB = with_angular_margin(
            table.cosine_BC, self.angular_margin, share_BB.to(table.cosine_BC.dtype)
        )
        mapped_BB = torch.where(table.is_positive_BC, table.cosine_BC, turned_BB)
        return softmax_loss(to_logits(mapped_BB, table, self.temperature), table.positive_B).mean()


def _through(head: nn.Linear, vectors_BD: Tensor) -> Tensor:
    """In the precision of the head's weights, whatever the encoder ran in."""
    projected: Tensor = head(vectors_BD.to(head.weight.dtype))
    return projected


PART = TeacherDistillation
