"""How far a space moved: what must not count, what must, and each measure against its definition."""

from __future__ import annotations

import math

import pytest
import torch

from contrapose.maths.movement import linear_cka, neighbours_kept, shift

BEFORE = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
AFTER = torch.randn(40, 6, generator=torch.Generator().manual_seed(1))
ROTATION = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(2)))[0]


def test_lengths_of_vectors_are_no_movement() -> None:
    longer = BEFORE * torch.linspace(0.5, 9, 40)[:, None]
    assert float(shift(BEFORE, longer)) == pytest.approx(0, abs=1e-6)
    assert float(linear_cka(BEFORE, longer)) == pytest.approx(1, abs=1e-6)
    assert float(neighbours_kept(BEFORE, longer)) == 1


def test_a_rotation_moves_every_vector_and_no_relation() -> None:
    turned = BEFORE @ ROTATION
    assert float(shift(BEFORE, turned)) > 0.3
    assert float(linear_cka(BEFORE, turned)) == pytest.approx(1, abs=1e-5)
    assert float(neighbours_kept(BEFORE, turned)) == 1


def test_unrelated_spaces_are_far_apart() -> None:
    assert float(shift(BEFORE, AFTER)) == pytest.approx(1, abs=0.3)
    assert float(linear_cka(BEFORE, AFTER)) < 0.4
    assert float(neighbours_kept(BEFORE, AFTER)) < 0.5
    assert float(shift(BEFORE, -BEFORE)) == pytest.approx(2, abs=1e-6)


def test_cka_is_the_normalised_covariance_of_the_gram_matrices() -> None:
    grams = []
    for side in (BEFORE, AFTER):
        unit = torch.nn.functional.normalize(side.double())
        gram = unit @ unit.T
        grams.append(gram - gram.mean(0) - gram.mean(1, keepdim=True) + gram.mean())
    left, right = grams
    expected = (left * right).sum() / (left.norm() * right.norm())
    assert float(linear_cka(BEFORE, AFTER)) == pytest.approx(float(expected), abs=1e-6)


def test_neighbours_kept_counts_as_a_loop_does() -> None:
    def nearest(side: torch.Tensor, row: int) -> set[int]:
        cosines = torch.cosine_similarity(side[row : row + 1], side)
        cosines[row] = -2
        return set(cosines.topk(5).indices.tolist())

    shares = [len(nearest(BEFORE, row) & nearest(AFTER, row)) / 5 for row in range(40)]
    assert float(neighbours_kept(BEFORE, AFTER, k=5)) == pytest.approx(sum(shares) / 40)


def test_few_texts_and_other_widths() -> None:
    assert float(neighbours_kept(BEFORE[:3], BEFORE[:3], k=10)) == 1
    assert math.isnan(float(neighbours_kept(BEFORE[:1], BEFORE[:1])))
    assert math.isnan(float(linear_cka(BEFORE[:1], BEFORE[:1])))
    wider = torch.cat([AFTER, torch.zeros(40, 3)], dim=1)
    assert float(linear_cka(BEFORE, wider)) == pytest.approx(float(linear_cka(BEFORE, AFTER)), abs=1e-6)
