"""Batches side by side: all are computed, an error is the caller's, threads end, torch's number of threads is kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from contrapose.encoder.encode import TOKENS_ON_CPU
from contrapose.encoder.encoder import Encoder
from contrapose.encoder.side_by_side import side_by_side
from tests.tiny import SENTENCES, tiny_bert


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    assert torch.get_num_threads() == 2, "what was set is put back"
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]
    torch.set_num_threads(before)


@given(count=st.integers(0, 20), workers=st.integers(1, 5))
def test_every_item_has_its_result_once(count: int, workers: int) -> None:
    found = list(side_by_side(lambda item: -item, list(range(count)), workers))
    assert sorted(found) == [(item, -item) for item in range(count)]


def test_each_thread_stands_in_its_surroundings_and_has_one_thread_for_its_products() -> None:
    entered = []

    @contextmanager
    def surroundings() -> Iterator[None]:
        entered.append(threading.current_thread().name)
        with torch.inference_mode():
            yield

    def seen(_: int) -> tuple[bool, int]:
        return torch.is_inference_mode_enabled(), torch.get_num_threads()

    assert {result for _, result in side_by_side(seen, list(range(9)), 2, surroundings)} == {(True, 1)}
    assert len(entered) == 2
    assert not torch.is_inference_mode_enabled()


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_an_error_in_a_thread_is_raised_here_and_ends_the_others(error: BaseException) -> None:
    def fails(item: int) -> int:
        if item == 3:
            raise error
        return item

    with pytest.raises(type(error)):
        list(side_by_side(fails, list(range(1000)), 2))


def test_who_stops_reading_stops_the_threads() -> None:
    computed = []

    def slow(item: int) -> None:
        computed.append(item)
        time.sleep(0.001)

    results = side_by_side(slow, list(range(100_000)), 2)
    next(results)
    results.close()
    assert len(computed) < 100_000


def test_an_encoder_gives_the_same_vectors_by_one_thread_and_by_two(tmp_path: Path) -> None:
    encoder = Encoder.load(tiny_bert(tmp_path / "tiny"))
    texts = [f"{text} {number}" for number in range(60) for text in SENTENCES]
    assert sum(map(len, encoder.token_ids(texts))) > 4 * TOKENS_ON_CPU
    by_two = encoder.encode(texts)
    torch.set_num_threads(1)
    by_one = encoder.encode(texts)
    torch.set_num_threads(2)
    np.testing.assert_array_equal(by_two, by_one)
    few = encoder.encode(texts[:3])
    np.testing.assert_allclose(few, by_one[:3], atol=1e-6)


def test_progress_counts_every_text_of_all_threads(tmp_path: Path) -> None:
    encoder = Encoder.load(tiny_bert(tmp_path / "tiny"))
    texts = [f"{text} {number}" for number in range(60) for text in SENTENCES]
    seen: list[int] = []
    encoder.encode([*texts, texts[0]], progress=seen.append)
    assert sum(seen) == len(texts) + 1
