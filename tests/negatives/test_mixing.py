from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrapose.contract import Columns, Views
from contrapose.maths.similarity import unit
from contrapose.negatives.mixing import MixedNegatives
from tests.reference import loops

few = settings(max_examples=25)


def views(rows: int, width: int = 4, seed: int = 0, step: int = 0) -> Views:
    random = torch.Generator().manual_seed(seed)
    anchor, positive = torch.randn(2, rows, width, generator=random, dtype=torch.float64) + 0.5
    return Views.pair(anchor, positive, seed=1, step=step)


def asked(source: MixedNegatives, given_views: Views) -> Columns:
    (columns,) = source.columns(given_views)
    return columns


def cosines(source: MixedNegatives, given_views: Views) -> torch.Tensor:
    found = asked(source, given_views).cosines
    assert found is not None
    return found


@few
@given(st.integers(3, 7), st.integers(2, 9), st.floats(0, 1), st.integers(0, 10**6))
def test_gram_path_equals_explicit_mixing(rows: int, k: int, alpha: float, seed: int) -> None:
    given_views = views(rows, seed=seed)
    ours = cosines(MixedNegatives(width=4, k=k, pairs="all", alpha=alpha), given_views)
    expected = loops.hnm_cosines(given_views.anchor.tolist(), given_views.positive.tolist(), k=k, alpha=alpha)
    np.testing.assert_allclose(ours.numpy(), expected, atol=1e-9)


@pytest.mark.parametrize("pairs", ["sample", "sample-distinct", "all"])
def test_no_row_is_its_own_parent_and_every_drawn_mixture_counts(pairs: Any) -> None:
    """Row i's positive is e_i, all others are orthogonal to it: any share of it would show in the cosine."""
    same = torch.eye(6, dtype=torch.float64)
    number = {} if pairs == "all" else {"num_mixtures": 10}
    columns = asked(MixedNegatives(width=6, k=10, pairs=pairs, **number), Views.pair(same, same))
    assert columns.cosines is not None
    assert columns.valid is not None
    assert columns.cosines.shape == (6, 10)
    assert (columns.cosines == 0).all()
    assert columns.valid.all()


def test_parents_are_the_hardest() -> None:
    """The anchor looks along e_0; of four negatives at known cosines, only the two nearest are mixed."""
    angles = torch.tensor([0.0, 0.9, 0.3, 1.4, 0.6], dtype=torch.float64)
    positive = torch.stack([angles.cos(), angles.sin()], dim=1)
    anchor = torch.tensor([[1.0, 0.0]], dtype=torch.float64).expand(5, 2)
    found = cosines(MixedNegatives(width=2, k=2, pairs="all"), Views.pair(anchor, positive))
    assert found[0].item() == pytest.approx(np.cos(0.45))  # halfway between 0.3 and 0.6
    assert found[2].item() == pytest.approx(np.cos(0.30))  # between 0.0 and 0.6: its own, 0.3, is left out


def test_alpha_is_the_share_of_the_harder_parent() -> None:
    anchor = torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64).expand(3, 3)
    positive = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], dtype=torch.float64)
    found = cosines(MixedNegatives(width=3, k=2, pairs="all", alpha=0.8), Views.pair(anchor, positive))
    assert found[0].item() == pytest.approx(0.8 / np.hypot(0.8, 0.2))


def test_drawn_mixtures_are_among_all_and_follow_the_step() -> None:
    source = MixedNegatives(width=4, k=4, num_mixtures=5, alpha=0.3)
    every = cosines(MixedNegatives(width=4, k=4, pairs="all", alpha=0.3), views(7))
    drawn = cosines(source, views(7))
    assert drawn.shape == (7, 5)
    assert ((drawn[:, :, None] - every[:, None, :]).abs().min(-1).values < 1e-12).all()
    assert torch.equal(drawn, cosines(source, views(7)))
    assert not torch.equal(drawn, cosines(source, views(7, step=1)))
    differing = [len({round(value, 9) for value in row}) for row in drawn.tolist()]
    assert max(differing) > 1, "rows drew one pair only"


def test_distinct_pairs_do_not_repeat_and_plain_ones_do() -> None:
    distinct = cosines(MixedNegatives(width=4, k=4, num_mixtures=6, pairs="sample-distinct"), views(7))
    every = cosines(MixedNegatives(width=4, k=4, pairs="all"), views(7))
    torch.testing.assert_close(distinct.sort(1).values, every.sort(1).values)
    fewer = cosines(MixedNegatives(width=4, k=4, num_mixtures=99, pairs="sample-distinct"), views(7))
    assert fewer.shape == (7, 6)
    repeated = cosines(MixedNegatives(width=4, k=4, num_mixtures=7), views(7))
    assert all(len({round(value, 9) for value in row}) < 7 for row in repeated.tolist())


def test_beta_shares_lie_between_the_parents_and_vary() -> None:
    source = MixedNegatives(width=4, k=2, num_mixtures=200, alpha_beta=1.0)
    _, shares = source._pairs(views(3), 2)
    assert shares.shape == (3, 200)
    assert 0 <= shares.min() < 0.1
    assert 0.9 < shares.max() <= 1
    assert shares.mean().item() == pytest.approx(0.5, abs=0.05)
    assert not torch.equal(shares[0], shares[1])


@pytest.mark.parametrize(("pool", "use_batch"), [("queue", False), ("batch+queue", True)])
def test_queue_pools_equal_explicit_mixing(pool: Any, use_batch: bool) -> None:
    source = MixedNegatives(width=4, k=3, pairs="all", pool=pool, pool_queue_size=5)
    assert list(source.columns(views(1))) == []
    past = views(4, seed=9)
    source.observe(past)
    given_views = views(5)
    expected = loops.hnm_cosines(
        given_views.anchor.tolist(),
        given_views.positive.tolist(),
        k=3,
        queue=past.positive.tolist(),
        use_batch=use_batch,
    )
    np.testing.assert_allclose(cosines(source, given_views).numpy(), expected, atol=1e-6)  # the queue is fp32


def test_the_batch_pool_remembers_nothing() -> None:
    source = MixedNegatives(width=4)
    source.observe(views(4))
    assert source.queue.num_filled == 0


@pytest.mark.parametrize("rows", [1, 2])
def test_too_few_negatives_give_no_mixture(rows: int) -> None:
    assert list(MixedNegatives(width=4).columns(views(rows))) == []


def test_repeats_are_no_parents() -> None:
    given_views = replace(
        views(6), text_ids={name: torch.tensor([1, 2, 1, 3, 4, 5]) for name in ("anchor", "positive")}
    )
    columns = asked(MixedNegatives(width=4, k=5, pairs="all"), given_views)
    assert columns.cosines is not None
    assert columns.valid is not None
    assert columns.valid.sum(1).tolist() == [6, 10, 6, 10, 10, 10]
    struck = frozenset({(0, 2), (2, 0)})
    expected = loops.hnm_cosines(
        given_views.anchor.tolist(), given_views.positive.tolist(), k=5, struck=struck
    )
    for found, valid, wanted in zip(columns.cosines, columns.valid, expected, strict=True):
        np.testing.assert_allclose(found[valid].numpy(), wanted, atol=1e-9)


def test_detached_parents_get_no_gradient_and_anchors_do() -> None:
    anchor, positive = (view.clone().requires_grad_() for view in (views(5).anchor, views(5).positive))
    found = cosines(MixedNegatives(width=4, detach_negatives=True), Views.pair(anchor, positive))
    assert torch.autograd.grad(found.sum(), positive, allow_unused=True, retain_graph=True) == (None,)
    assert torch.autograd.grad(found.sum(), anchor)[0].abs().sum() > 0


def test_opposite_parents_have_cosine_zero_and_a_finite_gradient() -> None:
    positive = torch.tensor([[0.0, 1.0], [1.0, 0.0], [-1.0, 0.0]], requires_grad=True)
    found = cosines(MixedNegatives(width=2, k=2, pairs="all"), Views.pair(torch.eye(3)[:, :2], positive))
    assert found[0].item() == 0.0
    (gradient,) = torch.autograd.grad(found.sum(), positive)
    assert gradient.isfinite().all()


def test_statistics_equal_the_loops_and_leave_out_what_does_not_count() -> None:
    texts = {name: torch.tensor([1, 2, 1, 3, 4]) for name in ("anchor", "positive")}
    given_views = replace(views(5), text_ids=texts)
    source = MixedNegatives(width=4, k=4, pairs="all", alpha=0.7)
    asked(source, given_views)
    stats = source.statistics
    units = unit(given_views.positive).tolist()
    difficulty, pairs = [], []
    for i, anchor in enumerate(given_views.anchor.tolist()):
        forbidden = frozenset({i, {0: 2, 2: 0}.get(i, i)})
        parents = loops.hnm_parents(anchor, units, 4, forbidden)
        built = [
            loops.add(0.7, units[x], 0.3, units[y]) for a, x in enumerate(parents) for y in parents[a + 1 :]
        ]
        difficulty += [loops.cosine(anchor, mixture) for mixture in built]
        pairs += [loops.cosine(p, q) for a, p in enumerate(built) for b, q in enumerate(built) if a != b]
    assert stats["mixture_difficulty"].item() == pytest.approx(np.mean(difficulty))
    assert stats["mixture_diversity"].item() == pytest.approx(1 - np.mean(pairs))


def test_statistics_of_no_mixture_are_not_a_number() -> None:
    same = {name: torch.ones(4, dtype=torch.int64) for name in ("anchor", "positive")}
    source = MixedNegatives(width=4)
    asked(source, replace(views(4), text_ids=same))
    assert len(source.statistics) == 2
    assert all(value.isnan() for value in source.statistics.values())


def test_what_nobody_reads_is_not_computed() -> None:
    source = MixedNegatives(width=4)
    source.reports = False
    found = cosines(source, views(6))
    assert source.statistics == {}
    source.reports = True
    assert torch.equal(found, cosines(source, views(6)))
    assert len(source.statistics) == 2


def test_a_zero_vector_as_a_parent_leaves_the_direction_of_the_other() -> None:
    positive = torch.tensor([[0.0, 1.0], [0.0, 0.0], [3.0, 4.0]], requires_grad=True)
    found = cosines(MixedNegatives(width=2, k=2, pairs="all"), Views.pair(torch.eye(3)[:, :2], positive))
    assert found[0].item() == pytest.approx(0.6)
    assert torch.autograd.grad(found.sum(), positive)[0].isfinite().all()
