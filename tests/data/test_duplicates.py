from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrapose.data import duplicates
from contrapose.data.duplicates import SeenRows


def digest(value: int) -> bytes:
    return hashlib.blake2b(str(value).encode(), digest_size=16).digest()


@given(st.lists(st.lists(st.integers(0, 30), max_size=20), max_size=12))
def test_first_seen_equals_a_python_set(batches):
    seen, reference = SeenRows(), set()
    for batch in batches:
        expected = []
        for value in batch:
            expected.append(value not in reference)
            reference.add(value)
        assert seen.first_seen([digest(value) for value in batch]).tolist() == expected
    assert len(seen) == len(reference)


def test_digests_that_end_in_zeros_stay_distinct():
    seen = SeenRows()
    digests = [b"a" * 15 + b"\0", b"a" * 14 + b"\0\0", b"\0" * 16, b"\0" + b"a" * 15]
    assert seen.first_seen(digests).all()
    assert not seen.first_seen(digests).any()


def test_memory_is_sixteen_bytes_per_row():
    seen = SeenRows()
    values = np.random.default_rng(0).bytes(16 * 50_000)
    for start in range(0, 50_000, 1_000):
        seen.first_seen([values[16 * i : 16 * i + 16] for i in range(start, start + 1_000)])
    assert len(seen) == 50_000
    assert seen.nbytes == 16 * 50_000


def test_runs_beyond_the_merge_limit_are_still_searched(monkeypatch):
    monkeypatch.setattr(duplicates, "MAX_RUN", 40)
    seen = SeenRows()
    for start in range(0, 300, 10):
        assert seen.first_seen([digest(i) for i in range(start, start + 10)]).all()
    assert not seen.first_seen([digest(i) for i in range(300)]).any()


def test_a_digest_of_another_length_is_refused():
    with pytest.raises(ValueError, match="16 bytes"):
        SeenRows().first_seen([b"short", b"x"])
