from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from contrapose.maths.pair_mixtures import GATHERED_PER_PRODUCT, looked_up, mixture_cosines, products_of_pairs
from contrapose.maths.similarity import unit
from tests.reference import loops

few = settings(max_examples=25)


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@few
@given(st.floats(0, 1), st.integers(0, 10**6))
def test_the_cosine_is_that_of_the_mixture_that_is_built(share: float, seed: int) -> None:
    anchor, x, y = unit(numbers(3, 5, seed=seed))
    cosine, square = mixture_cosines(
        anchor @ x, anchor @ y, x @ y, torch.tensor(share, dtype=torch.float64), x @ x, y @ y
    )
    built = share * x + (1 - share) * y
    torch.testing.assert_close(square, built @ built)
    expected = loops.hnm_mixture(anchor.tolist(), x.tolist(), y.tolist(), share)
    assert cosine.item() == pytest.approx(expected, abs=1e-9)


def test_a_parent_without_a_direction_adds_nothing() -> None:
    half, one, none = (torch.tensor(value) for value in (0.5, 1.0, 0.0))
    cosine, square = mixture_cosines(none, one, none, half, none, one)
    assert (cosine.item(), square.item()) == (1.0, 0.25)
    assert mixture_cosines(none, none, none, half, none, none)[0].item() == 0.0


@few
@given(
    st.integers(2, 5), st.integers(2, 4), st.integers(1, 6), st.sampled_from([5, 40]), st.integers(0, 10**6)
)
def test_values_and_gradients_are_those_of_built_mixtures_for_short_pools_and_long(
    rows: int, k: int, num_mixtures: int, size: int, seed: int
) -> None:
    """A pool of 5 is multiplied with itself; of one of 40 the parents are gathered."""
    width = 80
    assert (GATHERED_PER_PRODUCT * size * size > rows * k * width) == (size == 40)
    anchor, pool = numbers(rows, width, seed=seed), numbers(size, width, seed=seed + 1)
    anchor.requires_grad_(), pool.requires_grad_()
    random = torch.Generator().manual_seed(seed)
    chosen_BK = torch.stack([torch.randperm(size, generator=random)[:k] for _ in range(rows)])
    member_B2S = torch.randint(k, (rows, 2 * num_mixtures), generator=random)
    share_BS = torch.rand(rows, num_mixtures, generator=random, dtype=torch.float64)
    one = torch.ones((), dtype=torch.float64)
    parent_B2S = chosen_BK.gather(1, member_B2S)

    cosine_BP = unit(anchor) @ unit(pool).T
    between_BS = products_of_pairs(unit(pool), chosen_BK, member_B2S)
    ours, _ = mixture_cosines(
        *looked_up(cosine_BP, parent_B2S).chunk(2, dim=1), between_BS, share_BS, one, one
    )
    first_BSD, second_BSD = unit(pool)[parent_B2S].chunk(2, dim=1)
    mixtures_BSD = share_BS[..., None] * first_BSD + (1 - share_BS[..., None]) * second_BSD
    built = (unit(mixtures_BSD) * unit(anchor)[:, None, :]).sum(-1)
    torch.testing.assert_close(ours, built)

    wanted = numbers(rows, num_mixtures, seed=seed + 2)
    found, expected = (
        torch.autograd.grad((each * wanted).sum(), [anchor, pool], retain_graph=True)
        for each in (ours, built)
    )
    assert expected[1].abs().sum() > 0
    torch.testing.assert_close(found, expected)


def test_both_ways_to_look_up_agree_also_where_an_entry_is_asked_for_twice() -> None:
    """On another device the rows are taken by number: here that way is gone by hand."""
    table, cells = numbers(3, 4).requires_grad_(), torch.tensor([[3, 3, 0], [1, 2, 1], [0, 0, 0]])
    found = looked_up(table, cells)
    row = torch.arange(3)[:, None]
    other = torch.nn.functional.embedding(row * 4 + cells, table.reshape(-1, 1)).squeeze(-1)
    assert torch.equal(found, other)
    ours, theirs = (torch.autograd.grad(each.square().sum(), table)[0] for each in (found, other))
    torch.testing.assert_close(ours, theirs)
