"""CARDS: SimCSE's equation with retrieved columns, as loops compute it; its texts come from two text parts."""

from __future__ import annotations

import pytest
import torch

from contrapose.contract import Views
from contrapose.objectives.catalogue import describe, loss, recipe
from contrapose.text.identity import text_hashes
from tests.reference.retrieval import loss_with_retrieved

ROWS = 6
#: Row 1's retrieved text is row 0's anchor, row 4's is its own positive, and rows 2 and 5 have one anchor.
TEXTS = [
    ("a", "A", "x"), ("b", "B", "a"), ("c", "C", "y"), ("d", "D", "z"), ("e", "E", "E"), ("c", "c", "w"),
]  # fmt: skip


def batch(seed: int = 0) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    x_VBD = torch.randn(3, ROWS, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    columns = zip(*TEXTS, strict=True)
    return x_VBD, dict(
        zip(("anchor", "positive", "negative_1"), map(text_hashes, map(list, columns)), strict=True)
    )


def total(x_VBD: torch.Tensor, text_ids: dict[str, torch.Tensor], temperature: float) -> torch.Tensor:
    anchor, positive, retrieved = x_VBD.unbind()
    views = Views.pair(anchor, positive, retrieved, text_ids=text_ids)
    objective = recipe("cards", (), {"temperature": temperature}).build(width=5)
    value: torch.Tensor = objective(views).total
    return value


@pytest.mark.parametrize("temperature", [0.05, 0.7])
def test_loss_and_gradient_are_those_of_the_loops(temperature: float) -> None:
    x_VBD, text_ids = batch()
    x_VBD.requires_grad_()
    value = total(x_VBD, text_ids, temperature)
    expected = loss_with_retrieved(*x_VBD.tolist(), texts=TEXTS, temperature=temperature)
    assert value.item() == pytest.approx(expected, rel=1e-12)
    (gradient,) = torch.autograd.grad(value, x_VBD)
    step = 1e-6
    for cell in [(0, 1, 2), (1, 3, 0), (2, 0, 4), (2, 2, 1), (2, 5, 3)]:
        sides = []
        for sign in (1, -1):
            moved = x_VBD.detach().clone()
            moved[cell] += sign * step
            sides.append(loss_with_retrieved(*moved.tolist(), texts=TEXTS, temperature=temperature))
        assert gradient[cell].item() == pytest.approx((sides[0] - sides[1]) / (2 * step), abs=1e-6)


def test_the_own_text_is_struck_out_of_the_retrieved_columns() -> None:
    x_VBD, text_ids = batch()
    x_VBD.requires_grad_()
    table = (
        recipe("cards")
        .build(width=5)(Views.pair(*x_VBD.unbind()[:2], x_VBD[2], text_ids=text_ids))
        .outcome.table
    )
    counted = table.valid_BC[:, table.origins["negative_1"]]
    own = torch.zeros(ROWS, ROWS, dtype=torch.bool)
    own[0, 1] = own[4, 4] = True
    assert torch.equal(counted, ~own)


def test_a_retrieved_negative_makes_the_task_harder_for_every_row() -> None:
    (anchor, positive, negative), _ = batch()
    plain, with_retrieved = loss("cards", anchor, positive), loss("cards", anchor, positive, negative)
    assert (with_retrieved.outcome.loss_B > plain.outcome.loss_B).all()
    assert torch.equal(plain.total, loss("simcse", anchor, positive).total)


def test_its_text_parts_are_named_with_its_parts() -> None:
    (described,) = describe("cards")
    assert described["parts"] == ["simcse", "switch-case", "retrieved"]
    assert described["hyperparameters"]["neighbours"] == 64
    assert described["hyperparameters"]["switch_probability"] == 0.05
