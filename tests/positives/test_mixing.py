from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrapose.contract import Views
from contrapose.maths.similarity import unit
from contrapose.objectives.simcse import simcse
from contrapose.positives.mixing import MixedPositive
from tests.objectives.scored import scored
from tests.reference import loops

few = settings(max_examples=25)


def plane(*angles: float) -> torch.Tensor:
    angle = torch.tensor(angles, dtype=torch.float64)
    return torch.stack([angle.cos(), angle.sin()], dim=1)


def alike(rows: int = 6, seed: int = 0) -> Views:
    """Rows so alike that some are near, some over and some far."""
    random = torch.Generator().manual_seed(seed)
    base = torch.randn(rows, 4, generator=random, dtype=torch.float64) + 1.0
    anchor, positive = base + 0.3 * torch.randn(2, rows, 4, generator=random, dtype=torch.float64)
    return Views.pair(anchor, positive)


def shares(views: Views, **numbers: Any) -> torch.Tensor:
    """The share of the hardest negative in each row, recovered from the mixed vectors' own parts."""
    mixer = MixedPositive(**numbers)
    cosine_BB = unit(views.anchor) @ unit(views.positive).T
    return mixer._shares(cosine_BB, views.positive, views.ruled_out())[0]


@few
@given(
    st.integers(2, 6),
    st.sampled_from(["similarity", "fixed", "search"]),
    st.sampled_from(["mixed", "own"]),
    st.floats(0, 1),
    st.integers(0, 10**6),
)
def test_shares_and_mixtures_equal_the_loop(
    rows: int, near_mode: Any, columns: Any, gap: float, seed: int
) -> None:
    views = alike(rows, seed)
    numbers = {"near_mode": near_mode, "columns": columns, "gap_threshold": gap}
    expected, partners = loops.pm_shares(views.anchor.tolist(), views.positive.tolist(), **numbers)
    torch.testing.assert_close(shares(views, **numbers), torch.tensor(expected, dtype=torch.float64))
    mixed = MixedPositive(**numbers).views(views)
    built = torch.tensor(
        loops.mixed_positives(views.positive.tolist(), expected, partners), dtype=torch.float64
    )
    view = mixed.positive if columns == "mixed" else mixed.by_name["own_positive"]
    torch.testing.assert_close(unit(view), unit(built))


def test_when_every_gap_is_large_it_is_simcse_to_the_bit() -> None:
    views = Views.pair(plane(0.0, 1.0, 2.0, 3.0), plane(0.1, 1.1, 2.1, 3.1))
    part = MixedPositive()
    mixed = part.views(views)
    assert part.statistics["share_far"].item() == 1.0
    assert torch.equal(mixed.positive, views.positive)
    assert torch.equal(scored(simcse, mixed).loss_B, scored(simcse, views).loss_B)


def test_near_over_and_far_rows_are_told_apart() -> None:
    anchor, positive = (view.tolist() for view in (alike(8, seed=3).anchor, alike(8, seed=3).positive))
    kinds = []
    for i, row in enumerate(anchor):
        h = loops.hardest(anchor, positive, i, loops.NOTHING)
        assert h is not None
        d1, d2 = loops.cosine(row, positive[i]), loops.cosine(row, positive[h])
        kinds.append("over" if d1 <= d2 else "near" if (d1 - d2) / d1 <= 0.1 else "far")
    assert set(kinds) == {"near", "over", "far"}
    part = MixedPositive()
    part.views(alike(8, seed=3))
    for kind in ("near", "over", "far"):
        assert part.statistics[f"share_{kind}"].item() == kinds.count(kind) / 8


@pytest.mark.parametrize(("gap", "is_near"), [(0.0, False), (0.09, False), (0.11, True), (1.0, True)])
def test_threshold_is_on_the_gap_over_the_positive_cosine(gap: float, is_near: bool) -> None:
    """Cosines 1 and 0.9 give a gap of 0.1."""
    positive = torch.tensor([[1.0, 0.0], [0.9, 0.19**0.5]], dtype=torch.float64)
    found = shares(Views.pair(plane(0.0, 1.6), positive), gap_threshold=gap)
    assert found[0].item() == pytest.approx(0.9 / 1.9 if is_near else 0.0)


def test_negative_as_close_as_the_positive_gets_half() -> None:
    same = torch.ones(3, 2, dtype=torch.float64)
    assert shares(Views.pair(same, same)).tolist() == [0.5, 0.5, 0.5]


def test_over_row_gets_d2_over_d1_plus_d2() -> None:
    positive = torch.tensor([[0.6, 0.8], [0.8, 0.6]], dtype=torch.float64)
    found = shares(Views.pair(plane(0.0, 0.0), positive))
    assert found.tolist() == pytest.approx([0.8 / 1.4, 0.0])


@pytest.mark.parametrize("d1", [-0.5, 0.0])
def test_no_share_where_a_cosine_is_not_positive(d1: float) -> None:
    positive = torch.tensor([[d1, (1 - d1 * d1) ** 0.5], [0.8, 0.6]], dtype=torch.float64)
    found = shares(Views.pair(plane(0.0, 0.0), positive))
    assert found[0].item() == 0.0


@pytest.mark.parametrize(("given_weight", "share"), [(None, 0.2), (0.35, 0.35)])
def test_fixed_share_in_near_rows_alone(given_weight: float | None, share: float) -> None:
    views = alike()
    fixed = shares(views, near_mode="fixed", near_weight=given_weight, gap_threshold=0.3)
    similar = shares(views, gap_threshold=0.3)
    near = (fixed != similar).nonzero()
    assert len(near) > 0
    assert all(value == pytest.approx(share) for value in fixed[near].flatten().tolist())


def test_only_the_ratio_of_the_two_weights_matters() -> None:
    views = alike()
    mixed = MixedPositive(gap_threshold=1.0).views(views)
    scale = torch.linspace(0.2, 9, 6, dtype=torch.float64)[:, None]
    torch.testing.assert_close(
        scored(simcse, mixed.with_views(positive=mixed.positive * scale)).loss_B, scored(simcse, mixed).loss_B
    )


def test_own_columns_leave_the_hardest_negative_as_it_was() -> None:
    views = alike()
    part = MixedPositive(columns="own")
    mixed = part.views(views)
    assert part.statistics["share_far"] < 1
    assert torch.equal(mixed.positive, views.positive)
    table, plain = scored(simcse, mixed).table.cosine_BC, scored(simcse, views).table.cosine_BC
    off = ~torch.eye(6, dtype=torch.bool)
    assert torch.equal(table[off], plain[off])
    assert not torch.equal(table.diagonal(), plain.diagonal())


def test_gradient_reaches_both_parts_and_not_the_share() -> None:
    views = alike()
    positive = views.positive.clone().requires_grad_()
    anchor = views.anchor.clone().requires_grad_()
    mixed = MixedPositive(gap_threshold=1.0).views(Views.pair(anchor, positive))
    share = shares(views, gap_threshold=1.0)
    hardest = (unit(views.anchor) @ unit(views.positive).T).fill_diagonal_(-2).argmax(1)
    row = int(share.argmax())
    assert share[row] > 0
    built = (1 - share[row]) * unit(positive)[row] + share[row] * unit(positive)[hardest[row]]
    (ours,) = torch.autograd.grad(mixed.positive[row].square().sum(), positive, retain_graph=True)
    (expected,) = torch.autograd.grad(built.square().sum(), positive)
    torch.testing.assert_close(ours, expected)
    assert (ours[row].abs().sum() > 0) & (ours[hardest[row]].abs().sum() > 0)
    assert torch.autograd.grad(mixed.positive.sum(), anchor, allow_unused=True) == (None,)


def test_a_repeat_is_not_the_hardest_negative() -> None:
    views = alike()
    twin = views.positive.clone()
    twin[3] = views.positive[0]
    texts = {name: torch.tensor([1, 2, 3, 1, 5, 6]) for name in ("anchor", "positive")}
    views = replace(views.with_views(positive=twin), text_ids=texts)
    expected, _ = loops.pm_shares(
        views.anchor.tolist(), views.positive.tolist(), struck=frozenset({(0, 3), (3, 0)})
    )
    torch.testing.assert_close(shares(views), torch.tensor(expected, dtype=torch.float64))
    assert not torch.allclose(shares(views), shares(replace(views, text_ids={})))


def test_finer_search_is_no_worse() -> None:
    views = alike(seed=2)
    rows, columns = views.anchor.tolist(), views.positive.tolist()
    scores = []
    for angles in (2, 16, 256):
        found = shares(
            views, near_mode="search", search_objective="max-margin", search_angles=angles, gap_threshold=1.0
        )
        _, partners = loops.pm_shares(rows, columns, gap_threshold=1.0)
        scores.append(
            loops.search_score(rows, columns, found.tolist(), partners, "mixed", "max-margin", 0.05)
        )
    assert scores[0] + 1e-12 >= scores[1] >= scores[2] - 1e-3


def test_one_row_is_left_alone() -> None:
    views = Views.pair(torch.ones(1, 2), torch.ones(1, 2))
    part = MixedPositive()
    assert part.views(views) is views
    assert part.statistics == {}


def test_rows_that_meet_in_one_point_rank_above_each_other() -> None:
    """At the last angle rows 1 and 2 both become u_0: were a tie no loss of rank, the search would end there."""
    views = alike(3, seed=3244)
    assert shares(views, near_mode="search", gap_threshold=1.0).max() < 0.95
    expected, _ = loops.pm_shares(
        views.anchor.tolist(), views.positive.tolist(), near_mode="search", gap_threshold=1.0
    )
    assert shares(views, near_mode="search", gap_threshold=1.0).tolist() == pytest.approx(expected)


def test_a_repeat_counts_neither_in_the_margin_nor_in_the_rank_of_the_search() -> None:
    views = alike(6, seed=5)
    twin = views.positive.clone()
    twin[3] = views.positive[0]
    texts = {name: torch.tensor([1, 2, 3, 1, 5, 6]) for name in ("anchor", "positive")}
    views = replace(views.with_views(positive=twin), text_ids=texts)
    for objective in ("paper", "max-margin"):
        numbers: dict[str, Any] = {"near_mode": "search", "search_objective": objective, "gap_threshold": 1.0}
        expected, _ = loops.pm_shares(
            views.anchor.tolist(), views.positive.tolist(), struck=frozenset({(0, 3), (3, 0)}), **numbers
        )
        torch.testing.assert_close(shares(views, **numbers), torch.tensor(expected, dtype=torch.float64))


def dropout_twins(rows: int = 16) -> Views:
    """As real text: every positive is nearly its anchor, and every row has a topic in common with a few others."""
    random = torch.Generator().manual_seed(0)
    topics = torch.randn(4, 32, generator=random, dtype=torch.float64)[torch.arange(rows) % 4]
    base = topics + torch.randn(rows, 32, generator=random, dtype=torch.float64)
    noise = 0.25 * torch.randn(2, rows, 32, generator=random, dtype=torch.float64)
    return Views.pair(*(base + noise))


@pytest.mark.parametrize("search_objective", ["paper", "max-margin"])
def test_the_search_takes_no_more_than_the_largest_share(search_objective: Any) -> None:
    numbers: dict[str, Any] = {"near_mode": "search", "search_objective": search_objective}
    numbers |= {"gap_threshold": 1.0}
    views = dropout_twins()
    free = shares(views, **numbers).max().item()
    limits = (0.25, 0.5, 1.0)
    held = [shares(views, max_share=limit, **numbers).max().item() for limit in limits]
    assert all(share <= limit + 1e-9 for share, limit in zip(held, limits, strict=True))
    assert held[-1] == free
    if search_objective == "paper":
        assert free > 0.8, "without a limit the negative replaces the positive"
        assert 0.25 < held[1] <= 0.5 + 1e-9


@pytest.mark.parametrize("near_mode", ["similarity", "fixed", "search"])
@pytest.mark.parametrize("columns", ["mixed", "own"])
def test_raw_vectors_are_mixed_as_the_published_code_does(near_mode: Any, columns: Any) -> None:
    """s_i = w1 z_i + w2 z_h(i) of the vectors as they are, and the search over those."""
    lengths = torch.linspace(0.2, 5, 6, dtype=torch.float64)[:, None]
    differ = 0
    for seed in range(12):
        views = alike(6, seed)
        views = views.with_views(positive=views.positive * lengths)
        numbers: dict[str, Any] = {"near_mode": near_mode, "columns": columns, "gap_threshold": 0.4}
        rows, positives = views.anchor.tolist(), views.positive.tolist()
        expected, partners = loops.pm_shares(rows, positives, raw_vectors=True, **numbers)
        torch.testing.assert_close(
            shares(views, raw_vectors=True, **numbers), torch.tensor(expected, dtype=torch.float64)
        )
        built = loops.mixed_positives(positives, expected, partners, raw_vectors=True)
        mixed = MixedPositive(raw_vectors=True, **numbers).views(views)
        found = mixed.positive if columns == "mixed" else mixed.by_name["own_positive"]
        torch.testing.assert_close(unit(found), unit(torch.tensor(built, dtype=torch.float64)))
        plain = MixedPositive(**numbers).views(views)
        other = plain.positive if columns == "mixed" else plain.by_name["own_positive"]
        differ += not torch.allclose(unit(found), unit(other))
    assert differ > 6, "raw vectors never made a difference"


@pytest.mark.parametrize("columns", ["mixed", "own"])
@pytest.mark.parametrize("search_objective", ["paper", "max-margin"])
def test_search_with_near_and_other_rows_together_equals_brute_force(
    columns: Any, search_objective: Any
) -> None:
    """Rows that are not near keep their own share, so columns differ in theirs; many angles, so that it shows."""
    chosen = set()
    for seed in range(25):
        views = alike(5, seed)
        numbers = {"columns": columns, "search_objective": search_objective, "search_angles": 24}
        numbers |= {"near_mode": "search", "gap_threshold": 0.15}
        found = shares(views, **numbers)
        expected, _ = loops.pm_shares(views.anchor.tolist(), views.positive.tolist(), **numbers)
        torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))
        chosen |= {round(share, 6) for share in found.tolist() if share > 0}
    assert len(chosen) > 10
