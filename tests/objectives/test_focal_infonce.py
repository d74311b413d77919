from __future__ import annotations

import math
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrapose.contract import Views
from contrapose.maths.scores import Columns
from contrapose.objectives.focal_infonce import focal_infonce, modulated_negative, modulated_positive
from contrapose.objectives.simcse import simcse
from tests.objectives.scored import scored
from tests.reference import loops

NAMES = ("modulate_positive", "modulate_negative", "negative_map", "positive_map", "detach_modulation")
CHOICES = ([True, False], [True, False], ["paper", "clamped"], ["paper", "signed"], [True, False])
SWITCHES = [dict(zip(NAMES, chosen, strict=True)) for chosen in product(*CHOICES)]


def vectors(*shape: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + shift


@pytest.mark.parametrize("switches", SWITCHES, ids=lambda chosen: ",".join(map(str, chosen.values())))
def test_equals_the_loop_with_every_switch(switches: dict[str, Any]) -> None:
    """Negative cosines of all sizes, negative positives too, so that every branch of the maps is taken."""
    anchor, positive, negative = vectors(3, 6, 2, seed=1).unbind()
    outcome = scored(
        focal_infonce, Views.pair(anchor, positive, negative), temperature=0.1, margin=0.4, **switches
    )
    cosine = outcome.table.cosine_BC
    assert (cosine < -0.2).any()
    assert (cosine.diagonal() < 0).any()
    expected = loops.focal(
        anchor.tolist(),
        positive.tolist(),
        [negative.tolist()],
        temperature=0.1,
        margin=0.4,
        **switches,
    )
    torch.testing.assert_close(outcome.loss_B, torch.tensor(expected, dtype=torch.float64))


@settings(max_examples=25)
@given(st.integers(1, 6), st.floats(0, 2), st.floats(0.02, 2), st.integers(0, 10**6))
def test_equals_the_loop_for_any_margin_and_temperature(
    rows: int, margin: float, temperature: float, seed: int
) -> None:
    anchor, positive = vectors(2, rows, 3, seed=seed).unbind()
    ours = scored(focal_infonce, Views.pair(anchor, positive), temperature=temperature, margin=margin).loss_B
    expected = loops.focal(anchor.tolist(), positive.tolist(), temperature=temperature, margin=margin)
    torch.testing.assert_close(ours, torch.tensor(expected, dtype=torch.float64), atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("margin", [0.0, 0.3, 1.7])
@pytest.mark.parametrize("rows", [1, 2, 9])
def test_perfect_positives_and_orthogonal_negatives_give_the_closed_form(margin: float, rows: int) -> None:
    same = torch.eye(rows, dtype=torch.float64)
    loss = scored(focal_infonce, Views.pair(same, same), temperature=0.2, margin=margin).loss_B
    expected = math.log(1 + (rows - 1) * math.exp(-1 / 0.2))
    torch.testing.assert_close(loss, torch.full((rows,), expected, dtype=torch.float64))


@pytest.mark.parametrize(("cosine", "margin"), [(0.5, 0.3), (-0.4, 0.3), (0.0, 0.3), (0.9, 0.0)])
def test_slopes_are_2n_plus_m_and_2p(cosine: float, margin: float) -> None:
    n = torch.tensor(cosine, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.grad(modulated_negative(n, margin), n)[0].item() == pytest.approx(
        2 * cosine + margin
    )
    assert torch.autograd.grad(modulated_positive(n), n)[0].item() == pytest.approx(2 * cosine)
    step = 1e-6
    slope = (loops.focal_negative(cosine + step, margin) - loops.focal_negative(cosine - step, margin)) / (
        2 * step
    )
    assert slope == pytest.approx(2 * cosine + margin, abs=1e-6)


def test_gradient_into_a_negative_is_its_share_times_2n_plus_m_over_t() -> None:
    anchor, positive = vectors(2, 4, 3, seed=2).requires_grad_().unbind()
    outcome = scored(focal_infonce, Views.pair(anchor, positive), temperature=0.1, margin=0.3)
    (gradient_BC,) = torch.autograd.grad(outcome.loss_B.sum(), outcome.table.cosine_BC)
    cosine, share = outcome.table.cosine_BC.detach(), outcome.logits_BC.detach().softmax(1)
    own = torch.eye(4, dtype=torch.bool)
    expected = torch.where(own, (share - 1) * 2 * cosine / 0.1, share * (2 * cosine + 0.3) / 0.1)
    torch.testing.assert_close(gradient_BC, expected)


def test_negative_map_is_zero_at_0_and_minus_m_and_lowest_halfway() -> None:
    margin = 0.3
    at_zero, at_minus_m = modulated_negative(torch.tensor([0.0, -margin], dtype=torch.float64), margin)
    assert at_zero.item() == 0.0
    assert at_minus_m.item() == pytest.approx(0.0)
    grid = torch.linspace(-1, 1, 2001, dtype=torch.float64)
    mapped = modulated_negative(grid, margin)
    assert grid[mapped.argmin()].item() == pytest.approx(-margin / 2, abs=1e-3)
    assert mapped.min().item() == pytest.approx(-(margin**2) / 4, abs=1e-6)


def test_clamped_map_stays_at_its_minimum_and_pulls_nothing_back() -> None:
    n = torch.tensor([-1.0, -0.5, -0.16, -0.1, 0.4], dtype=torch.float64, requires_grad=True)
    mapped = modulated_negative(n, 0.3, "clamped")
    (gradient,) = torch.autograd.grad(mapped.sum(), n)
    assert mapped[:3].tolist() == pytest.approx([-0.0225] * 3)
    assert gradient[:3].tolist() == [0.0, 0.0, 0.0]
    torch.testing.assert_close(mapped[3:], modulated_negative(n[3:], 0.3))
    assert (torch.autograd.grad(modulated_negative(n, 0.3).sum(), n)[0][:2] < 0).all()  # the paper's map does


def test_signed_map_pulls_a_negative_positive_up() -> None:
    p = torch.tensor([-0.5, 0.5], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.grad(modulated_positive(p, "signed").sum(), p)[0].tolist() == [1.0, 1.0]
    assert torch.autograd.grad(modulated_positive(p).sum(), p)[0].tolist() == [-1.0, 1.0]


def test_detached_factor_is_a_weight() -> None:
    n = torch.tensor([-0.5, 0.4], dtype=torch.float64, requires_grad=True)
    detached = modulated_negative(n, 0.3, detach=True)
    torch.testing.assert_close(detached, modulated_negative(n, 0.3))
    torch.testing.assert_close(torch.autograd.grad(detached.sum(), n)[0], n.detach() + 0.3)
    positive = modulated_positive(n, detach=True)
    torch.testing.assert_close(torch.autograd.grad(positive.sum(), n)[0], n.detach())


def test_with_both_halves_off_it_is_simcse() -> None:
    anchor, positive = vectors(2, 5, 3, seed=3).unbind()
    views = Views.pair(anchor, positive)
    plain = scored(focal_infonce, views, modulate_positive=False, modulate_negative=False)
    assert torch.equal(plain.loss_B, scored(simcse, views).loss_B)


def test_extra_columns_go_through_the_negative_map() -> None:
    anchor, positive = vectors(2, 2, 3, seed=4).unbind()
    cosines = [[0.6, -0.9], [0.1, 0.3]]
    extra = Columns(origin="own", cosines=torch.tensor(cosines, dtype=torch.float64))
    ours = scored(focal_infonce, Views.pair(anchor, positive), [extra]).loss_B
    expected = loops.focal(anchor.tolist(), positive.tolist(), extra=cosines)
    torch.testing.assert_close(ours, torch.tensor(expected, dtype=torch.float64))


def test_margin_makes_negatives_count_more() -> None:
    anchor, positive = vectors(2, 5, 3, seed=5, shift=1.0).unbind()
    losses = [
        scored(focal_infonce, Views.pair(anchor, positive), margin=margin).loss_B.mean()
        for margin in (0, 0.3, 1)
    ]
    assert losses[0] < losses[1] < losses[2]
