"""FedRCL: the contrast with the hardest negatives is that of the loops, and with all of them it is SimCSE."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from contrapose.contract import Views
from contrapose.objectives.catalogue import loss, recipe
from tests.reference.relaxation import hardest_contrast

ROWS, WIDTH = 7, 5


def pair(seed: int = 0) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    anchor = torch.randn(ROWS, WIDTH, generator=random, dtype=torch.float64)
    noise = torch.randn(ROWS, WIDTH, generator=random, dtype=torch.float64)
    return anchor.requires_grad_(), (anchor.detach() + 0.4 * noise).requires_grad_()


@pytest.mark.parametrize("count", [1, 2, 4, 100, None])
def test_equals_the_loops_in_loss_and_gradient(count: int | None) -> None:
    anchor, positive = pair()
    options = {"relaxation_layers": [], "temperature": 0.2, "hardest_negatives": count}
    ours = loss("fedrcl", anchor, positive, **options).outcome.loss_B.sum()
    units = [vectors / vectors.norm(dim=1, keepdim=True) for vectors in (anchor, positive)]
    cosines = [[u @ v for v in units[1]] for u in units[0]]
    theirs = hardest_contrast(cosines, count, 0.2, torch.exp, torch.log)
    torch.testing.assert_close(ours, theirs)
    leaves = [anchor, positive]
    for mine, loop in zip(
        torch.autograd.grad(ours, leaves), torch.autograd.grad(theirs, leaves), strict=True
    ):
        assert loop.abs().sum() > 0
        torch.testing.assert_close(mine, loop)


def test_with_all_negatives_it_is_simcse_and_the_penalty() -> None:
    anchor, positive = pair()
    ours = loss("fedrcl", anchor, positive, relaxation_layers=[])
    plain = loss("simcse", anchor, positive)
    assert torch.equal(ours.outcome.loss_B, plain.outcome.loss_B)
    assert ours.terms.keys() == {"contrast", "relaxation"}
    assert ours.terms["relaxation"] > 0
    with_part = loss("simcse", anchor, positive, parts=["relaxation"], relaxation_layers=[])
    assert torch.equal(ours.total, with_part.total)


def test_a_repeat_is_never_among_the_hardest_negatives() -> None:
    """Row 2 says what row 0 says and is the nearest to it; the hardest negative is the next one."""
    anchor, positive = (vectors.detach().clone() for vectors in pair())
    positive[2] = positive[0]
    texts = torch.tensor([9, 1, 9, 3, 4, 5, 6])
    views = replace(Views.pair(anchor, positive), text_ids={"anchor": texts, "positive": texts})
    objective = recipe("fedrcl", (), {"relaxation_layers": [], "hardest_negatives": 1}).build(width=WIDTH)
    outcome = objective(views).outcome
    shares = outcome.logits_BC.softmax(1)
    assert shares[0, 2] == 0
    assert ((shares > 0).sum(1) == 2).all()


def test_columns_of_other_parts_compete_for_the_hardest() -> None:
    anchor, positive = pair()
    objective = recipe("fedrcl", ["queue"], {"relaxation_layers": [], "hardest_negatives": 1}).build(
        width=WIDTH
    )
    with torch.no_grad():
        before = objective(Views.pair(anchor, positive)).outcome.loss_B
        objective.observe(Views.pair(positive * 2, anchor * 3))  # the queue now holds each anchor itself
        after = objective(Views.pair(anchor, positive)).outcome.loss_B
    assert (after > before).all()
