from __future__ import annotations

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrapose.maths.similarity import at_least_fp32, computed_once, cosine_table, paired_cosine, unit
from tests.reference import loops

few = settings(max_examples=25)
#: 0, or far enough from it that its square is a number.
entries = st.floats(-100, 100).map(lambda value: value if abs(value) > 1e-3 else 0.0)


def matrices(rows: int | None = None) -> st.SearchStrategy[np.ndarray]:
    shape = st.tuples(st.just(rows) if rows else st.integers(1, 5), st.just(3))
    return arrays.arrays(np.float64, shape, elements=entries)


@few
@given(matrices(), matrices())
def test_cosine_table_equals_the_loop(rows: np.ndarray, columns: np.ndarray) -> None:
    table = cosine_table(torch.from_numpy(rows), torch.from_numpy(columns))
    expected = [[loops.cosine(row, column) for column in columns.tolist()] for row in rows.tolist()]
    np.testing.assert_allclose(table.numpy(), expected, atol=1e-12)


@few
@given(matrices(3), matrices(3))
def test_paired_cosine_is_the_diagonal_of_the_table(left: np.ndarray, right: np.ndarray) -> None:
    left_BD, right_BD = torch.from_numpy(left), torch.from_numpy(right)
    torch.testing.assert_close(paired_cosine(left_BD, right_BD), cosine_table(left_BD, right_BD).diagonal())


@few
@given(matrices())
def test_unit_vectors_have_length_one_or_are_zero(vectors: np.ndarray) -> None:
    lengths = unit(torch.from_numpy(vectors)).norm(dim=1)
    is_zero = torch.from_numpy(vectors).norm(dim=1) == 0
    torch.testing.assert_close(lengths, (~is_zero).double())


def test_each_rows_own_columns_are_scored_with_that_row() -> None:
    rows, columns = torch.randn(3, 4), torch.randn(3, 2, 4)
    table = cosine_table(rows, columns)
    for i in range(3):
        torch.testing.assert_close(table[i], cosine_table(rows[i : i + 1], columns[i])[0])


@pytest.mark.parametrize(
    ("given_dtype", "dtype"),
    [
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_precision_is_never_below_fp32_and_never_lowered(
    given_dtype: torch.dtype, dtype: torch.dtype
) -> None:
    vectors = torch.ones(2, 3, dtype=given_dtype)
    assert (
        at_least_fp32(vectors).dtype == unit(vectors).dtype == cosine_table(vectors, vectors).dtype == dtype
    )


def test_the_wider_of_two_precisions_wins() -> None:
    assert cosine_table(torch.ones(1, 2).double(), torch.ones(1, 2)).dtype == torch.float64
    assert cosine_table(torch.ones(1, 2), torch.ones(1, 1, 2).double()).dtype == torch.float64


def test_half_precision_is_widened_before_the_length_is_taken() -> None:
    """300 squared is no fp16 number."""
    assert cosine_table(torch.full((1, 2), 300.0).half(), torch.ones(1, 2).half()).item() == pytest.approx(
        1.0
    )


def test_zero_vector_has_cosine_zero_and_a_finite_gradient() -> None:
    zero = torch.zeros(1, 3, requires_grad=True)
    cosine = paired_cosine(zero, torch.ones(1, 3))
    assert cosine.item() == 0.0
    cosine.backward()
    assert zero.grad is not None
    assert zero.grad.isfinite().all()


def test_nan_stays_nan() -> None:
    table = cosine_table(torch.tensor([[float("nan"), 1.0], [1.0, 0.0]]), torch.eye(2))
    assert table.isnan().tolist() == [[True, True], [False, False]]


def test_one_row_one_column() -> None:
    assert cosine_table(torch.tensor([[2.0]]), torch.tensor([[-3.0]])).tolist() == [[-1.0]]


def test_what_is_computed_once_has_the_values_and_gradients_of_what_is_computed_twice() -> None:
    rows, columns = torch.randn(2, 4, 3, dtype=torch.float64).requires_grad_().unbind(0)

    def asked() -> list[torch.Tensor]:
        return [cosine_table(rows, columns).square(), cosine_table(rows, columns), unit(rows).sum(1)[:, None]]

    with computed_once():
        assert cosine_table(rows, columns) is cosine_table(rows, columns)
        once = asked()
    twice = asked()
    assert all(torch.equal(one, other) for one, other in zip(once, twice, strict=True))
    ours, theirs = (
        torch.autograd.grad(sum(each.sum() for each in found), (rows, columns)) for found in (once, twice)
    )
    torch.testing.assert_close(ours, theirs)


def test_who_asks_first_without_a_gradient_takes_none_from_the_next() -> None:
    rows = torch.randn(3, 2, requires_grad=True)
    with computed_once():
        with torch.no_grad():
            assert not unit(rows).requires_grad
        assert unit(rows).requires_grad
        with torch.no_grad():
            assert not unit(rows).requires_grad


def test_another_tensor_of_the_same_numbers_is_another_and_nothing_outlives_the_block() -> None:
    rows = torch.randn(3, 2)
    with computed_once():
        inside = unit(rows)
        assert unit(rows.clone()) is not inside
    assert unit(rows) is not inside


def test_a_large_table_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contrapose.maths.similarity.KEPT_CELLS", 8)
    rows = torch.randn(3, 2)
    with computed_once():
        assert cosine_table(rows, rows) is not cosine_table(rows, rows)
