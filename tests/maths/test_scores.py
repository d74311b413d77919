from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrapose.maths.scores import Columns, score_table
from contrapose.maths.similarity import cosine_table


def test_blocks_stand_side_by_side_under_their_names() -> None:
    anchor = torch.eye(2)
    shared, own, known = torch.randn(3, 2), torch.randn(2, 4, 2), torch.rand(2, 5)
    blocks = [
        Columns(origin="shared", vectors=shared),
        Columns(origin="own", vectors=own),
        Columns(origin="known", cosines=known),
    ]
    table = score_table(anchor, blocks, torch.tensor([0, 1]))
    assert table.cosine_BC.shape == (2, 12)
    assert {name: (part.start, part.stop) for name, part in table.origins.items()} == {
        "shared": (0, 3),
        "own": (3, 7),
        "known": (7, 12),
    }
    torch.testing.assert_close(table.cosine_BC[:, table.origins["shared"]], cosine_table(anchor, shared))
    torch.testing.assert_close(table.cosine_BC[:, table.origins["own"]], cosine_table(anchor, own))
    assert torch.equal(table.cosine_BC[:, table.origins["known"]], known)


def test_masks_and_weights_broadcast_to_their_own_block_only() -> None:
    blocks = [
        Columns(origin="a", vectors=torch.eye(2)),
        Columns(origin="b", vectors=torch.eye(2), valid=torch.tensor([[True], [False]])),
        Columns(origin="c", vectors=torch.eye(2), log_weight=torch.tensor([1.0, 2.0])),
    ]
    table = score_table(torch.eye(2), blocks, torch.arange(2))
    assert table.valid_BC.tolist() == [[True] * 6, [True, True, False, False, True, True]]
    assert table.log_weight_BC is not None
    assert table.log_weight_BC.tolist() == [[0, 0, 0, 0, 1, 2]] * 2


def test_no_weight_anywhere_is_none() -> None:
    assert (
        score_table(torch.eye(2), [Columns(origin="a", vectors=torch.eye(2))], torch.arange(2)).log_weight_BC
        is None
    )


@settings(max_examples=25)
@given(st.integers(1, 5), st.integers(0, 4), st.data())
def test_the_positive_counts_whatever_the_mask_says_and_is_never_a_negative(
    rows: int, more: int, data: st.DataObject
) -> None:
    columns = rows + more
    positive = torch.tensor(data.draw(st.lists(st.integers(0, columns - 1), min_size=rows, max_size=rows)))
    mask = torch.tensor(
        data.draw(st.lists(st.booleans(), min_size=rows * columns, max_size=rows * columns))
    ).reshape(rows, columns)
    block = Columns(origin="a", vectors=torch.randn(columns, 3), valid=mask)
    table = score_table(torch.randn(rows, 3), [block], positive)
    assert table.is_positive_BC.sum(1).tolist() == [1] * rows
    for i in range(rows):
        for c in range(columns):
            is_positive = c == int(positive[i])
            assert bool(table.is_positive_BC[i, c]) == is_positive
            assert bool(table.valid_BC[i, c]) == (is_positive or bool(mask[i, c]))
            assert bool(table.negative_BC[i, c]) == (not is_positive and bool(mask[i, c]))


def test_the_positive_need_not_be_on_the_diagonal() -> None:
    table = score_table(torch.eye(2), [Columns(origin="a", vectors=torch.eye(2))], torch.tensor([1, 0]))
    assert table.is_positive_BC.tolist() == [[False, True], [True, False]]


@pytest.mark.parametrize("given_columns", [{}, {"vectors": torch.eye(2), "cosines": torch.eye(2)}])
def test_columns_are_vectors_or_cosines(given_columns: dict[str, torch.Tensor]) -> None:
    with pytest.raises(ValueError, match="'mine' need either vectors or cosines"):
        Columns(origin="mine", **given_columns)


def test_the_mask_that_was_given_is_not_changed() -> None:
    mask = torch.zeros(2, 2, dtype=torch.bool)
    score_table(torch.eye(2), [Columns(origin="a", vectors=torch.eye(2), valid=mask)], torch.arange(2))
    assert not mask.any()


def test_two_blocks_of_one_origin_are_refused_and_none_is_lost() -> None:
    blocks = [Columns(origin="queue", vectors=torch.eye(2)), Columns(origin="queue", vectors=torch.eye(2))]
    with pytest.raises(ValueError, match="two blocks of columns come from 'queue'"):
        score_table(torch.eye(2), blocks, torch.arange(2))
