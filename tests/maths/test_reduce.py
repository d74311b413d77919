from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from contrapose.maths.reduce import softmax_loss, to_logits
from contrapose.maths.scores import Columns, ScoreTable, score_table
from tests.reference import loops

few = settings(max_examples=25)


def table(valid: list[list[bool]], log_weight: torch.Tensor | None = None) -> ScoreTable:
    columns = Columns(
        origin="a",
        cosines=torch.rand(len(valid), len(valid[0])),
        valid=torch.tensor(valid),
        log_weight=log_weight,
    )
    return score_table(torch.ones(len(valid), 2), [columns], torch.zeros(len(valid), dtype=torch.int64))


@few
@given(
    st.lists(st.lists(st.floats(-50, 50), min_size=3, max_size=3), min_size=1, max_size=4), st.integers(0, 2)
)
def test_softmax_loss_equals_the_loop_and_cross_entropy(logits: list[list[float]], positive: int) -> None:
    logits_BC = torch.tensor(logits, dtype=torch.float64)
    positive_B = torch.full((len(logits),), positive)
    ours = softmax_loss(logits_BC, positive_B)
    looped = [loops.minus_log_share(row[positive], row[:positive] + row[positive + 1 :]) for row in logits]
    torch.testing.assert_close(ours, torch.tensor(looped, dtype=torch.float64), atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(ours, cross_entropy(logits_BC, positive_B, reduction="none"))


def test_a_row_with_no_other_column_has_loss_exactly_zero() -> None:
    scores = table([[True, False, False]])
    logits = to_logits(scores.cosine_BC * 0.37, scores, 0.05)
    assert softmax_loss(logits, scores.positive_B).item() == 0.0


def test_logits_are_map_over_temperature_plus_weight() -> None:
    weight = torch.tensor([[0.0, 2.0]])
    scores = table([[True, True]], weight)
    logits = to_logits(torch.tensor([[0.5, -0.1]]), scores, 0.1)
    torch.testing.assert_close(logits, torch.tensor([[5.0, 1.0]]))


def test_excluded_columns_have_share_and_gradient_exactly_zero() -> None:
    scores = table([[True, False, True]])
    mapped = torch.tensor([[0.1, 0.9, 0.2]], requires_grad=True)
    logits = to_logits(mapped, scores, 0.05)
    assert logits.isfinite().all()
    assert logits.softmax(1)[0, 1].item() == 0.0
    (gradient,) = torch.autograd.grad(softmax_loss(logits, scores.positive_B).sum(), mapped)
    assert gradient[0, 1].item() == 0.0
    assert gradient[0, 2].item() > 0.0


def test_weight_multiplies_the_exponential() -> None:
    scores = table([[True, True, True]], torch.tensor([[0.0, math.log(3.0), 0.0]]))
    loss = softmax_loss(to_logits(torch.zeros(1, 3), scores, 1.0), scores.positive_B)
    assert loss.item() == pytest.approx(math.log(1 + 3 + 1), abs=1e-6)


def test_extreme_logits_neither_overflow_nor_vanish() -> None:
    loss = softmax_loss(torch.tensor([[-1e4, 1e4], [1e4, -1e4]]), torch.tensor([0, 0]))
    assert loss.tolist() == [2e4, 0.0]


def test_nan_in_a_column_that_counts_is_nan() -> None:
    scores = table([[True, True]])
    logits = to_logits(torch.tensor([[0.0, float("nan")]]), scores, 1.0)
    assert softmax_loss(logits, scores.positive_B).isnan().all()
