"""Repetitions found on disk are those that a set in memory finds."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contrapose.data import spilled_digests
from contrapose.data.spilled_digests import RECORD, SpilledDigests


def digests(values: list[int]) -> np.ndarray:
    joined = b"".join(hashlib.blake2b(str(value).encode(), digest_size=16).digest() for value in values)
    return np.frombuffer(joined, dtype="S16")


def repeated_by_a_set(values: list[int], kept: list[int]) -> list[int]:
    seen, repeated = set(kept), []
    for row, value in enumerate(values):
        if value in seen:
            repeated.append(row)
        seen.add(value)
    return repeated


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(st.integers(0, 40), max_size=120),
    kept=st.sets(st.integers(0, 40)),
    block_rows=st.integers(1, 50),
    memory=st.sampled_from([1, 100, 1_000, 1 << 20]),
    step=st.integers(1, 40),
)
def test_the_repetitions_are_those_of_a_python_set(
    tmp_path: Path, values: list[int], kept: set[int], block_rows: int, memory: int, step: int
) -> None:
    with SpilledDigests(tmp_path, memory=memory, block_rows=block_rows) as spilled:
        before = sorted(kept)
        spilled.add(digests(before), np.full(len(before), -1))
        for start in range(0, len(values), step):
            some = values[start : start + step]
            spilled.add(digests(some), np.arange(start, start + len(some)))
        found = [row for rows in spilled.repeated() for row in rows.tolist()]
    assert sorted(found) == repeated_by_a_set(values, before)
    assert len(set(found)) == len(found)


def test_digests_that_share_one_half_are_told_apart(tmp_path: Path) -> None:
    a, b, c = b"a" * 8 + b"x" * 8, b"a" * 8 + b"y" * 8, b"z" * 8 + b"x" * 8
    with SpilledDigests(tmp_path) as spilled:
        spilled.add(np.array([a, b, c, a, b, a + b""], dtype="S16"), np.arange(6))
        found = np.concatenate(list(spilled.repeated()))
    assert sorted(found.tolist()) == [3, 4, 5]


def test_digests_that_end_in_zeros_stay_distinct(tmp_path: Path) -> None:
    table = np.frombuffer(b"a" * 15 + b"\0" + b"a" * 14 + b"\0\0" + b"\0" * 16, dtype="S16")
    with SpilledDigests(tmp_path) as spilled:
        spilled.add(table, np.arange(3))
        spilled.add(table[:1], np.arange(3, 4))
        assert np.concatenate(list(spilled.repeated())).tolist() == [3]


def test_no_more_is_sorted_at_once_than_memory_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []
    sort = spilled_digests._repetitions

    def watched(records: np.ndarray) -> np.ndarray:
        held.append(records.nbytes)
        return sort(records)

    monkeypatch.setattr(spilled_digests, "_repetitions", watched)
    values = np.random.default_rng(0).integers(0, 30_000, 40_000).tolist()
    with SpilledDigests(tmp_path, memory=3_000, block_rows=5_000) as spilled:
        spilled.add(digests(values), np.arange(len(values)))
        found = [row for rows in spilled.repeated() for row in rows.tolist()]
    assert sorted(found) == repeated_by_a_set(values, [])
    assert sum(held) == len(values) * RECORD.itemsize
    assert max(held) < 3_000, "the three arrays of a sort are about the memory, and one is well below it"


def test_the_file_has_no_name_and_its_space_comes_back(tmp_path: Path) -> None:
    with SpilledDigests(tmp_path, block_rows=10) as spilled:
        spilled.add(digests(list(range(100))), np.arange(100))
        assert os.fstat(spilled._file.fileno()).st_size == 100 * RECORD.itemsize
        assert not list(tmp_path.iterdir())
    assert spilled._file.closed
