"""DCL, the debiased loss and HCL: the equations as loops, what they are in limits, and where they are bounded."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from contrapose.errors import UsageError
from contrapose.objectives.catalogue import loss, recipe
from tests.reference import relatives

ROWS, WIDTH = 6, 4
Written = Callable[..., list[float]]

#: method, its hyperparameters, and the loops that say the same.
CASES: list[tuple[str, dict[str, Any], Written, dict[str, Any]]] = [
    ("dcl", {"temperature": 0.2}, relatives.dcl, {"temperature": 0.2}),
    ("dcl", {"positive_width": 0.5}, relatives.dcl, {"positive_width": 0.5}),
    (
        "debiased",
        {"temperature": 0.5, "false_negative_share": 0.1},
        relatives.hcl,
        {"temperature": 0.5, "false_negative_share": 0.1, "hardness": 0.0},
    ),
    (
        "debiased",
        {"false_negative_share": 0.01},
        relatives.hcl,
        {"false_negative_share": 0.01, "hardness": 0.0},
    ),
    (
        "hcl",
        {"temperature": 0.5, "hardness": 1.0, "false_negative_share": 0.1},
        relatives.hcl,
        {"temperature": 0.5},
    ),
    (
        "hcl",
        {"hardness": 2.5, "false_negative_share": 0.0},
        relatives.hcl,
        {"hardness": 2.5, "false_negative_share": 0.0},
    ),
]


def pair(seed: int = 0, noise: float = 0.4) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    base = torch.randn(ROWS, WIDTH, generator=random, dtype=torch.float64) + 0.5
    anchor, positive = (
        base + noise * torch.randn(ROWS, WIDTH, generator=random, dtype=torch.float64) for _ in range(2)
    )
    return anchor, positive


@pytest.mark.parametrize("with_anchors", [False, True])
@pytest.mark.parametrize(("method", "given", "written", "options"), CASES)
def test_equals_the_loops_in_loss_and_gradient(
    method: str, given: dict[str, Any], written: Written, options: dict[str, Any], with_anchors: bool
) -> None:
    views = [vectors.requires_grad_() for vectors in pair()]
    parts = ["anchor-negatives"] if with_anchors else []
    ours = loss(method, *views, parts=parts, **given).outcome.loss_B

    def theirs(*moved: Tensor) -> Tensor:
        losses = written(*(vectors.tolist() for vectors in moved), **options, with_anchors=with_anchors)
        return torch.tensor(losses, dtype=torch.float64)

    torch.testing.assert_close(ours, theirs(*views))
    for number, gradient in enumerate(torch.autograd.grad(ours.sum(), views)):
        assert gradient.abs().sum() > 0
        for place in ((1, 2), (4, 0)):
            step = torch.zeros_like(gradient)
            step[place] = 1e-6
            moved = [
                [v.detach() + sign * step if n == number else v for n, v in enumerate(views)]
                for sign in (1, -1)
            ]
            slope = (theirs(*moved[0]).sum() - theirs(*moved[1]).sum()) / 2e-6
            assert gradient[place].item() == pytest.approx(slope.item(), rel=1e-4, abs=1e-6)


def test_without_hardness_and_false_negatives_they_are_simcse() -> None:
    anchor, positive = pair()
    plain = loss("simcse", anchor, positive).outcome.loss_B
    torch.testing.assert_close(
        loss("debiased", anchor, positive, false_negative_share=0.0).outcome.loss_B, plain
    )
    without = {"hardness": 0.0, "false_negative_share": 0.0}
    torch.testing.assert_close(loss("hcl", anchor, positive, **without).outcome.loss_B, plain)
    debiased = loss("debiased", anchor, positive, false_negative_share=0.05).outcome.loss_B
    same = loss("hcl", anchor, positive, hardness=0.0, false_negative_share=0.05).outcome.loss_B
    torch.testing.assert_close(same, debiased)


def test_dcl_is_the_logarithm_of_what_simcse_leaves() -> None:
    """exp(SimCSE) - 1 is the negatives' share over the positive's, and DCL its logarithm."""
    anchor, positive = pair()
    plain = loss("simcse", anchor, positive).outcome.loss_B
    decoupled = loss("dcl", anchor, positive).outcome.loss_B
    torch.testing.assert_close(decoupled, plain.expm1().log())


def test_dcl_keeps_its_gradient_where_the_positive_is_near_and_simcse_loses_it() -> None:
    anchor = torch.eye(4, dtype=torch.float64)
    positive = (anchor + 0.02 * torch.ones(4, 4, dtype=torch.float64)).requires_grad_()
    sizes = {
        name: torch.autograd.grad(loss(name, anchor, positive).total, positive)[0].norm().item()
        for name in ("simcse", "dcl")
    }
    assert sizes["simcse"] < 1e-5
    assert sizes["dcl"] > 0.1


def test_dclw_pulls_a_far_positive_more_and_on_average_as_much() -> None:
    anchor, positive = pair(noise=0.8)
    cosine = torch.nn.functional.cosine_similarity(anchor, positive)
    plain, weighted = (
        loss("dcl", anchor, positive, **given).outcome.loss_B for given in ({}, {"positive_width": 0.5})
    )
    weight = 1 - (weighted - plain) * 0.05 / cosine
    assert weight.mean().item() == pytest.approx(1.0)
    assert weight.argmax() == cosine.argmin()
    assert weight.argmin() == cosine.argmax()


def test_a_bounded_row_pushes_nothing_and_its_loss_is_that_of_opposite_negatives() -> None:
    anchor = torch.eye(3, dtype=torch.float64)
    positive = anchor.clone().requires_grad_()
    bounded = loss("debiased", anchor, positive, temperature=0.5, false_negative_share=0.5).outcome
    # The mean of exp(0) is 1, less than half of exp(2): nothing is left, and g is exp(-2).
    assert bounded.loss_B.tolist() == pytest.approx([math.log(1 + 2 * math.exp(-4))] * 3)
    (gradient_BC,) = torch.autograd.grad(bounded.loss_B.sum(), bounded.table.cosine_BC)
    assert gradient_BC.fill_diagonal_(0).abs().max() == 0
    assert loss("debiased", anchor, anchor, temperature=0.5).total > bounded.loss_B.mean()


def test_the_harder_the_weights_the_more_the_hardest_negative_gets_of_the_gradient() -> None:
    anchor, positive = pair(noise=0.8)
    shares = [_share_of_hardest(anchor, positive, hardness) for hardness in (0.0, 0.5, 2.0)]
    assert shares == sorted(shares)
    assert shares[-1] > 1.5 * shares[0]


def _share_of_hardest(anchor: Tensor, positive: Tensor, hardness: float) -> float:
    positive = positive.clone().requires_grad_()
    outcome = loss(
        "hcl", anchor, positive, hardness=hardness, false_negative_share=0.0, temperature=0.5
    ).outcome
    (gradient_BC,) = torch.autograd.grad(outcome.loss_B.sum(), outcome.table.cosine_BC)
    pushes = gradient_BC.clone().fill_diagonal_(0)
    cosine = outcome.table.cosine_BC.detach().clone().fill_diagonal_(-1)
    hardest = pushes.gather(1, cosine.argmax(1, keepdim=True)).squeeze(1)
    return (hardest / pushes.sum(1)).mean().item()


def test_a_small_temperature_does_not_overflow() -> None:
    anchor, positive = (vectors.float().requires_grad_() for vectors in pair())
    for name in ("dcl", "debiased", "hcl"):
        total = loss(name, anchor, positive, temperature=0.01).total
        assert total.isfinite()
        assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(total, [anchor, positive]))


@pytest.mark.parametrize(
    ("method", "given", "named"),
    [
        ("dcl", {"positive_width": 0.0}, "positive_width"),
        ("debiased", {"false_negative_share": 1.0}, "false_negative_share"),
        ("debiased", {"hardness": 1.0}, "hardness"),
        ("hcl", {"hardness": -1.0}, "hardness"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(method: str, given: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        recipe(method, (), given)


@pytest.mark.parametrize("method", ["debiased", "hcl"])
def test_a_row_without_negatives_has_no_loss_however_far_its_positive_is(method: str) -> None:
    for positive in ([-1.0, 0.01], [1.0, 0.0], [-1.0, 0.0]):
        anchor, other = torch.tensor([[1.0, 0.0]]), torch.tensor([positive])
        anchor.requires_grad_(), other.requires_grad_()
        total = loss(method, anchor, other, temperature=0.005).total
        assert total.item() == 0.0
        for gradient in torch.autograd.grad(total, [anchor, other]):
            assert torch.equal(gradient, torch.zeros(1, 2))
