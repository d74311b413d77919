"""Randomness is a function of its place: stable, distinct, uniform, and it leaves the global stream alone."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import torch

from contrapose.seeds import derive, numpy_generator, permute, seeded, torch_generator
from tests.waiting import PATIENCE


def test_derived_seeds_are_what_they_have_always_been() -> None:
    assert derive(0) == 2631537505891389924
    assert derive(7, "dropout", 3) == 7700964564326559919
    digest = hashlib.sha256(permute(np.arange(1000), 1000, key=7).tobytes()).hexdigest()
    assert digest.startswith("9d7985f8150a837a")


def test_derived_seeds_do_not_depend_on_the_process() -> None:
    code = "from contrapose.seeds import derive; print(derive(3, 'step', 5))"
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE
    ).stdout
    assert int(shown) == derive(3, "step", 5)


def test_different_places_give_different_seeds_in_range() -> None:
    places = [
        (seed, *path)
        for seed in (-1, 0, 1, 2**70)
        for path in [(), ("a",), ("b",), (1,), ("1",), (1, 1), (11,)]
    ]
    places += [(0, "step", step, chunk) for step in range(100) for chunk in range(100)]
    seeds = {derive(*place) for place in places}
    assert len(seeds) == len(places)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_every_bit_of_a_derived_seed_is_even() -> None:
    seeds = np.array([derive(0, "bits", i) for i in range(4000)], dtype=np.int64)
    share = np.array([((seeds >> bit) & 1).mean() for bit in range(63)])
    assert np.abs(share - 0.5).max() < 0.05  # six standard deviations


def test_generators_repeat_for_a_place_and_differ_between_places() -> None:
    first, again, other = (numpy_generator(1, "a", i).random(8) for i in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).all()
    draws = [torch.rand(8, generator=torch_generator(1, "a", i)) for i in (0, 0, 1)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_seeded_restores_the_global_stream_even_after_an_error() -> None:
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    with seeded(0, "a"):
        torch.rand(100)

    def fails() -> None:
        with seeded(0, "b"):
            torch.rand(3)
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert torch.equal(torch.rand(4), expected)


def test_seeded_nests() -> None:
    with seeded(0, "outer"):
        expected = torch.rand(2)
    with seeded(0, "outer"):
        with seeded(0, "inner"):
            inner = torch.rand(2)
        assert torch.equal(torch.rand(2), expected)
    assert not torch.equal(inner, expected)


def test_dropout_is_replayed_bit_for_bit_by_naming_its_place() -> None:
    dropout = torch.nn.Dropout(0.1)
    ones = torch.ones(64, 64)

    def mask(*path: int | str) -> torch.Tensor:
        with seeded(3, *path):
            return dropout(ones)

    assert torch.equal(mask("dropout", 1, 0), mask("dropout", 1, 0))
    assert not torch.equal(mask("dropout", 1, 0), mask("dropout", 1, 1))
    assert (mask("dropout", 1, 0) == 0).any(), "dropout must be active"


@pytest.mark.parametrize("key", [0, 1, 2**62])
def test_permute_is_a_bijection_for_every_small_size(key: int) -> None:
    for size in range(1, 70):
        assert sorted(permute(np.arange(size), size, key)) == list(range(size))


@pytest.mark.parametrize("size", [255, 256, 257, 4095, 4096, 4097, 65_537, 99_991])
def test_permute_is_a_bijection_around_powers_of_two(size: int) -> None:
    shuffled = permute(np.arange(size), size, key=3)
    assert shuffled.dtype == np.int64
    assert (np.bincount(shuffled, minlength=size) == 1).all()


def test_a_position_is_shuffled_alike_alone_in_any_order_and_shape() -> None:
    whole = permute(np.arange(1000), 1000, key=9)
    assert (permute(np.array([[7, 999], [0, 500]]), 1000, key=9) == whole[[[7, 999], [0, 500]]]).all()
    assert permute(np.array([], dtype=np.int64), 1000, key=9).shape == (0,)
    positions = np.arange(1000)
    permute(positions, 1000, key=9)
    assert (positions == np.arange(1000)).all()


def test_permute_reaches_far_into_sizes_that_no_memory_holds() -> None:
    size = 10**12
    positions = np.arange(size - 1000, size)
    shuffled = permute(positions, size, key=1)
    assert len(set(shuffled.tolist())) == 1000
    assert shuffled.min() >= 0
    assert shuffled.max() < size
    assert abs(shuffled.mean() / size - 0.5) < 0.06  # six standard errors


@pytest.mark.parametrize("size", [2, 3, 10, 24])
def test_a_position_lands_everywhere_equally_often_over_the_keys(size: int) -> None:
    landed = [int(permute(np.array([0]), size, key)[0]) for key in range(size * 30)]
    chi_square = ((np.bincount(landed, minlength=size) - 30) ** 2 / 30).sum()
    assert chi_square < size - 1 + 5 * np.sqrt(2 * size)


def test_all_orders_of_four_occur_about_equally_often() -> None:
    orders = Counter(tuple(permute(np.arange(4), 4, key).tolist()) for key in range(1200))
    assert len(orders) == 24
    assert min(orders.values()) > 25
    assert max(orders.values()) < 85


def test_a_shuffle_looks_like_one_of_numpy() -> None:
    size = 20_000
    shuffled = permute(np.arange(size), size, key=4)
    assert abs(np.corrcoef(np.arange(size), shuffled)[0, 1]) < 5 / np.sqrt(size)
    assert abs(np.corrcoef(shuffled[:-1], shuffled[1:])[0, 1]) < 5 / np.sqrt(size)
    assert abs((np.diff(shuffled) > 0).mean() - 0.5) < 0.02
    other = permute(np.arange(size), size, key=5)
    assert (shuffled == other).sum() < 12  # one expected


@pytest.mark.parametrize("size", [0, -1])
def test_nothing_cannot_be_permuted(size: int) -> None:
    with pytest.raises(ValueError, match="cannot permute"):
        permute(np.arange(1), size, key=0)
