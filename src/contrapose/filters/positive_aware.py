"""Likely false negatives are left out: texts of the batch that a frozen teacher finds nearly as alike as the positive.

    column j counts for row i  only where  alpha_ij <= alpha_ii - positive_margin  or  j = i

    alpha_ij    the teacher's cosine of row i's anchor with row j's text; alpha_ii: with its own positive

A threshold for all rows (``teacher-filter``) has to fit every text; this one follows each row's own positive. A margin
of 0.05 leaves out what is as near as the positive; 0.35 leaves only what is clearly about something else, which texts
in few topics (titles, questions, intents) need. Other rows' anchors are left out by the same rule where they are
columns.

Moreira et al. 2024, "NV-Retriever: Improving text embedding models with effective hard-negative mining", the rule
"TopK-MarginPos" for mined negatives; https://arxiv.org/abs/2407.15831
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

#: Origin of columns -> the view whose texts they are.
TEXTS_OF = {"batch": "positive", "anchors": "anchor"}


class PositiveAwareFilter(Part):
    """Strikes in-batch columns out that the teacher finds nearly as alike as the row's positive; never the positive."""

    name = "positive-aware-filter"
    idea = "In-batch negatives that a frozen teacher finds nearly as alike as the positive are left out (NV-Retriever)."

    def __init__(
        self,
        *,
        teacher: Teacher = "start",
        teacher_vectors: TeacherVectors = None,
        positive_margin: Annotated[
            float,
            Field(ge=-2, le=2, description="how far below its positive's cosine a row's negatives must be"),
        ] = 0.05,
    ) -> None:
        super().__init__()
        self.needs = needs_teacher(teacher, teacher_vectors)
        self.margin = positive_margin

    def filter(self, views: Views, table: ScoreTable) -> ScoreTable:
        highest_B1 = teacher_similarity(views).diagonal()[:, None] - self.margin
        struck_BC = torch.zeros_like(table.valid_BC)
        for origin, view in TEXTS_OF.items():
            if origin in table.origins:
                struck_BC[:, table.origins[origin]] = teacher_similarity(views, view) > highest_B1
        kept = table.without(struck_BC)
        self.report(filtered_by_positive=(table.valid_BC & ~kept.valid_BC).sum(1).float().mean())
        return kept


PART = PositiveAwareFilter
