"""Neighbours of all rows of a corpus: exact, in blocks, never the own text; FAISS gives the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from contrapose.errors import MissingExtra, UsageError
from contrapose.text import neighbours as module
from contrapose.text.identity import text_hashes
from contrapose.text.neighbours import check_neighbours, keys_of, neighbours_in_blocks, other_rows
from tests.reference import retrieval
from tests.text.rows import Rows, vectors


def searched(x_ND: np.ndarray, keys_N: np.ndarray, k: int, by: str = "exact") -> tuple[Any, Any]:
    blocks = [near for _, near in neighbours_in_blocks(x_ND, keys_N, k, by=by)]
    rows, scores = zip(*blocks, strict=True)
    return np.concatenate(rows), np.concatenate(scores)


@pytest.mark.parametrize("rows_per_block", [3, 7, 8_192])
def test_neighbours_are_those_of_the_definition_in_blocks_of_any_size(
    monkeypatch: pytest.MonkeyPatch, rows_per_block: int
) -> None:
    monkeypatch.setattr(module, "ROWS_PER_BLOCK", rows_per_block)
    texts = [f"text {number % 17}" for number in range(23)]  # six rows have a copy
    x_ND = vectors(23)
    rows_NK, scores_NK = searched(x_ND, text_hashes(texts).numpy(), 5)
    assert rows_NK.tolist() == retrieval.neighbours(x_ND.tolist(), texts, 5)
    assert (np.diff(scores_NK, axis=1) <= 0).all()


def test_a_row_of_many_copies_has_as_many_neighbours_as_there_are_other_texts() -> None:
    texts = ["same"] * 5 + ["one", "two"]
    rows_NK, scores_NK = searched(vectors(7), text_hashes(texts).numpy(), 6)
    assert [set(row) for row in rows_NK[:5].tolist()] == [{5, 6, -1}] * 5
    assert np.isneginf(scores_NK[rows_NK < 0]).all()
    assert (rows_NK[5:] >= 0).all()


@pytest.mark.parametrize("k", [1, 4, 30])
@pytest.mark.parametrize("kind", ["random", "ties", "copies"])
def test_faiss_finds_the_same_neighbours(kind: str, k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("faiss", reason="FAISS is not installed (the extra 'faiss'), so it is not compared")
    monkeypatch.setattr(module, "ROWS_PER_BLOCK", 50)
    rng = np.random.default_rng(1)
    x_ND = vectors(180) if kind == "random" else rng.integers(-1, 2, (180, 3)).astype(np.float32)
    keys_N = rng.integers(0, 40, 180) if kind == "copies" else np.arange(180)
    for exact, by_faiss in zip(searched(x_ND, keys_N, k), searched(x_ND, keys_N, k, "faiss"), strict=True):
        assert np.array_equal(exact, by_faiss)


def test_an_index_that_leaves_out_what_is_as_near_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that gives any rows of equal score, as FAISS may: the first of them is found all the same."""

    class Backwards:
        def search(self, queries_QD: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
            scores_QN = queries_QD @ module._unit(x_ND).T
            order_QN = np.argsort(-scores_QN[:, ::-1], axis=1, kind="stable")[:, :width]
            numbers_QN = len(x_ND) - 1 - order_QN
            return np.take_along_axis(scores_QN, numbers_QN, axis=1), numbers_QN

    x_ND = np.repeat(np.eye(3, dtype=np.float32), 20, axis=0)
    monkeypatch.setattr(module, "_faiss_index", lambda _: Backwards())
    rows_NK, _ = searched(x_ND, np.arange(60), 3, "faiss")
    assert rows_NK[0].tolist() == [1, 2, 3]
    assert np.array_equal(rows_NK, searched(x_ND, np.arange(60), 3)[0])


def test_a_corpus_with_fewer_rows_than_neighbours_is_refused_in_one_sentence() -> None:
    check_neighbours(65, 64, "exact", what="--set neighbours")
    with pytest.raises(
        UsageError, match=r"of 50 rows to train on, each has 49 others.*neighbours=24"
    ) as told:
        check_neighbours(50, 64, "exact", what="--set neighbours")
    assert "\n" not in str(told.value)


def test_faiss_that_is_not_there_is_asked_for_by_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    check_neighbours(65, 64, "exact", what="--set neighbours")
    with pytest.raises(MissingExtra, match=r"neighbours_by=faiss needs the package 'faiss-cpu'.*\[faiss\]"):
        check_neighbours(65, 64, "faiss", what="--set neighbours")


def test_keys_are_of_texts_and_a_corpus_of_one_text_is_refused() -> None:
    keys_N = keys_of(Rows(["a", "b", "a", "c"]), np.array([0, 2, 3]))
    assert keys_N[0] == keys_N[1] != keys_N[2]
    with pytest.raises(UsageError, match="all 3 rows to train on have one text"):
        keys_of(Rows(["a", "a", "a"]), np.arange(3))


def test_other_rows_are_of_another_text_and_any_of_them() -> None:
    keys_N = np.array([1] * 30 + [2, 3])  # four draws of thirty-two seldom leave the thirty
    drawn = np.array(
        [other_rows(keys_N, np.array([0, 30, 31]), seed=0, path=("test", step)) for step in range(400)]
    )
    assert set(drawn[:, 0]) == {30, 31}
    assert set(drawn[:, 1]) == set(range(32)) - {30}
    assert 0.3 < (drawn[:, 0] == 30).mean() < 0.9


def test_other_rows_follow_seed_and_path() -> None:
    keys_N, positions = np.arange(100), np.arange(20)
    one, again, other = (
        other_rows(keys_N, positions, seed=seed, path=("a", 1)).tolist() for seed in (0, 0, 1)
    )
    assert one == again != other
