from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy, normalize

from contrapose.contract import Views
from contrapose.maths.scores import Columns
from contrapose.objectives.simcse import simcse
from tests.objectives.scored import scored
from tests.reference import loops

few = settings(max_examples=25)


def vectors(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.4


@pytest.mark.parametrize("rows", [1, 2, 5, 64])
@pytest.mark.parametrize("temperature", [0.05, 0.5, 1.0])
def test_orthonormal_rows_give_the_closed_form(rows: int, temperature: float) -> None:
    same = torch.eye(rows, dtype=torch.float64)
    loss = scored(simcse, Views.pair(same, same), temperature=temperature).loss_B
    expected = math.log(1 + (rows - 1) * math.exp(-1 / temperature))
    torch.testing.assert_close(
        loss, torch.full((rows,), expected, dtype=torch.float64), atol=1e-12, rtol=1e-9
    )


@few
@given(st.integers(1, 6), st.integers(0, 3), st.floats(-3, 3), st.floats(0.02, 2), st.integers(0, 10**6))
def test_equals_the_loop_with_any_number_of_given_negatives(
    rows: int, num_negatives: int, weight: float, temperature: float, seed: int
) -> None:
    anchor, positive, *given_negatives = vectors(2 + num_negatives, rows, 4, seed=seed).unbind()
    outcome = scored(
        simcse,
        Views.pair(anchor, positive, given_negatives),
        temperature=temperature,
        hard_negative_weight=weight,
    )
    expected = loops.simcse(
        anchor.tolist(),
        positive.tolist(),
        [negative.tolist() for negative in given_negatives],
        temperature=temperature,
        hard_negative_weight=weight,
    )
    torch.testing.assert_close(
        outcome.loss_B, torch.tensor(expected, dtype=torch.float64), atol=1e-9, rtol=1e-9
    )
    assert outcome.logits_BC.shape == (rows, rows * (1 + num_negatives))


def test_equals_cross_entropy_over_scaled_cosines_in_value_and_gradient() -> None:
    """What every public InfoNCE computes: normalise, multiply, divide by the temperature, labels on the diagonal."""
    anchor, positive, negative = (view.requires_grad_() for view in vectors(3, 7, 5, seed=0).unbind())
    columns = torch.cat([positive, negative])
    logits = normalize(anchor) @ normalize(columns).T / 0.05
    theirs = cross_entropy(logits, torch.arange(7))
    ours = scored(simcse, Views.pair(anchor, positive, negative)).loss_B.mean()
    torch.testing.assert_close(ours, theirs)
    wanted = [anchor, positive, negative]
    for mine, other in zip(
        torch.autograd.grad(ours, wanted), torch.autograd.grad(theirs, wanted), strict=True
    ):
        torch.testing.assert_close(mine, other)


def test_only_anchor_to_positive_is_scored() -> None:
    """One direction, no anchor with anchor: the loss changes when the views are exchanged."""
    anchor, positive = vectors(2, 5, 3, seed=1).unbind()
    there, back = scored(simcse, Views.pair(anchor, positive)), scored(simcse, Views.pair(positive, anchor))
    assert there.logits_BC.shape == (5, 5)
    torch.testing.assert_close(there.logits_BC, back.logits_BC.T)
    assert (there.loss_B - back.loss_B).abs().max() > 1e-3


@pytest.mark.parametrize("weight", [-2.0, 1.0, 3.0])
def test_weight_multiplies_the_exponential_of_the_own_negative_alone(weight: float) -> None:
    anchor, positive, negative = vectors(3, 4, 3, seed=2).unbind()
    views = Views.pair(anchor, positive, negative)
    plain = scored(simcse, views).logits_BC
    weighted = scored(simcse, views, hard_negative_weight=weight).logits_BC
    expected = torch.zeros(4, 8, dtype=torch.float64)
    expected[torch.arange(4), 4 + torch.arange(4)] = weight
    torch.testing.assert_close(weighted - plain, expected)


def test_each_of_several_given_negatives_is_weighted_in_its_own_block() -> None:
    anchor, positive, first, second = vectors(4, 3, 3, seed=3).unbind()
    difference = (
        scored(simcse, Views.pair(anchor, positive, [first, second]), hard_negative_weight=1.5).logits_BC
        - scored(simcse, Views.pair(anchor, positive, [first, second])).logits_BC
    )
    assert {tuple(place) for place in difference.nonzero().tolist()} == {
        (i, block + i) for block in (3, 6) for i in range(3)
    }


def test_extra_columns_join_the_denominator() -> None:
    anchor, positive, extra = vectors(3, 4, 3, seed=4).unbind()
    cosines = [[0.1, 0.9], [0.2, -0.3], [0.0, 0.0], [0.5, 0.4]]
    own = Columns(origin="own", cosines=torch.tensor(cosines, dtype=torch.float64))
    shared = Columns(origin="shared", vectors=extra)
    outcome = scored(simcse, Views.pair(anchor, positive), [own, shared])
    with_shared = [
        mine + [loops.cosine(row, column) for column in extra.tolist()]
        for mine, row in zip(cosines, anchor.tolist(), strict=True)
    ]
    expected = loops.simcse(anchor.tolist(), positive.tolist(), extra=with_shared)
    torch.testing.assert_close(outcome.loss_B, torch.tensor(expected, dtype=torch.float64))


def test_repeats_are_struck_out_as_in_the_loop() -> None:
    anchor, positive = vectors(2, 5, 3, seed=5).unbind()
    texts = {"anchor": torch.tensor([1, 2, 3, 1, 4]), "positive": torch.tensor([5, 6, 4, 7, 8])}
    outcome = scored(simcse, replace(Views.pair(anchor, positive), text_ids=texts))
    # Rows 0 and 3 have one anchor; the positive of row 2 is the anchor of row 4.
    struck = frozenset({(0, 3), (3, 0), (4, 2)})
    expected = loops.simcse(anchor.tolist(), positive.tolist(), struck=struck)
    torch.testing.assert_close(outcome.loss_B, torch.tensor(expected, dtype=torch.float64))


def test_given_negative_that_is_a_rows_positive_is_struck_out_for_that_row() -> None:
    anchor, positive, negative = vectors(3, 2, 3, seed=6).unbind()
    texts = {
        "anchor": torch.tensor([1, 2]),
        "positive": torch.tensor([3, 4]),
        "negative_1": torch.tensor([4, 9]),
    }
    table = scored(simcse, replace(Views.pair(anchor, positive, negative), text_ids=texts)).table
    assert table.valid_BC[:, table.origins["negative_1"]].tolist() == [[True, True], [False, True]]


def test_one_row_with_its_negative_still_learns() -> None:
    anchor, positive, negative = vectors(3, 1, 3, seed=7).unbind()
    assert scored(simcse, Views.pair(anchor, positive)).loss_B.item() == 0.0
    assert scored(simcse, Views.pair(anchor, positive, negative)).loss_B.item() > 0.0
