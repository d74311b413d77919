from __future__ import annotations

from collections import deque
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrapose.contract import Views
from contrapose.maths.similarity import unit
from contrapose.negatives.queue import UNKNOWN_TEXT, Queue


def views(rows: int, first: int = 1, texts: bool = True) -> Views:
    """Row r has the direction of the angle ``first + r`` and the text of that number."""
    numbers = torch.arange(first, first + rows)
    vectors = torch.stack([numbers.float().cos(), numbers.float().sin()], dim=1)
    ids = {"anchor": numbers, "positive": numbers} if texts else {}
    return Views.pair(vectors * 3, vectors * 5, text_ids=ids)


@settings(max_examples=40)
@given(st.integers(1, 9), st.lists(st.integers(1, 12), max_size=6))
def test_holds_exactly_the_last_positives(size: int, batches: list[int]) -> None:
    """Against a deque: no row of a batch is dropped when the cursor wraps, also where a batch is larger than it."""
    queue, expected, first = Queue(width=2, queue_size=size), deque[int](maxlen=size), 1
    for rows in batches:
        queue.observe(views(rows, first))
        expected.extend(range(first, first + rows))
        first += rows
        assert queue.num_filled == len(expected)
        assert sorted(queue.text_ids_M[: queue.num_filled].tolist()) == sorted(expected)
    for text, vector in zip(queue.text_ids_M.tolist(), queue.vectors_MD, strict=True):
        if text != UNKNOWN_TEXT:
            torch.testing.assert_close(vector, views(1, text).anchor[0] / 3)


@settings(max_examples=25)
@given(st.integers(1, 7), st.lists(st.integers(1, 9), min_size=1, max_size=4), st.integers(1, 9))
def test_a_reloaded_queue_goes_on_where_it_was(size: int, batches: list[int], more: int) -> None:
    queue, first = Queue(width=2, queue_size=size), 1
    for rows in batches:
        queue.observe(views(rows, first))
        first += rows
    reloaded = Queue(width=2, queue_size=size)
    reloaded.load_state_dict(queue.state_dict())
    for each in (queue, reloaded):
        each.observe(views(more, first))
    assert torch.equal(queue.vectors_MD, reloaded.vectors_MD)
    assert torch.equal(queue.text_ids_M, reloaded.text_ids_M)
    assert queue.num_filled == reloaded.num_filled > 0


def test_an_empty_queue_offers_nothing() -> None:
    assert list(Queue(width=2).columns(views(2))) == []
    none = Queue(width=2, queue_size=0)
    none.observe(views(3))
    assert list(none.columns(views(2))) == []


def test_offers_only_what_it_has_seen() -> None:
    queue = Queue(width=2, queue_size=10)
    queue.observe(views(3))
    (columns,) = queue.columns(views(2, first=50))
    assert columns.vectors is not None
    torch.testing.assert_close(columns.vectors, unit(views(3).positive))


def test_what_it_offers_is_a_copy() -> None:
    queue = Queue(width=2, queue_size=3)
    queue.observe(views(3))
    (columns,) = queue.columns(views(2))
    assert columns.vectors is not None
    before = columns.vectors.clone()
    queue.observe(views(3, first=20))
    assert torch.equal(columns.vectors, before)


@pytest.mark.parametrize("changed", ["anchor", "positive"])
def test_a_queued_text_is_no_negative_of_its_own_row(changed: str) -> None:
    queue = Queue(width=2, queue_size=4)
    queue.observe(views(4, first=1))
    asked = views(2, first=50)
    asked = replace(asked, text_ids={**asked.text_ids, changed: torch.tensor([3, 50])})
    (columns,) = queue.columns(asked)
    assert columns.counts((2, 4)).tolist() == [[True, True, False, True], [True] * 4]


def test_vectors_of_unknown_text_repeat_nothing() -> None:
    queue = Queue(width=2, queue_size=2)
    queue.observe(views(2, texts=False))
    unknown = torch.tensor([UNKNOWN_TEXT, UNKNOWN_TEXT])
    asked = replace(views(2), text_ids={"anchor": unknown, "positive": unknown})
    (columns,) = queue.columns(asked)
    assert columns.counts((2, 2)).all()


def test_keeps_fp32_whatever_it_is_given() -> None:
    queue = Queue(width=2, queue_size=4)
    for dtype in (torch.bfloat16, torch.float64):
        given_views = views(2)
        queue.observe(given_views.with_views(positive=given_views.positive.to(dtype)))
    assert queue.vectors_MD.dtype == torch.float32
    torch.testing.assert_close(queue.vectors_MD.norm(dim=1), torch.ones(4))


def test_all_state_is_saved() -> None:
    assert set(Queue(width=2).state_dict()) == {"vectors_MD", "text_ids_M", "num_seen"}
