"""A shuffle in windows is a shuffle: every row once in an epoch, whatever the groups; and each group is read once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrapose.train import split_of_run
from contrapose.train.split_of_run import all_but
from contrapose.train.windows import WindowOrder

GROUPS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 90)), min_size=1, max_size=12).filter(
    lambda groups: any(rows for rows, _ in groups)
)


def order_of(groups: list[tuple[int, int]], window_bytes: int, seed: int = 0) -> WindowOrder:
    num_rows_G, bytes_G = (np.array(column, dtype=np.int64) for column in zip(*groups, strict=True))
    return WindowOrder(num_rows_G, bytes_G, window_bytes, seed)


@given(groups=GROUPS, window_bytes=st.integers(1, 300), seed=st.integers(0, 5), epoch=st.integers(0, 3))
def test_every_row_comes_once_in_an_epoch(
    groups: list[tuple[int, int]], window_bytes: int, seed: int, epoch: int
) -> None:
    count = sum(rows for rows, _ in groups)
    rows_N = order_of(groups, window_bytes, seed).at(np.arange(count), epoch)
    assert sorted(rows_N.tolist()) == list(range(count))


@given(groups=GROUPS, window_bytes=st.integers(1, 300), data=st.data())
def test_any_positions_are_those_of_the_whole_epoch(
    groups: list[tuple[int, int]], window_bytes: int, data: st.DataObject
) -> None:
    """So a run goes on at any step."""
    count = sum(rows for rows, _ in groups)
    whole = order_of(groups, window_bytes).at(np.arange(count), 1)
    asked = np.array(data.draw(st.lists(st.integers(0, count - 1), max_size=30)), dtype=np.int64)
    assert order_of(groups, window_bytes).at(asked, 1).tolist() == whole[asked].tolist()


@given(groups=GROUPS, window_bytes=st.integers(1, 300))
def test_a_window_holds_whole_groups_within_its_bytes(
    groups: list[tuple[int, int]], window_bytes: int
) -> None:
    """As a reader with a stopwatch sees it: a group is left for good before more than a window of others is begun."""
    order = order_of(groups, window_bytes)
    count = sum(rows for rows, _ in groups)
    group_of = np.repeat(np.arange(len(groups)), [rows for rows, _ in groups])[order.at(np.arange(count), 0)]
    first = {group: np.flatnonzero(group_of == group)[0] for group in set(group_of.tolist())}
    last = {group: np.flatnonzero(group_of == group)[-1] for group in first}
    for position in range(count):
        open_now = [group for group in first if first[group] <= position <= last[group]]
        assert len(open_now) == 1 or sum(groups[group][1] for group in open_now) <= window_bytes


def test_groups_and_rows_are_mixed_and_every_epoch_otherwise() -> None:
    groups = [(100, 100)] * 20
    order = order_of(groups, 500)
    epochs = [order.at(np.arange(2_000), epoch) for epoch in (0, 1)]
    assert not np.array_equal(*epochs)
    assert not np.array_equal(epochs[0], order_of(groups, 500, seed=1).at(np.arange(2_000), 0))
    groups_of_windows = [
        set((epochs[0][start : start + 500] // 100).tolist()) for start in range(0, 2_000, 500)
    ]
    assert [len(each) for each in groups_of_windows] == [5] * 4
    assert any(max(each) - min(each) > 4 for each in groups_of_windows), "neighbours in the file are parted"
    assert len(set((epochs[0][:64] // 100).tolist())) == 5, "a batch holds rows of all groups of its window"
    inside = epochs[0][:500]
    assert abs(np.corrcoef(np.arange(500), inside % 100)[0, 1]) < 0.2


@given(st.sets(st.integers(0, 60)), st.integers(61, 90))
def test_all_but_some(left_out: set[int], count: int) -> None:
    expected = [number for number in range(count) if number not in left_out]
    assert all_but(np.array(sorted(left_out), dtype=np.int64), count, Path(".")).tolist() == expected


def test_many_rows_are_mapped_from_a_file_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(split_of_run, "LARGE", 10)
    rows = all_but(np.array([2, 19]), 20, tmp_path)
    assert isinstance(rows, np.memmap)
    assert rows.tolist() == [0, 1, *range(3, 19)]
    assert not list(tmp_path.iterdir())
