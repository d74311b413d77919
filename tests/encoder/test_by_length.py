"""Groups hold every text once, follow length, and keep to the size or the budget."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrapose.encoder.by_length import SMALLEST_GROUP, length_batches, length_groups


@given(
    lengths=st.lists(st.integers(1, 50), min_size=1, max_size=80),
    num_groups=st.integers(1, 9),
    chunk_size=st.none() | st.integers(1, 90),
)
def test_groups_hold_every_text_once_and_are_sorted_by_length(
    lengths: list[int], num_groups: int, chunk_size: int | None
) -> None:
    groups = length_groups(lengths, num_groups, chunk_size)
    order = np.concatenate(groups)
    assert sorted(order.tolist()) == list(range(len(lengths)))
    assert all(np.diff(np.asarray(lengths)[order]) <= 0)
    if chunk_size is not None:
        assert max(map(len, groups)) <= chunk_size


def test_small_batches_are_not_cut_for_speed() -> None:
    assert len(length_groups([5] * (2 * SMALLEST_GROUP - 1), num_groups=3)) == 1
    assert len(length_groups([5] * (2 * SMALLEST_GROUP), num_groups=3)) == 2


@pytest.mark.parametrize("chunk_size", [1, 3, 7, 8])
def test_memory_goes_before_speed(chunk_size: int) -> None:
    assert len(length_groups(range(1, 9), 1, chunk_size)) == -(-8 // chunk_size)


def test_batches_hold_every_text_once_within_the_budget() -> None:
    lengths = np.random.default_rng(0).integers(1, 40, 300)
    batches = list(length_batches(lengths.tolist(), 100))
    assert sorted(np.concatenate(batches).tolist()) == list(range(300))
    assert all(len(batch) * lengths[batch].max() <= 100 for batch in batches)
    assert [lengths[batch].max() for batch in batches] == sorted(
        (lengths[b].max() for b in batches), reverse=True
    )
    assert list(length_batches([], 100)) == []
