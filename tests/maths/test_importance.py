"""Scores of weights equal the loops, in size and in slope; the mask leaves out the lowest, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from contrapose.maths.geometry import alignment, uniformity
from contrapose.maths.importance import ImportanceSums, Reduction, keep_masks, scores, taylor_importance
from tests.reference import importance as loops


def batches(count: int = 3) -> list[loops.Batch]:
    generator = np.random.default_rng(5)
    first = [generator.normal(size=(5, 4)) for _ in range(count)]
    return [(x, x + 0.3 * generator.normal(size=x.shape)) for x in first]


def matrix() -> np.ndarray:
    return np.random.default_rng(2).normal(size=(3, 4))


def gradients_of(weight: Tensor, batch: loops.Batch) -> dict[str, Tensor]:
    """Measure -> its gradient by the weight, by autograd."""
    first, second = (torch.from_numpy(x) @ weight.T for x in batch)
    measures = {"alignment": alignment(first, second), "uniformity": uniformity(first)}
    return {
        name: torch.autograd.grad(value, weight, retain_graph=True)[0] for name, value in measures.items()
    }


def sums_of(weight: Tensor, reduction: Reduction, count: int = 3) -> ImportanceSums:
    sums = ImportanceSums({"w": weight}, reduction)
    for batch in batches(count):
        for measure, gradient in gradients_of(weight, batch).items():
            sums.add(measure, {"w": gradient})
    return sums


@pytest.mark.parametrize("batch", batches())
@pytest.mark.parametrize("measure", ["alignment", "uniformity"])
def test_the_gradient_of_a_measure_is_its_slope(measure: str, batch: loops.Batch) -> None:
    weight = torch.from_numpy(matrix()).requires_grad_()
    function = loops.alignment_of if measure == "alignment" else loops.uniformity_of
    expected = [[loops.slope(function, matrix(), batch, (i, j)) for j in range(4)] for i in range(3)]
    got = gradients_of(weight, batch)[measure]
    assert got.abs().max() > 0.01
    torch.testing.assert_close(got, torch.tensor(expected, dtype=torch.float64), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("reduction", ["abs_mean", "mean_abs"])
def test_scores_equal_the_loops(reduction: Reduction) -> None:
    weight = torch.from_numpy(matrix()).requires_grad_()
    sums = sums_of(weight, reduction)
    got = scores({name: sums.importance(name) for name in ("alignment", "uniformity")}, "matrix")["w"]
    expected = torch.tensor(loops.scores(matrix(), batches(), reduction=reduction))
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)


def test_the_two_reductions_differ_where_batches_disagree_and_not_for_one_batch() -> None:
    weight = torch.from_numpy(matrix()).requires_grad_()
    several, one = (
        [
            sums_of(weight, reduction, count).importance("alignment")["w"]
            for reduction in ("abs_mean", "mean_abs")
        ]
        for count in (3, 1)
    )
    assert (several[1] >= several[0] - 1e-12).all(), "the mean of sizes is at least the size of the mean"
    assert not torch.allclose(*several)
    torch.testing.assert_close(*one)


def test_importance_is_the_first_order_change_where_a_weight_becomes_zero() -> None:
    weight = torch.from_numpy(matrix()).requires_grad_()
    small = weight.detach() * 1e-4
    for row, column in ((0, 0), (2, 3)):
        near = weight.detach().clone()
        near[row, column] = small[row, column]
        near.requires_grad_()
        batch = batches(1)[0]
        gradient = gradients_of(near, batch)["uniformity"]
        without = near.detach().clone().numpy()
        without[row, column] = 0.0
        change = abs(loops.uniformity_of(near.detach().numpy(), batch) - loops.uniformity_of(without, batch))
        assert change > 0
        assert taylor_importance(near, gradient)[row, column].item() == pytest.approx(change, rel=1e-2)


def test_a_common_factor_of_a_measure_changes_no_score() -> None:
    importance = {"a": torch.rand(3, 4), "b": torch.rand(2, 2)}
    other = {"a": torch.rand(3, 4), "b": torch.rand(2, 2)}
    larger = {name: 1000 * part for name, part in importance.items()}
    for scope in ("matrix", "global"):
        one, two = (scores({"A": part, "U": other}, scope) for part in (importance, larger))
        for name in one:
            torch.testing.assert_close(one[name], two[name])


def test_a_matrix_with_large_gradients_loses_weights_only_where_all_are_compared() -> None:
    importance = {"large": 10 + torch.rand(10, 10), "small": torch.rand(10, 10)}
    shares = {}
    for scope in ("matrix", "global"):
        kept = keep_masks(scores({"A": importance, "U": importance}, scope), 0.1, scope)
        shares[scope] = [float((~mask).float().mean()) for mask in kept.values()]
    assert shares["matrix"] == pytest.approx([0.1, 0.1])
    assert shares["global"] == pytest.approx([0.0, 0.2])


@pytest.mark.parametrize("sparsity", [0.0, 0.01, 0.34, 0.5, 0.99])
def test_masks_equal_the_loops_and_ties_go_in_order(sparsity: float) -> None:
    score = torch.tensor([[3.0, 1.0, 1.0], [0.0, 3.0, 1.0]])
    mask = keep_masks({"w": score}, sparsity, "matrix")["w"]
    assert mask.shape == score.shape
    assert mask.flatten().tolist() == loops.kept(score.flatten().tolist(), sparsity)
    assert torch.equal(mask, keep_masks({"w": score}, sparsity, "global")["w"])


@pytest.mark.parametrize("scope", ["matrix", "global"])
def test_every_zeroed_weight_scores_at_most_what_every_kept_one_does(scope: str) -> None:
    generator = torch.Generator().manual_seed(0)
    given = {name: torch.rand(7, 9, generator=generator) for name in ("a", "b", "c")}
    masks = keep_masks(given, 0.3, scope)
    groups = [[name] for name in given] if scope == "matrix" else [list(given)]
    for group in groups:
        zeroed = torch.cat([given[name][~masks[name]] for name in group])
        kept = torch.cat([given[name][masks[name]] for name in group])
        assert len(zeroed) == int(0.3 * 63 * len(group))
        assert zeroed.max() <= kept.min()


def test_a_weight_that_one_measure_does_not_reach_has_no_score_and_no_mask() -> None:
    both = {"a": torch.rand(2, 2), "b": torch.rand(2, 2)}
    given = scores({"A": both, "U": {"a": torch.rand(2, 2)}}, "global")
    assert list(given) == ["a"]
    assert list(keep_masks(given, 0.5, "global")) == ["a"]
    assert keep_masks({}, 0.5, "global") == {}


def test_a_measure_without_any_slope_adds_nothing_and_nan_stays_visible() -> None:
    part = torch.rand(2, 2)
    without = scores({"A": {"a": part}, "U": {"a": torch.zeros(2, 2)}}, "matrix")["a"]
    torch.testing.assert_close(without, part / part.mean())
    part[0, 0] = float("nan")
    assert scores({"A": {"a": part}, "U": {"a": part}}, "matrix")["a"].isnan().any()
