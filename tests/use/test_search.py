from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contrapose.data.quarantine import Quarantine
from contrapose.errors import EmptyCorpus, ModelError, UsageError
from contrapose.seeds import numpy_generator
from contrapose.use import search as search_module
from contrapose.use.search import DECIMALS, SearchIndex, search
from tests.use.fakes import WIDTH, HashEncoder, TableEncoder

PLANE = TableEncoder(
    {"east": [1, 0], "north": [0, 1], "north-east": [3, 3], "west": [-2, 0], "nowhere": [0, 0], "": [1, 0]}
)


def by_loop(queries: np.ndarray, vectors: np.ndarray, top: int) -> list[list[tuple[float, int]]]:
    """The definition: every cosine in fp64, rounded; sorted by score, then row."""
    found = []
    for query in queries:
        scored = []
        for row, vector in enumerate(vectors):
            lengths = np.linalg.norm(query) * np.linalg.norm(vector)
            cosine = float(np.dot(query, vector) / lengths) if lengths else 0.0
            scored.append((-round(cosine, DECIMALS), row))
        found.append([(-score, row) for score, row in sorted(scored)[:top]])
    return found


def test_hits_hold_rank_score_text_and_place(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("west\n\nnorth\n")
    (tmp_path / "b.txt").write_text("north-east\neast\n")
    (first,) = search(PLANE, [tmp_path / "a.txt", tmp_path / "b.txt"], ["east"], top=2)
    assert [hit.to_json() for hit in first] == [
        {"rank": 1, "score": 1.0, "text": "east", "row": 4, "file": str(tmp_path / "b.txt"), "line": 2},
        {
            "rank": 2,
            "score": 0.707107,
            "text": "north-east",
            "row": 3,
            "file": str(tmp_path / "b.txt"),
            "line": 1,
        },
    ]


def test_equal_scores_come_in_order_of_rows() -> None:
    index = SearchIndex.of_texts(PLANE, ["west", "east", "north", "east", "north", "east"])
    assert [hit.row for hit in index.search(["east"], top=2)[0]] == [1, 3]
    assert [hit.row for hit in index.search(["east"], top=5)[0]] == [1, 3, 5, 2, 4]


def test_more_asked_than_there_is_gives_all() -> None:
    index = SearchIndex.of_texts(PLANE, ["north", "east"])
    assert [hit.text for hit in index.search(["east"], top=99)[0]] == ["east", "north"]


def test_zero_vectors_have_cosine_zero_with_everything() -> None:
    index = SearchIndex.of_texts(PLANE, ["west", "nowhere", "east"])
    assert [(hit.text, hit.score) for hit in index.search(["east"], top=3)[0]] == [
        ("east", 1.0),
        ("nowhere", 0.0),
        ("west", -1.0),
    ]
    assert [(hit.row, hit.score) for hit in index.search(["nowhere"], top=3)[0]] == [
        (0, 0.0),
        (1, 0.0),
        (2, 0.0),
    ]


def test_an_empty_index_has_no_hits() -> None:
    assert SearchIndex(PLANE, np.zeros((0, 2)), []).search(["east"]) == [[]]


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 40),
    queries=st.integers(1, 4),
    top=st.integers(1, 45),
    block=st.integers(1, 41),
    seed=st.integers(0, 2**31),
)
def test_search_equals_the_loop_however_the_corpus_is_cut(
    rows: int, queries: int, top: int, block: int, seed: int
) -> None:
    # Few distinct integer vectors: ties and zero vectors everywhere.
    rng = numpy_generator(seed, "search")
    vectors, asked = rng.integers(-1, 2, (rows, WIDTH)) * 0.3, rng.integers(-1, 2, (queries, WIDTH)) * 0.7
    index = SearchIndex(HashEncoder(), vectors, [str(row) for row in range(rows)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search_module, "ROWS_PER_CHUNK", block)
        found = index.nearest(asked, top)
    for hits, expected in zip(found, by_loop(asked, vectors, top), strict=True):
        assert [hit.row for hit in hits] == [row for _, row in expected]
        assert [hit.score for hit in hits] == pytest.approx([score for score, _ in expected], abs=2e-6)
        assert [hit.text for hit in hits] == [str(row) for _, row in expected]


def test_streaming_and_indexed_search_agree_and_leave_blank_rows_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [f"text {number % 17}" if number % 5 else "  " for number in range(100)]
    (tmp_path / "in.txt").write_text("".join(line + "\n" for line in lines))
    index = SearchIndex.build(HashEncoder(), tmp_path / "in.txt")
    whole = index.search(["text 3", "other"], top=12)
    monkeypatch.setattr(search_module, "ROWS_PER_CHUNK", 7)
    done: list[int] = []
    streamed = search(HashEncoder(), tmp_path / "in.txt", ["text 3", "other"], top=12, progress=done.append)
    assert streamed == whole
    assert len(index) == 80
    assert sum(done) == 100
    assert [hit.line for hit in whole[0][:3]] == [4, 38, 55]  # row 20 is blank, so line 21 is no hit
    assert all(lines[hit.row] == hit.text for hit in whole[1])


def test_unreadable_rows_are_counted_for_the_caller(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes(b"one\n\xff\ntwo\n")
    quarantine = Quarantine()
    (hits,) = search(HashEncoder(), tmp_path / "in.txt", ["two"], quarantine=quarantine)
    assert (hits[0].text, hits[0].line, quarantine.good, quarantine.bad) == ("two", 3, 2, 1)


@pytest.mark.parametrize(
    ("queries", "top", "message"),
    [
        (["east", " \t"], 5, "query 2 is empty"),
        ([], 5, "no query"),
        ("east", 5, "list of texts"),
        (["east"], 0, "at least 1, got 0"),
    ],
)
def test_what_cannot_be_searched_is_refused(tmp_path: Path, queries, top: int, message: str) -> None:
    (tmp_path / "in.txt").write_text("east\n")
    with pytest.raises(UsageError, match=message):
        search(PLANE, tmp_path / "in.txt", queries, top)
    with pytest.raises(UsageError, match=message):
        SearchIndex.of_texts(PLANE, ["east"]).search(queries, top)


def test_wrong_shapes_and_broken_numbers_are_refused() -> None:
    index = SearchIndex.of_texts(PLANE, ["east"])
    with pytest.raises(UsageError, match=r"\(1, 3\).*\(queries, 2\)"):
        index.nearest(np.ones((1, 3)))
    with pytest.raises(ModelError, match="not finite"):
        index.nearest(np.array([[np.nan, 1]]))
    with pytest.raises(UsageError, match=r"\(2, 2\) for 1 texts"):
        SearchIndex(PLANE, np.ones((2, 2)), ["east"])
    with pytest.raises(ModelError, match="not finite"):
        SearchIndex(PLANE, np.array([[np.inf, 1]]), ["east"])


def test_a_corpus_without_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("\n \n")
    for call in (
        lambda: search(HashEncoder(), tmp_path / "in.txt", ["x"]),
        lambda: SearchIndex.build(HashEncoder(), tmp_path / "in.txt"),
    ):
        with pytest.raises(EmptyCorpus, match=r"nothing to search.*in\.txt"):
            call()
