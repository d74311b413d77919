"""The distillation of KDMCSE compares texts with the teacher's vectors of anchors, and strikes out repeats of those."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from contrapose.contract import Supplies, Views
from contrapose.regularizers.distillation import TeacherDistillation

ROWS, WIDTH = 3, 4


def counts_for(view: str, texts: dict[str, Tensor]) -> list[list[bool]]:
    """(B, B): whether the teacher's vector of anchor j counts for the text of row i, seen in that one's gradient."""
    part = TeacherDistillation(distillation_width=5, temperature=0.5)
    part.attach(Supplies(width=WIDTH, companion_widths={"teacher": WIDTH}))
    names = ("anchor", "positive", "anchor@pooled", "positive@pooled", "anchor@teacher")
    drawn = torch.randn(len(names), ROWS, WIDTH, generator=torch.Generator().manual_seed(0))
    views = Views(by_name=dict(zip(names, drawn, strict=True)), text_ids=texts)

    def gradient(teacher_BD: Tensor) -> Tensor:
        text_BD = views.of(view, "pooled").clone().requires_grad_()
        given = views.with_views(**{f"{view}@pooled": text_BD, "anchor@teacher": teacher_BD})
        return torch.autograd.grad(part.terms(given)["distillation"], text_BD)[0]

    teacher_BD = views.of("anchor", "teacher")
    before_BD = gradient(teacher_BD)
    moved = []
    for column in range(ROWS):
        other_BD = teacher_BD.clone()
        other_BD[column] = other_BD[column].flip(0)
        moved.append((gradient(other_BD) != before_BD).any(1))
    return torch.stack(moved, dim=1).tolist()


@pytest.mark.parametrize("view", ["anchor", "positive"])
def test_a_text_is_not_pushed_off_the_teacher_s_vector_of_itself(view: str) -> None:
    """Row 0 is the pair (A, B) and row 1 the pair (B, C), so the teacher's vector of row 1 is that of text B."""
    texts = {"anchor": torch.tensor([1, 2, 4]), "positive": torch.tensor([2, 3, 5])}
    assert counts_for(view, texts) == [[True, False, True], [True, True, True], [True, True, True]]
    assert counts_for(view, {}) == [[True] * ROWS] * ROWS
