"""Unit vectors and products of rows in blocks: the numbers and the gradients of the plain ones."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from contrapose.maths import lean_rows
from contrapose.maths.lean_rows import lean_dots, lean_unit
from contrapose.maths.similarity import SMALLEST_NORM, paired_cosine, unit


@given(rows=st.integers(0, 9), block=st.integers(1, 5), seed=st.integers(0, 99))
def test_they_equal_the_plain_ones_whatever_the_block(rows: int, block: int, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    left, right = (torch.randn(rows, 4, generator=random, dtype=torch.float64) for _ in range(2))
    weights = torch.randn(rows, generator=random, dtype=torch.float64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lean_rows, "ROWS", block)
        found = _gradients(left, right, weights, lambda a, b: lean_dots(lean_unit(a), lean_unit(b)))
    for mine, plain in zip(found, _gradients(left, right, weights, paired_cosine), strict=True):
        torch.testing.assert_close(mine, plain, rtol=1e-10, atol=1e-12)


def _gradients(left, right, weights, cosine):  # type: ignore[no-untyped-def]
    left, right = left.clone().requires_grad_(), right.clone().requires_grad_()
    cosines = cosine(left, right)
    (cosines * weights).sum().backward()
    return cosines.detach(), left.grad, right.grad


def test_rows_without_a_direction_have_the_gradient_of_the_plain_division() -> None:
    rows = torch.tensor([[0.0, 0.0], [SMALLEST_NORM / 2, 0.0], [3.0, 4.0]], dtype=torch.float64)
    weights = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], dtype=torch.float64)
    found = []
    for function in (unit, lean_unit):
        vectors = rows.clone().requires_grad_()
        (function(vectors) * weights).sum().backward()
        assert vectors.grad is not None
        found.append(vectors.grad)
    torch.testing.assert_close(*found)


def test_half_precision_is_widened_and_only_what_needs_a_gradient_gets_one() -> None:
    vectors = torch.ones(2, 3, dtype=torch.bfloat16, requires_grad=True)
    assert lean_unit(vectors).dtype == torch.float32
    fixed = torch.ones(2, 3)
    lean_dots(lean_unit(vectors), fixed).sum().backward()
    assert vectors.grad is not None
    assert fixed.grad is None
