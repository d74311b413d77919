"""Who is near whom stays as a frozen teacher has it: what the contrast does not teach is not forgotten.

    term   = weight * mean_i KL( p_i || q_i )
    p_i(j) = softmax_j( alpha_ij / t ),   q_i(j) = softmax_j( c_ij / t ),   j: all texts of the batch but the own row's

    alpha, c    cosines by the teacher and by the encoder among the 2B anchors and positives;  t: similarity_temperature

With the model that training begins with as teacher, the term is 0 at the first step but for dropout, and holds the
space where there is no signal. The own row (the text and its partner) is left out: how near they are is what the
contrast teaches. Similarities are distilled, not vectors, so the space may turn as a whole.

Fang et al. 2021, "SEED: Self-supervised Distillation for Visual Representation" (ICLR), with the batch in place of the
queue; https://arxiv.org/abs/2101.04731
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import kl_div

from contrapose.contract import TEACHER, Part, Teacher, TeacherVectors, Views, needs_teacher
from contrapose.maths.similarity import cosine_table

#: The logit of the own row: its share is 0 in fp32, and its logarithm a number.
NOT_COMPARED = -1e4


class SimilarityDistillation(Part):
    """A term of the loss, of no parameters; the teacher may be of any width."""

    name = "similarity-distillation"
    idea = "Cosines among the batch stay as a frozen teacher, such as the start, has them (SEED)."
    needs_table = "its term compares all pairs of texts"

    def __init__(
        self,
        *,
        teacher: Teacher = "start",
        teacher_vectors: TeacherVectors = None,
        similarity_weight: Annotated[
            float, Field(ge=0, le=1000, description="of the term in the loss")
        ] = 1.0,
        similarity_temperature: Annotated[
            float, Field(gt=0, le=10, description="divides the cosines that are compared")
        ] = 0.05,
    ) -> None:
        super().__init__()
        self.needs = needs_teacher(teacher, teacher_vectors)
        self.weight, self.temperature = similarity_weight, similarity_temperature

    def terms(self, views: Views) -> Mapping[str, Tensor]:
        teacher = [views.of(view, TEACHER) for view in ("anchor", "positive")]
        before_XX = self._log_shares(*teacher).detach()
        now_XX = self._log_shares(views.anchor, views.positive)
        divergence_X = kl_div(now_XX, before_XX, reduction="none", log_target=True).sum(1)
        return {"similarity": self.weight * divergence_X.mean()}

    def _log_shares(self, anchor_BD: Tensor, positive_BD: Tensor) -> Tensor:
        """(2B, 2B) log of the shares; a column of the own row has next to none, by the lowest finite logit."""
        texts_XD = torch.cat([anchor_BD, positive_BD])
        own_XX = torch.eye(len(anchor_BD), dtype=torch.bool, device=texts_XD.device).repeat(2, 2)
        logits_XX = cosine_table(texts_XD, texts_XD) / self.temperature
        return logits_XX.masked_fill(own_XX, NOT_COMPARED).log_softmax(dim=1)


PART = SimilarityDistillation
