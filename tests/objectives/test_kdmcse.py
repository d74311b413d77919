"""KDMCSE: contrast, filter and distillation are those of the equations written as loops."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from contrapose.contract import Loss, Supplies, Views
from contrapose.errors import UsageError
from contrapose.maths.angular import NEAR_ONE, turned_closer, with_angular_margin
from contrapose.objectives.catalogue import loss, recipe
from contrapose.objectives.objective import Objective
from tests.reference.angular import adaptive_contrast, through

ROWS, WIDTH, TEACHER_WIDTH = 6, 4, 3


def given(seed: int = 0) -> dict[str, Tensor]:
    """Views of six rows, vectors before a head, and a teacher of another width; some rows are alike to the teacher."""
    random = torch.Generator().manual_seed(seed)

    def drawn(width: int) -> Tensor:
        return torch.randn(ROWS, width, generator=random, dtype=torch.float64) + 0.4

    teacher = drawn(TEACHER_WIDTH)
    teacher[3] = teacher[0] + 0.01
    return {
        "anchor": drawn(WIDTH),
        "positive": drawn(WIDTH),
        "anchor@pooled": drawn(WIDTH + 1),
        "positive@pooled": drawn(WIDTH + 1),
        "anchor@teacher": teacher,
        "positive@teacher": teacher.clone(),
    }


def batch_of(views: dict[str, Tensor], **more: Any) -> Views:
    return Views.pair(views["anchor"], views["positive"], **more).with_views(**views)


def built(seed: int = 0, **hyperparameters: Any) -> Objective:
    objective = recipe("kdmcse", (), {"distillation_width": 5, **hyperparameters}).build(width=WIDTH)
    widths = {"teacher": TEACHER_WIDTH}
    objective.attach(Supplies(width=WIDTH, pooled_width=WIDTH + 1, companion_widths=widths, seed=seed))
    return objective.double()


def written_out(views: dict[str, Tensor], **options: Any) -> Tensor:
    rows = {name: view.tolist() for name, view in views.items()}
    losses = adaptive_contrast(rows["anchor"], rows["positive"], rows["anchor@teacher"], **options)
    return torch.tensor(losses, dtype=torch.float64)


@pytest.mark.parametrize("margin", [0.0, 0.125, 0.9])
@pytest.mark.parametrize("adaptive", [True, False])
@pytest.mark.parametrize("threshold", [0.9, 1.0])
def test_the_contrast_equals_the_loops_in_loss_and_gradient(
    margin: float, adaptive: bool, threshold: float
) -> None:
    views = {name: view.requires_grad_() for name, view in given().items()}
    options = {"temperature": 0.2, "adaptive": adaptive, "threshold": threshold}
    ours = built(angular_margin=margin, **options)(batch_of(views)).outcome.loss_B
    torch.testing.assert_close(ours, written_out(views, margin=margin, **options))
    gradients = torch.autograd.grad(ours.sum(), [views["anchor"], views["positive"]])
    for name, gradient in zip(("anchor", "positive"), gradients, strict=True):
        step = torch.zeros_like(views[name])
        step[2, 1] = 1e-5
        up, down = (
            written_out({**views, name: views[name].detach() + sign * step}, margin=margin, **options).sum()
            for sign in (1, -1)
        )
        assert gradient[2, 1].item() == pytest.approx(((up - down) / 2e-5).item(), rel=1e-4, abs=1e-7)


def test_without_margin_and_filter_it_is_simcse_to_the_bit() -> None:
    views = given()
    ours = built(angular_margin=0.0, threshold=1.0)(batch_of(views)).outcome
    plain = loss("simcse", views["anchor"], views["positive"]).outcome
    assert torch.equal(ours.logits_BC, plain.logits_BC)
    assert torch.equal(ours.loss_B, plain.loss_B)


def test_a_margin_moves_each_negative_by_the_teachers_dissimilarity_and_leaves_the_positive() -> None:
    views = given()
    plain, turned = (
        built(angular_margin=margin, threshold=1.0)(batch_of(views)).outcome.logits_BC * 0.05
        for margin in (0.0, 0.125)
    )
    own = torch.eye(ROWS, dtype=torch.bool)
    assert torch.equal(plain[own], turned[own])
    angle = plain.acos() - turned.acos()
    teacher = torch.nn.functional.normalize(views["anchor@teacher"])
    expected = 0.125 * (1 - teacher @ teacher.T).abs()
    far = (plain.acos() > 0.125) & ~own
    torch.testing.assert_close(angle[far], expected[far], atol=1e-6, rtol=1e-4)
    assert angle[0, 3] < 0.001 < angle[~own].max(), "rows that are alike to the teacher move by nothing"


def test_turning_is_exact_at_zero_and_has_a_finite_slope_at_one() -> None:
    cosine = torch.tensor([1.0, -1.0, 0.3, 1 - NEAR_ONE / 2], dtype=torch.float64, requires_grad=True)
    assert torch.equal(turned_closer(cosine, torch.zeros(4, dtype=torch.float64)), cosine)
    (slope,) = torch.autograd.grad(
        turned_closer(cosine, torch.full((4,), 0.2, dtype=torch.float64)).sum(), cosine
    )
    assert slope.isfinite().all()
    near = with_angular_margin(cosine, 0.1, torch.ones(4, dtype=torch.float64))
    assert near[0] == 1.0, "an angle below the margin stays"
    assert near[2].item() == pytest.approx(math.cos(math.acos(0.3) - 0.1))


def test_the_filter_strikes_out_what_the_teacher_finds_alike_and_never_the_positive() -> None:
    views = given()
    outcome = built(threshold=0.99)(batch_of(views)).outcome
    struck = {tuple(pair) for pair in (~outcome.table.valid_BC).nonzero().tolist()}
    assert struck == {(0, 3), (3, 0)}
    alone = built(threshold=-1.0)(batch_of(views))
    assert alone.outcome.table.valid_BC.equal(torch.eye(ROWS, dtype=torch.bool))
    assert alone.terms["contrast"].item() == 0.0
    assert alone.stats["filtered_by_teacher"].item() == ROWS - 1


def test_the_distillation_equals_the_loops_and_both_heads_learn() -> None:
    views = given()
    objective = built(distillation_weight=0.5, temperature=0.2)
    part = objective.parts["teacher-distillation"]
    rows = {name: view.tolist() for name, view in views.items()}
    heads = {
        name: (getattr(part, name).weight.tolist(), getattr(part, name).bias.tolist())
        for name in ("text_head", "teacher_head")
    }
    teacher = through(*heads["teacher_head"], rows["anchor@teacher"])
    means = []
    for view in ("anchor", "positive"):
        text = through(*heads["text_head"], rows[f"{view}@pooled"])
        losses = adaptive_contrast(text, teacher, rows["anchor@teacher"], temperature=0.2)
        means.append(sum(losses) / ROWS)
    made: Loss = objective(batch_of(views))
    assert made.terms["distillation"].item() == pytest.approx(0.5 * sum(means) / 2)
    torch.testing.assert_close(made.total, made.terms["contrast"] + made.terms["distillation"])
    made.total.backward()
    assert len(list(objective.parameters())) == 4
    assert all(
        parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in objective.parameters()
    )


def test_no_gradient_enters_the_teacher() -> None:
    views = {name: view.requires_grad_() for name, view in given().items()}
    contrast = built()(batch_of(views)).terms["contrast"]
    assert torch.autograd.grad(contrast, views["positive@teacher"], allow_unused=True) == (None,)


def test_rows_of_one_text_are_told_apart_neither_by_the_contrast_nor_by_the_distillation() -> None:
    same = torch.full((ROWS,), 7)
    made = built()(batch_of(given(), text_ids={"anchor": same, "positive": same}))
    assert made.total.item() == 0.0


def test_columns_that_the_teacher_has_not_read_get_the_whole_margin() -> None:
    views = given()
    negative = torch.randn(ROWS, WIDTH, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    outcome = built()(batch_of({**views, "negative_1": negative})).outcome
    cosine = outcome.table.cosine_BC[:, outcome.table.origins["negative_1"]]
    logits = outcome.logits_BC[:, outcome.table.origins["negative_1"]] * 0.05
    far = cosine.acos() > 0.125
    torch.testing.assert_close(logits[far], (cosine.acos() - 0.125).cos()[far])


def test_heads_are_drawn_from_the_seed() -> None:
    one, same, other = (
        built(seed).state_dict()["parts.teacher-distillation.text_head.weight"] for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        ({"teacher": "a", "teacher_vectors": "b.npy"}, "would be ignored with teacher_vectors"),
        ({"teacher": ""}, "teacher"),
        ({"threshold": 1.1}, "threshold"),
        ({"angular_margin": -0.1}, "angular_margin"),
        ({"distillation_width": 0}, "distillation_width"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(numbers: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as refused:
        recipe("kdmcse", (), numbers)
    assert "\n" not in str(refused.value)


def test_vectors_alone_are_refused_with_what_is_missing() -> None:
    with pytest.raises(UsageError, match="needs the view 'anchor@pooled'"):
        loss("kdmcse", torch.eye(3), torch.eye(3))
    views = given()
    further = {name: view for name, view in views.items() if "@" in name}
    made = loss("kdmcse", views["anchor"].float(), views["positive"].float(), views=further)
    assert set(made.terms) == {"contrast", "distillation"}
