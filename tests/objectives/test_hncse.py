"""HNCSE as whole methods, against the loops. The parts have their own tests in negatives/ and positives/."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrapose.objectives.catalogue import loss
from tests.reference import loops

few = settings(max_examples=20)


def close_views(rows: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows so alike that hard negatives are near the positive, above it, and far below it."""
    random = torch.Generator().manual_seed(seed)
    base = torch.randn(rows, 4, generator=random, dtype=torch.float64) + 1.0
    anchor, positive = (
        base + 0.3 * torch.randn(rows, 4, generator=random, dtype=torch.float64) for _ in range(2)
    )
    return anchor, positive


def as_tensor(losses: list[float]) -> torch.Tensor:
    return torch.tensor(losses, dtype=torch.float64)


@few
@given(st.integers(1, 7), st.integers(2, 5), st.floats(0, 1), st.integers(0, 10**6))
def test_hnm_equals_explicit_mixing(rows: int, k: int, alpha: float, seed: int) -> None:
    anchor, positive = close_views(rows, seed)
    ours = loss("hncse-hnm", anchor, positive, k=k, alpha=alpha, pairs="all")
    mixtures = loops.hnm_cosines(anchor.tolist(), positive.tolist(), k=k, alpha=alpha)
    expected = loops.simcse(anchor.tolist(), positive.tolist(), extra=mixtures)
    torch.testing.assert_close(ours.outcome.loss_B, as_tensor(expected), atol=1e-9, rtol=1e-7)


@few
@given(
    st.integers(2, 6),
    st.sampled_from(["mixed", "own"]),
    st.sampled_from(["similarity", "fixed"]),
    st.floats(0, 1),
    st.integers(0, 10**6),
)
def test_pm_equals_the_loop(rows: int, columns: str, near_mode: str, gap: float, seed: int) -> None:
    anchor, positive = close_views(rows, seed)
    numbers = {"columns": columns, "near_mode": near_mode, "gap_threshold": gap}
    ours = loss("hncse-pm", anchor, positive, **numbers)
    expected = loops.pm(anchor.tolist(), positive.tolist(), **numbers)  # type: ignore[arg-type]
    torch.testing.assert_close(ours.outcome.loss_B, as_tensor(expected), atol=1e-9, rtol=1e-7)


@pytest.mark.parametrize("columns", ["mixed", "own"])
@pytest.mark.parametrize("search_objective", ["paper", "max-margin"])
def test_pm_search_equals_brute_force_over_built_mixtures(columns: str, search_objective: str) -> None:
    shares = set()
    for seed in range(8):
        anchor, positive = close_views(6, seed)
        numbers = {
            "near_mode": "search",
            "columns": columns,
            "search_objective": search_objective,
            "search_angles": 9,
            "gap_threshold": 0.5,
        }
        ours = loss("hncse-pm", anchor, positive, **numbers)
        expected = loops.pm(anchor.tolist(), positive.tolist(), **numbers)  # type: ignore[arg-type]
        torch.testing.assert_close(ours.outcome.loss_B, as_tensor(expected), atol=1e-9, rtol=1e-7)
        assert ours.stats["share_near"] > 0
        shares.add(round(ours.stats["mixing_share"].item(), 4))
    assert len(shares) > 1, "the search never chose anything else"


def test_hncse_mixes_both_from_unmixed_positives() -> None:
    anchor, positive = close_views(6, seed=3)
    ours = loss("hncse", anchor, positive, pairs="all", k=3)
    assert ours.stats["share_far"] < 1
    rows, columns = anchor.tolist(), positive.tolist()
    mixtures = loops.hnm_cosines(rows, columns, k=3)
    mixed = loops.mixed_positives(columns, *loops.pm_shares(rows, columns))
    expected = loops.simcse(rows, mixed, extra=mixtures)
    torch.testing.assert_close(ours.outcome.loss_B, as_tensor(expected))


def test_focal_takes_its_positive_cosine_after_mixing() -> None:
    anchor, positive = close_views(6, seed=3)
    ours = loss("focal-infonce", anchor, positive, parts=["mixed-positive"])
    expected = loops.pm(
        anchor.tolist(),
        positive.tolist(),
        map_positive=loops.focal_positive,
        map_negative=lambda n: loops.focal_negative(n, 0.3),
    )
    torch.testing.assert_close(ours.outcome.loss_B, as_tensor(expected))


def test_mixtures_make_the_loss_larger() -> None:
    anchor, positive = close_views(8, seed=1)
    plain = loss("simcse", anchor, positive).outcome.loss_B
    assert (loss("hncse-hnm", anchor, positive).outcome.loss_B > plain).all()


@few
@given(st.integers(3, 7), st.floats(0.05, 0.95), st.integers(0, 10**6))
def test_hnm_of_raw_vectors_equals_explicit_mixing_as_published(rows: int, alpha: float, seed: int) -> None:
    """G = normalise(alpha z_a + (1 - alpha) z_b) of the vectors as they are: the longer parent weighs more."""
    anchor, positive = close_views(rows, seed)
    positive = positive * torch.linspace(0.1, 6, rows, dtype=torch.float64)[:, None]
    numbers = {"k": 3, "alpha": alpha, "pairs": "all"}
    ours = loss("hncse-hnm", anchor, positive, raw_vectors=True, **numbers)
    mixtures = loops.hnm_cosines(anchor.tolist(), positive.tolist(), k=3, alpha=alpha, raw_vectors=True)
    expected = loops.simcse(anchor.tolist(), positive.tolist(), extra=mixtures)
    torch.testing.assert_close(ours.outcome.loss_B, as_tensor(expected), atol=1e-9, rtol=1e-7)
    assert not torch.allclose(
        ours.outcome.loss_B, loss("hncse-hnm", anchor, positive, **numbers).outcome.loss_B
    )


def test_the_gradient_of_raw_mixtures_is_that_of_the_built_ones() -> None:
    """Through the lengths of the parents too: nothing of the published mixture is held constant."""
    anchor, positive = (view.requires_grad_() for view in close_views(5, seed=2))
    cosine = loss("hncse-hnm", anchor, positive, raw_vectors=True, k=2, pairs="all").outcome.table.cosine_BC
    cosine_BB = torch.nn.functional.cosine_similarity(anchor[:, None], positive[None], dim=-1)
    parents = cosine_BB.detach().fill_diagonal_(-2).topk(2).indices
    built = 0.5 * positive[parents[:, 0]] + 0.5 * positive[parents[:, 1]]
    expected = torch.nn.functional.cosine_similarity(anchor, built, dim=-1)
    torch.testing.assert_close(cosine[:, -1], expected)
    ours = torch.autograd.grad(cosine[:, -1].sum(), [anchor, positive])
    for one, other in zip(ours, torch.autograd.grad(expected.sum(), [anchor, positive]), strict=True):
        torch.testing.assert_close(one, other)


def test_both_parts_share_one_switch_for_raw_vectors() -> None:
    anchor, positive = close_views(6, seed=3)
    positive = positive * torch.linspace(0.1, 6, 6, dtype=torch.float64)[:, None]
    ours = loss("hncse", anchor, positive, pairs="all", k=3, raw_vectors=True)
    rows, columns = anchor.tolist(), positive.tolist()
    mixtures = loops.hnm_cosines(rows, columns, k=3, raw_vectors=True)
    mixed = loops.mixed_positives(columns, *loops.pm_shares(rows, columns), raw_vectors=True)
    expected = loops.simcse(rows, mixed, extra=mixtures)
    torch.testing.assert_close(ours.outcome.loss_B, as_tensor(expected))
