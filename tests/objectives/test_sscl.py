"""SSCL: the table has the inner layers' columns, and the loss is that of the equation written as loops."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from contrapose.contract import Views, key_of
from contrapose.errors import UsageError
from contrapose.negatives.layers import LayerNegatives
from contrapose.objectives.catalogue import loss, recipe
from tests.reference.layers import sscl as written_out

ROWS, WIDTH = 5, 4


def given(layers: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Anchor, positive and inner vectors that are near their own anchors, as a neighbouring layer's are."""
    random = torch.Generator().manual_seed(seed)
    base = torch.randn(ROWS, WIDTH, generator=random, dtype=torch.float64) + 0.5

    def near() -> Tensor:
        return base + 0.3 * torch.randn(ROWS, WIDTH, generator=random, dtype=torch.float64)

    inner = [key_of(view, -2 - layer) for layer in range(layers) for view in ("anchor", "positive")]
    return {name: near() for name in ("anchor", "positive", *inner)}


def outcome_of(views: dict[str, Tensor], **options: Any) -> Any:
    anchor, positive, *_ = views.values()
    inner = {name: view for name, view in views.items() if "@" in name}
    return loss("sscl", anchor, positive, views=inner, **options).outcome


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("scope", ["all", "own"])
@pytest.mark.parametrize("average_with_base", [True, False])
def test_equals_the_loops_in_loss_and_gradient(layers: int, scope: str, average_with_base: bool) -> None:
    views = {name: view.requires_grad_() for name, view in given(layers).items()}
    options = {"num_layers": layers, "scope": scope, "average_with_base": average_with_base}
    ours = outcome_of(views, temperature=0.2, **options).loss_B

    def theirs(moved: dict[str, Tensor]) -> Tensor:
        rows = {name: view.tolist() for name, view in moved.items()}
        inner = [view for name, view in rows.items() if "@" in name]
        written = written_out(
            rows["anchor"],
            rows["positive"],
            inner,
            temperature=0.2,
            scope=scope,
            average_with_base=average_with_base,
        )
        return torch.tensor(written, dtype=torch.float64)

    torch.testing.assert_close(ours, theirs(views))
    gradients = torch.autograd.grad(ours.sum(), list(views.values()))
    for (name, view), gradient in zip(views.items(), gradients, strict=True):
        assert gradient.abs().sum() > 0, name
        step = torch.zeros_like(view)
        step[1, 2] = 1e-5
        up, down = (theirs({**views, name: view.detach() + sign * step}).sum() for sign in (1, -1))
        assert gradient[1, 2].item() == pytest.approx(((up - down) / 2e-5).item(), rel=1e-4, abs=1e-7)


def test_every_layer_adds_both_views_of_all_rows_or_of_the_own_row() -> None:
    """2 B r columns that all rows share, or 2 r of a row's own."""
    every = outcome_of(given(2), scope="all").table
    assert every.cosine_BC.shape == (ROWS, ROWS + 2 * ROWS * 2)
    assert list(every.origins) == [
        "batch",
        "layer-2_anchor",
        "layer-2_positive",
        "layer-3_anchor",
        "layer-3_positive",
    ]
    own = outcome_of(given(2), scope="own").table
    assert own.cosine_BC.shape == (ROWS, ROWS + 4)
    for origin in list(own.origins)[1:]:
        mine = own.cosine_BC[:, own.origins[origin]].squeeze(1)
        torch.testing.assert_close(mine, every.cosine_BC[:, every.origins[origin]].diag())


def test_detached_layers_get_no_gradient_and_leave_the_loss_as_it_is() -> None:
    views = {name: view.requires_grad_() for name, view in given().items()}
    cut, whole = (outcome_of(views, detach_layers=detach).loss_B for detach in (True, False))
    assert torch.equal(cut, whole)
    anchor, *_, inner = torch.autograd.grad(cut.sum(), list(views.values()), allow_unused=True)
    assert anchor.abs().sum() > 0
    assert inner is None


def test_rows_of_one_text_are_no_negatives_of_each_other_and_the_own_inner_vector_stays_one() -> None:
    views = given(1)
    texts = torch.tensor([1, 2, 1, 3, 4])
    batch = replace(
        Views.pair(views["anchor"], views["positive"]).with_views(**views),
        text_ids={"anchor": texts, "positive": texts},
    )
    outcome = recipe("sscl", (), {"num_layers": 1}).build(width=WIDTH)(batch).outcome
    inner = outcome.table.valid_BC[:, outcome.table.origins["layer-2_anchor"]]
    assert {tuple(pair) for pair in (~inner).nonzero().tolist()} == {(0, 2), (2, 0)}
    rows = {name: view.tolist() for name, view in views.items()}
    blocks = [rows["anchor@-2"], rows["positive@-2"]]
    struck = frozenset({(0, 2), (2, 0)})
    expected = written_out(rows["anchor"], rows["positive"], blocks, struck=struck)
    torch.testing.assert_close(outcome.loss_B, torch.tensor(expected, dtype=torch.float64))


def test_without_the_part_it_is_simcse_and_a_queue_counts_in_the_first_half_alone() -> None:
    views = given()
    plain = loss("simcse", views["anchor"], views["positive"]).outcome.loss_B
    whole = outcome_of(views, average_with_base=False).loss_B
    mean = outcome_of(views).loss_B
    torch.testing.assert_close(mean, (whole + plain) / 2)
    assert (whole > plain).all()


def test_a_layer_that_is_not_given_is_named() -> None:
    with pytest.raises(UsageError, match="needs the view 'anchor@-2'"):
        loss("sscl", torch.eye(3), torch.eye(3))
    with pytest.raises(KeyError, match="anchor@-3"):
        list(
            LayerNegatives(num_layers=2).columns(
                Views.pair(torch.eye(2), torch.eye(2)).with_views(
                    **{"anchor@-2": torch.eye(2), "positive@-2": torch.eye(2)}
                )
            )
        )
