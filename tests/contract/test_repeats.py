"""A sentence is no negative of itself: columns that repeat a row's text count for nothing, wherever they come from."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from contrapose.objectives.contract import Views
from tests.contract.cases import CASES, Case, batch, with_gradient

every = pytest.mark.parametrize("case", CASES, ids=str)

#: Row 3 says what row 0 says; rows 1 and 4 say what the queue of ``Case.build`` already holds.
TEXTS = torch.tensor([7, 1001, 2, 7, 1012, 5])


def repeated() -> Views:
    return replace(batch(dtype=torch.float64), text_ids={"anchor": TEXTS, "positive": TEXTS})


@every
def test_repeated_text_has_no_share_and_exactly_no_gradient(case: Case) -> None:
    outcome = case.build()(with_gradient(repeated()), with_stats=False).outcome
    table = outcome.table
    in_batch = table.valid_BC[:, table.origins["batch"]]
    assert {tuple(pair) for pair in (~in_batch).nonzero().tolist()} == {(0, 3), (3, 0)}
    if "queue" in table.origins:
        struck = (~table.valid_BC[:, table.origins["queue"]]).sum(1)
        assert struck.tolist() == [0, 1, 0, 0, 1, 0]
    (gradient_BC,) = torch.autograd.grad(outcome.loss_B.sum(), table.cosine_BC)
    assert (gradient_BC[~table.valid_BC] == 0).all()
    assert (gradient_BC[table.valid_BC] != 0).any()
    assert (outcome.logits_BC.softmax(1)[~table.valid_BC] == 0).all()


@pytest.mark.parametrize("case", [case for case in CASES if "mixed-positive" not in case.all_parts], ids=str)
def test_repeated_row_gets_no_gradient_from_the_row_it_repeats(case: Case) -> None:
    views = with_gradient(repeated())
    loss_B = case.build()(views).outcome.loss_B
    (from_first_BD,) = torch.autograd.grad(loss_B[0], views.positive)
    assert (from_first_BD[3] == 0).all()
    assert (from_first_BD[[0, 1, 2, 4, 5]].norm(dim=1) > 0).any()


@every
def test_repeated_text_is_nobodys_hardest_negative(case: Case) -> None:
    """With only repeats there is no negative at all: the loss is 0, and so is every mixture."""
    plain = batch()
    same = torch.full((plain.num_rows,), 7)
    views = with_gradient(replace(plain, text_ids={"anchor": same, "positive": same}))
    loss = case.build(memory=False)(views)
    assert loss.total.item() == 0.0
    assert not loss.outcome.table.negative_BC.any()
    assert loss.stats["struck_out"] > 0


@every
def test_texts_that_all_differ_change_nothing(case: Case) -> None:
    plain = batch()
    differing = replace(plain, text_ids={name: torch.arange(1, 7) for name in ("anchor", "positive")})
    objective = case.build()
    assert torch.equal(objective(plain).outcome.loss_B, objective(differing).outcome.loss_B)


@every
def test_repeats_change_the_loss_of_their_rows(case: Case) -> None:
    objective = case.build()
    views = repeated()
    change_B = objective(views).outcome.loss_B - objective(replace(views, text_ids={})).outcome.loss_B
    assert (change_B[[0, 3]].abs() > 0).all()
