"""Twins: the margin's term is that of the loops; its gradient enters the trained views alone; what lacks is named."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from contrapose.contract import Views
from contrapose.errors import UsageError
from contrapose.objectives.catalogue import loss, recipe
from tests.reference.loops import simcse as simcse_written_out
from tests.reference.twins import twins_term

ROWS, WIDTH, OTHER_WIDTH = 5, 4, 3
VIEWS = ("anchor", "positive", "fraternal")


def given(seed: int = 0) -> dict[str, Tensor]:
    """Fraternal twins farther than identical ones, for the trained model and, of another width, the one before."""
    random = torch.Generator().manual_seed(seed)
    views: dict[str, Tensor] = {}
    for suffix, width in (("", WIDTH), ("@innate", OTHER_WIDTH)):
        base = torch.randn(ROWS, width, generator=random, dtype=torch.float64)
        for name, noise in zip(VIEWS, (0.1, 0.2, 0.9), strict=True):
            views[name + suffix] = base + noise * torch.randn(
                ROWS, width, generator=random, dtype=torch.float64
            )
    return views


def loss_of(views: dict[str, Tensor], **options: Any) -> Any:
    beside = {name: view for name, view in views.items() if name not in ("anchor", "positive")}
    return loss("twins", views["anchor"], views["positive"], views=beside, **options)


def written_out(views: dict[str, Tensor], *, weight: float, limit: float, penalty: str) -> float:
    rows = {name: view.tolist() for name, view in views.items()}
    trained = {name: rows[name] for name in VIEWS}
    before = {name: rows[f"{name}@innate"] for name in VIEWS}
    return twins_term(trained, before, weight=weight, limit=limit, penalty=penalty)


@pytest.mark.parametrize("penalty", ["squared", "hinge"])
@pytest.mark.parametrize("limit", [0.05, 2.0])
def test_the_term_and_its_gradient_are_those_of_the_loops(penalty: str, limit: float) -> None:
    views = {name: view.requires_grad_() for name, view in given().items()}
    numbers = {"weight": 0.7, "limit": limit, "penalty": penalty}
    term = loss_of(views, twins_weight=0.7, margin_limit=limit, penalty=penalty).terms["twins"]
    assert term.item() == pytest.approx(written_out(views, **numbers), rel=1e-12)
    assert term > 0
    gradients = torch.autograd.grad(term, list(views.values()), allow_unused=True)
    for (name, view), gradient in zip(views.items(), gradients, strict=True):
        if name.endswith("@innate"):
            assert gradient is None, "a gradient enters the model before training"
            continue
        step = torch.zeros_like(view)
        step[1, 2] = 1e-6
        up, down = (written_out({**views, name: view + sign * step}, **numbers) for sign in (1, -1))
        assert gradient is not None
        assert gradient[1, 2].item() == pytest.approx((up - down) / 2e-6, rel=1e-4, abs=1e-8)


def test_the_hinge_forbids_pulling_too_near_and_nothing_else() -> None:
    views = given()
    far = {**views, "fraternal": -views["anchor"]}
    assert loss_of(far, penalty="hinge").terms["twins"] == 0
    assert loss_of(far, penalty="squared").terms["twins"] > 0
    near = {**views, "fraternal": views["positive"]}
    assert loss_of(near, penalty="hinge").terms["twins"] > 0


def test_a_margin_that_is_kept_costs_nothing() -> None:
    views = given()
    views["fraternal"] = torch.roll(views["positive"], 1, dims=1) - views["positive"]
    kept = {**views, **{f"{name}@innate": views[name] for name in VIEWS}}
    for penalty in ("squared", "hinge"):
        now = loss_of(kept, margin_limit=2.0, penalty=penalty)
        assert now.stats["innate_margin"] > 0.5
        assert now.terms["twins"].item() == pytest.approx(0.0, abs=1e-12)


def test_margins_are_clamped_and_told() -> None:
    views = given()
    stats = loss_of(views, margin_limit=0.0).stats
    assert stats["innate_margin"] == 0
    assert stats["margin_at_limit"] == 1
    stats = loss_of(views, margin_limit=2.0).stats
    assert stats["innate_margin"] > 0
    assert stats["margin_at_limit"] == 0
    assert stats["twins_margin"] > 0
    assert 0 <= stats["pulled_too_near"] <= 1


def test_the_contrast_is_that_of_simcse_with_the_identical_twin() -> None:
    views = given()
    expected = simcse_written_out(views["anchor"].tolist(), views["positive"].tolist())
    torch.testing.assert_close(loss_of(views).outcome.loss_B, torch.tensor(expected, dtype=torch.float64))


def test_the_part_goes_with_other_methods_whose_texts_have_a_fraternal_twin() -> None:
    made = recipe("focal-infonce", ["twins-margin"], views="twins")
    assert made.needs.texts == ("fraternal",)
    (part,) = made.text_parts(["text"], max_words=32)
    assert set(part.texts([0], {"text": ["one two three"]}, seed=0, step=0)) == set(VIEWS)


def test_past_positives_are_queued_and_a_queued_text_is_no_negative_of_its_own_row() -> None:
    objective = recipe("twins", (), {"queue_size": 8}).build(width=2)
    texts = {name: torch.tensor([5, 6]) for name in VIEWS}
    everything = {f"{name}{at}": torch.eye(2) for name in VIEWS for at in ("", "@innate")}
    views = Views.pair(torch.eye(2), torch.eye(2), text_ids=texts).with_views(**everything)
    objective.observe(views)
    table = objective(views).outcome.table
    assert table.valid_BC[:, table.origins["queue"]].tolist() == [[False, True], [True, False]]


def test_what_lacks_or_cannot_be_is_refused_by_name() -> None:
    views = given()
    del views["fraternal"]
    with pytest.raises(UsageError, match="needs the view 'fraternal'"):
        loss_of(views)
    for name, number in (
        ("twins_weight", -1.0),
        ("margin_limit", 3.0),
        ("penalty", "cubic"),
        ("fraternal", "x"),
    ):
        with pytest.raises(UsageError, match=name):
            recipe("twins", (), {name: number})
