from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrapose.maths import exact_search as module
from contrapose.maths.k_means import k_means
from contrapose.maths.nearest import nearest, nearest_others


def by_loop(queries: np.ndarray, rows: np.ndarray, k: int, measure: str, keys: Any = None) -> list[list[int]]:
    """The definition: a score in fp64 for each pair, compared as fp32, of equals the lower number."""
    numbers = []
    for place, query in enumerate(queries.astype(np.float64)):
        scored = []
        for number, row in enumerate(rows.astype(np.float64)):
            length = 1.0 if measure == "dot" else float(np.linalg.norm(query) * np.linalg.norm(row))
            score = np.float32(float((query * row).sum()) / length if length else 0.0)
            if keys is None or keys[0][place] != keys[1][number]:
                scored.append((-score, number))
        numbers.append([number for _, number in sorted(scored)[:k]])
    return numbers


def smaller_tiles(patch: pytest.MonkeyPatch, *, queries: int, rows: int, cells: int, spare: int) -> None:
    patch.setattr(module, "QUERY_TILE", queries)
    patch.setattr(module, "ROW_TILE", rows)
    patch.setattr(module, "CELLS", cells)
    patch.setattr(module, "SPARE", spare)


@settings(max_examples=150, deadline=None)
@given(
    sizes=st.tuples(st.integers(1, 8), st.integers(1, 40), st.integers(1, 4), st.integers(1, 12)),
    tiles=st.tuples(st.integers(1, 5), st.integers(1, 13), st.integers(1, 60), st.integers(0, 3)),
    measure=st.sampled_from(["cosine", "dot"]),
    keyed=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_the_order_is_that_of_the_definition_however_the_table_is_cut(
    sizes: tuple[int, int, int, int], tiles: tuple[int, int, int, int], measure: Any, keyed: bool, seed: int
) -> None:
    num_queries, num_rows, width, k = sizes
    generator = np.random.default_rng(seed)
    # Powers of two: equal scores and zero vectors everywhere, and every score is exact in any order of summing.
    queries, rows = (generator.integers(-1, 2, (n, width)) * 0.5 for n in (num_queries, num_rows))
    keys = (generator.integers(0, 3, num_queries), generator.integers(0, 3, num_rows)) if keyed else None
    with pytest.MonkeyPatch.context() as patch:
        smaller_tiles(patch, queries=tiles[0], rows=tiles[1], cells=tiles[2], spare=tiles[3])
        given_keys = {"query_keys_Q": keys[0], "row_keys_N": keys[1]} if keys else {}
        near = nearest(queries, rows, k, measure=measure, **given_keys)
    expected = by_loop(queries, rows, k, measure, keys)
    assert [[number for number in numbers if number >= 0] for numbers in near.rows_QK.tolist()] == expected
    assert near.rows_QK.shape == near.scores_QK.shape == (num_queries, min(k, num_rows))
    assert ((near.rows_QK < 0) == np.isneginf(near.scores_QK)).all()


def test_real_vectors_in_tiles_equal_one_at_a_time_and_the_definition(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generator = np.random.default_rng(1)
    rows = generator.standard_normal((300, 16)).astype(np.float32)
    rows[100:200] = rows[:100]  # every third is a copy
    queries = generator.standard_normal((9, 16)).astype(np.float32)
    alone = [nearest(query[None], rows, 30).rows_QK[0].tolist() for query in queries]
    smaller_tiles(monkeypatch, queries=4, rows=64, cells=1000, spare=2)
    assert nearest(queries, rows, 30).rows_QK.tolist() == alone == by_loop(queries, rows, 30, "cosine")


def test_more_equals_at_the_edge_than_candidates_are_kept_still_come_by_number() -> None:
    rows = torch.cat([torch.eye(3)[1:2].repeat(200, 1), torch.eye(3)[:1].repeat(200, 1)])
    near = nearest(torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0]]), rows, 5)
    assert near.rows_QK.tolist() == [[200, 201, 202, 203, 204], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]]


def test_many_equals_at_the_edge_cost_no_second_copy_of_the_rows() -> None:
    rows = torch.randn(2_000, 256, generator=torch.Generator().manual_seed(0))
    rows[:40] = rows[0]
    tracemalloc.start()
    near = nearest(rows[:1], rows, 5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert near.rows_QK.tolist() == [[0, 1, 2, 3, 4]]
    assert peak < rows.nbytes / 2


def test_decimals_make_near_scores_equal() -> None:
    rows = torch.tensor([[1.0, 0.001], [1.0, 0.0], [0.0, 1.0]])
    query = torch.tensor([[1.0, 0.0]])
    assert nearest(query, rows, 2).rows_QK.tolist() == [[1, 0]]
    rounded = nearest(query, rows, 3, decimals=3)
    assert rounded.rows_QK.tolist() == [[0, 1, 2]]
    assert rounded.scores_QK.tolist() == [[1.0, 1.0, 0.0]]


def test_other_rows_leave_out_oneself_or_rows_of_an_equal_key() -> None:
    x = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
    assert nearest_others(x, 1).rows_QK.flatten().tolist() == [1, 0, 0, 2]
    assert nearest_others(x, 9).rows_QK.shape == (4, 3)
    copies = torch.tensor([0, 0, 1, 2])
    assert nearest_others(x, 1, keys_N=copies).rows_QK.flatten().tolist() == [2, 2, 0, 2]
    alone = nearest_others(x, 2, keys_N=torch.zeros(4, dtype=torch.int64))
    assert alone.rows_QK.tolist() == [[-1, -1]] * 4
    assert nearest_others(x[:1], 3).rows_QK.shape == (1, 0)


def test_what_comes_in_comes_out_and_nothing_is_changed() -> None:
    x = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    x.flags.writeable = False
    of_arrays, of_tensors = nearest(x, x, 2), nearest(torch.tensor(x), torch.tensor(x), 2)
    assert isinstance(of_arrays.rows_QK, np.ndarray)
    assert isinstance(of_tensors.rows_QK, torch.Tensor)
    assert of_arrays.rows_QK.tolist() == of_tensors.rows_QK.tolist()
    assert of_arrays.rows_QK[:, 0].tolist() == list(range(6))
    in_half = nearest(torch.tensor(x).bfloat16(), torch.tensor(x).bfloat16(), 1)
    assert in_half.rows_QK.flatten().tolist() == list(range(6))
    leaf = torch.tensor(x, requires_grad=True)
    assert not nearest(leaf, leaf, 1).scores_QK.requires_grad


def test_unit_vectors_are_taken_as_they_are() -> None:
    generator = np.random.default_rng(2)
    x = generator.standard_normal((200, 8))
    x[0] = 0
    unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    known, measured = nearest(unit, unit, 12, measure="unit"), nearest(x, x, 12)
    assert known.rows_QK.tolist() == measured.rows_QK.tolist()
    assert known.scores_QK == pytest.approx(measured.scores_QK)


def test_no_queries_and_no_rows() -> None:
    assert nearest(np.zeros((0, 2)), np.eye(2), 1).rows_QK.shape == (0, 1)
    assert nearest(np.eye(2), np.zeros((0, 2)), 1).rows_QK.shape == (2, 0)


@pytest.mark.parametrize(
    ("queries", "rows", "k"),
    [
        (np.full((1, 2), np.nan), np.eye(2), 1),
        (np.eye(2), np.full((1, 2), np.inf), 1),
        (np.eye(2), np.eye(3), 1),
        (np.eye(2), np.eye(2), 0),
        (np.ones(2), np.eye(2), 1),
    ],
)
def test_what_cannot_be_ranked_is_refused(queries: np.ndarray, rows: np.ndarray, k: int) -> None:
    with pytest.raises(ValueError, match=r"finite|fit"):
        nearest(queries, rows, k)
    with pytest.raises(ValueError, match="of neither"):
        nearest(np.eye(2), np.eye(2), 1, row_keys_N=np.zeros(2))


def test_memory_holds_a_tile_and_not_the_whole_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted where all tables are made: no tile has more cells than it may."""
    cells: list[int] = []

    def counted(queries: Any, rows: Any) -> Any:
        cells.append(len(queries) * len(rows))
        return queries @ rows.T

    smaller_tiles(monkeypatch, queries=16, rows=64, cells=2_000, spare=4)
    monkeypatch.setattr(module, "products", counted)
    x = np.random.default_rng(0).standard_normal((1000, 4))
    nearest_others(x, 3)
    assert sum(cells) >= 1000 * 1000
    assert max(cells) <= 16 * 64


def test_k_means_finds_what_lies_apart_and_repeats_itself() -> None:
    generator = np.random.default_rng(0)
    centres = np.eye(4) * 9
    x = np.concatenate([centre + generator.standard_normal((20, 4)) * 0.1 for centre in centres])
    groups = k_means(x, 4, seed=3)
    assert groups.tolist() == k_means(x, 4, seed=3).tolist()
    assert [len(set(groups[start : start + 20].tolist())) for start in range(0, 80, 20)] == [1] * 4
    assert len(set(groups.tolist())) == 4


def test_k_means_of_fewer_points_than_clusters_is_quiet() -> None:
    assert set(k_means(np.ones((5, 2)), 3, seed=0).tolist()) <= {0, 1, 2}
