"""The start's similarities are kept: the term by a definition written as loops, 0 where nothing moved, in any
rotation."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from contrapose.contract import Views
from contrapose.regularizers.similarity_distillation import SimilarityDistillation

ROWS, WIDTH = 4, 3


def views(student: Tensor, teacher: Tensor) -> Views:
    by_name = {
        "anchor": student[0], "positive": student[1], "anchor@teacher": teacher[0], "positive@teacher": teacher[1],
    }  # fmt: skip
    return Views(by_name=by_name)


def drawn(seed: int, width: int = WIDTH) -> Tensor:
    return torch.randn(2, ROWS, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_definition(student: Tensor, teacher: Tensor, temperature: float) -> float:
    def shares(texts: list[list[float]], i: int) -> dict[int, float]:
        def cosine(j: int) -> float:
            product = sum(x * y for x, y in zip(texts[i], texts[j], strict=True))
            return product / math.hypot(*texts[i]) / math.hypot(*texts[j])

        others = [j for j in range(2 * ROWS) if j % ROWS != i % ROWS]
        weights = {j: math.exp(cosine(j) / temperature) for j in others}
        return {j: weight / sum(weights.values()) for j, weight in weights.items()}

    total = 0.0
    for i in range(2 * ROWS):
        p, q = shares(teacher.flatten(0, 1).tolist(), i), shares(student.flatten(0, 1).tolist(), i)
        total += sum(p[j] * math.log(p[j] / q[j]) for j in p)
    return total / (2 * ROWS)


@pytest.mark.parametrize("temperature", [0.2, 1.0])
def test_the_term_is_the_divergence_of_the_definition(temperature: float) -> None:
    student, teacher = drawn(0), drawn(1, width=5)  # the teacher may be of another width
    part = SimilarityDistillation(similarity_weight=3.0, similarity_temperature=temperature)
    term = part.terms(views(student, teacher))["similarity"].item()
    assert term == pytest.approx(3 * by_definition(student, teacher, temperature), rel=1e-9)


def test_nothing_is_to_pay_where_nothing_moved_or_the_whole_space_turned() -> None:
    teacher = drawn(0)
    turned, _ = torch.linalg.qr(torch.randn(WIDTH, WIDTH, dtype=torch.float64))
    for student in (teacher, 7 * teacher, teacher @ turned):
        assert SimilarityDistillation().terms(views(student, teacher))["similarity"].item() < 1e-10


def test_the_own_partner_may_come_nearer_for_nothing() -> None:
    """How near a text and its partner are is what the contrast teaches: no other similarity moves, so nothing is
    paid."""
    teacher = torch.eye(2 * ROWS, dtype=torch.float64).view(2, ROWS, 2 * ROWS)
    nearer = teacher.clone()
    nearer[1] = teacher[0]
    assert SimilarityDistillation().terms(views(nearer, teacher))["similarity"].item() < 1e-10


def test_a_step_down_the_gradient_leads_back() -> None:
    teacher = drawn(0)
    student = (teacher + 0.3 * drawn(2)).requires_grad_()
    part = SimilarityDistillation(similarity_temperature=0.5)
    before = part.terms(views(student, teacher))["similarity"]
    (gradient,) = torch.autograd.grad(before, student)
    after = part.terms(views(student - 0.01 * gradient, teacher))["similarity"]
    assert 0 < after < before
