"""Likely false negatives are left out: texts of the batch that a frozen teacher finds too alike.

    column j counts for row i  only where  alpha_ij <= threshold  or  j = i        alpha_ij: the teacher's cosine

Nguyen et al. 2024 (KDMCSE), https://arxiv.org/abs/2403.17486
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field

from contrapose.contract import (
    Part,
    ScoreTable,
    Teacher,
    TeacherVectors,
    Views,
    needs_teacher,
    teacher_similarity,
)


class TeacherFilter(Part):
    """Strikes in-batch columns out where the teacher's similarity is above a threshold; never the positive."""

    name = "teacher-filter"
    idea = "In-batch negatives that a frozen teacher finds too alike are left out (KDMCSE)."

    def __init__(
        self,
        *,
        teacher: Teacher = "start",
        teacher_vectors: TeacherVectors = None,
        threshold: Annotated[
            float, Field(ge=-1, le=1, description="cosine by the teacher above which a negative is left out")
        ] = 0.9,
    ) -> None:
        super().__init__()
        self.needs = needs_teacher(teacher, teacher_vectors)
        self.threshold = threshold

    def filter(self, views: Views, table: ScoreTable) -> ScoreTable:
        alike_BB = teacher_similarity(views) > self.threshold
        struck_BC = torch.zeros_like(table.valid_BC)
        struck_BC[:, table.origins["batch"]] = alike_BB
        kept = table.without(struck_BC)
        self.report(filtered_by_teacher=(table.valid_BC & ~kept.valid_BC).sum(1).float().mean())
        return kept


PART = TeacherFilter
