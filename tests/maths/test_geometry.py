from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from contrapose.maths import geometry
from contrapose.seeds import torch_generator
from tests.reference import geometry as reference

MEASURES = ("uniformity", "mean_cosine", "effective_rank", "iso_score", "hubness")


def vectors(num_rows: int = 23, width: int = 5, seed: int = 0) -> torch.Tensor:
    return torch.randn(num_rows, width, generator=torch_generator(seed, "test"), dtype=torch.float64)


@pytest.mark.parametrize("name", MEASURES)
def test_measure_equals_the_loop_over_pairs(name: str) -> None:
    rows = vectors()
    expected = getattr(reference, name)(rows.numpy())
    assert float(getattr(geometry, name)(rows)) == pytest.approx(expected, abs=1e-12)
    assert float(getattr(geometry, name)(rows.float())) == pytest.approx(expected, abs=1e-5)


def test_alignment_equals_the_loop_over_pairs() -> None:
    first, second = vectors(seed=1), vectors(seed=2)
    expected = reference.alignment(first.numpy(), second.numpy())
    assert float(geometry.alignment(first, second)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("tile_rows", [1, 2, 7, 22, 23, 1000])
def test_uniformity_is_the_same_for_every_tile_size(tile_rows: int) -> None:
    rows = vectors()
    assert float(geometry.uniformity(rows, tile_rows=tile_rows)) == pytest.approx(
        float(geometry.uniformity(rows)), abs=1e-12
    )


def test_uniformity_uses_t() -> None:
    rows = vectors()
    assert float(geometry.uniformity(rows, t=0.5)) == pytest.approx(
        reference.uniformity(rows.numpy(), 0.5), abs=1e-12
    )


def test_closed_forms_of_the_axes_of_space() -> None:
    axes = torch.cat([torch.eye(4), -torch.eye(4)])
    # Of 28 pairs 4 are opposite (squared distance 4) and 24 orthogonal (squared distance 2).
    assert float(geometry.uniformity(axes)) == pytest.approx(
        math.log((4 * math.exp(-8) + 24 * math.exp(-4)) / 28)
    )
    assert float(geometry.mean_cosine(axes)) == pytest.approx(-4 / 28)
    assert float(geometry.effective_rank(axes)) == pytest.approx(4.0)
    assert float(geometry.iso_score(axes)) == pytest.approx(1.0)
    line = torch.tensor([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
    assert float(geometry.iso_score(line)) == pytest.approx(0.0, abs=1e-6)


def test_a_hub_is_seen() -> None:
    """The middle of a wide crown is nearer to every tip than the next tip is."""
    turn = 2 * math.pi / 5
    crown = [[math.cos(i * turn), math.sin(i * turn), 1.0] for i in range(5)]
    with_hub = torch.tensor([*crown, [0.0, 0.0, 1.0]])
    counts = geometry.neighbour_counts(with_hub, k=1)
    assert counts[:5].sum() == 1
    assert counts[5] == 5
    assert float(geometry.hubness(with_hub, k=1)) > 1


@pytest.mark.parametrize("length", [1.0, 1e-6, 1e6])
def test_one_point_is_the_extreme_of_every_measure(length: float) -> None:
    one_point = (vectors(1, 384, seed=3).float() * length).repeat(50, 1)
    assert float(geometry.uniformity(one_point)) == pytest.approx(0.0, abs=1e-5)
    assert float(geometry.mean_cosine(one_point)) == pytest.approx(1.0, abs=1e-5)
    assert float(geometry.effective_rank(one_point)) == 1.0
    assert float(geometry.iso_score(one_point)) == 0.0
    assert float(geometry.alignment(one_point, one_point)) == 0.0


@pytest.mark.parametrize("name", MEASURES)
def test_fewer_than_two_rows_have_no_spread(name: str) -> None:
    assert math.isnan(float(getattr(geometry, name)(torch.ones(1, 3))))
    assert math.isnan(float(getattr(geometry, name)(torch.zeros(0, 3))))


@pytest.mark.parametrize("name", MEASURES)
def test_zero_vectors_and_half_precision_stay_finite(name: str) -> None:
    rows = vectors()
    rows[3] = 0
    value = getattr(geometry, name)(rows.bfloat16())
    assert value.dtype == torch.float32
    assert math.isfinite(float(value))


@pytest.mark.parametrize("name", MEASURES)
def test_nan_in_gives_nan_out_not_a_number_that_looks_fine(name: str) -> None:
    rows = vectors()
    rows[3, 2] = float("nan")
    try:
        value = float(getattr(geometry, name)(rows))
    except RuntimeError:  # the eigenvalue solver refuses such a matrix
        return
    assert math.isnan(value)


@given(seed=st.integers(0, 10_000), num_rows=st.integers(2, 12), width=st.integers(1, 6))
def test_bounds_scale_and_order_of_rows(seed: int, num_rows: int, width: int) -> None:
    rows = vectors(num_rows, width, seed)
    bounds = {
        "uniformity": (-8.0, 0.0),
        "mean_cosine": (-1 / (num_rows - 1), 1.0),
        "effective_rank": (1.0, width),
        "iso_score": (0.0, 1.0),
    }
    for name in bounds if width > 1 else MEASURES[:3]:
        value = float(getattr(geometry, name)(rows))
        low, high = bounds[name]
        assert low - 1e-9 <= value <= high + 1e-9
        assert float(getattr(geometry, name)(3 * rows.flip(0))) == pytest.approx(value, abs=1e-9)


def test_alignment_and_uniformity_have_gradients_for_training() -> None:
    rows, other = vectors(6, 4, 1).requires_grad_(), vectors(6, 4, 2).requires_grad_()
    assert torch.autograd.gradcheck(geometry.alignment, (rows, other))
    assert torch.autograd.gradcheck(lambda x: geometry.uniformity(x, tile_rows=4), (rows,))


def test_unequal_sides_of_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="equal shapes"):
        geometry.alignment(torch.ones(3, 2), torch.ones(2, 2))


def test_every_measure_has_a_definition_to_print() -> None:
    assert set(geometry.DEFINITIONS) == {"alignment", "positive_rank", *MEASURES}
