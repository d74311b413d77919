from __future__ import annotations

import pytest
import torch

from contrapose.contract import Views
from contrapose.maths.scores import Columns
from contrapose.maths.similarity import cosine_table, paired_cosine
from contrapose.objectives.in_batch import in_batch_table
from contrapose.objectives.simcse import simcse
from tests.objectives.scored import scored


def test_columns_are_positives_then_given_negatives_then_extras() -> None:
    anchor, positive, first, second, extra = torch.randn(5, 3, 2).unbind()
    table = in_batch_table(
        Views.pair(anchor, positive, [first, second]), [Columns(origin="queue", vectors=extra)]
    )
    assert list(table.origins) == ["batch", "negative_1", "negative_2", "queue"]
    everything = torch.cat([positive, first, second, extra])
    torch.testing.assert_close(table.cosine_BC, cosine_table(anchor, everything))
    assert table.positive_B.tolist() == [0, 1, 2]
    assert table.valid_BC.all()
    assert table.log_weight_BC is None


def test_own_positive_replaces_the_rows_own_column_and_no_other() -> None:
    anchor, positive, own = torch.randn(3, 4, 2).unbind()
    table = in_batch_table(Views.pair(anchor, positive).with_views(own_positive=own))
    diagonal = torch.eye(4, dtype=torch.bool)
    torch.testing.assert_close(table.cosine_BC.diagonal(), paired_cosine(anchor, own))
    torch.testing.assert_close(table.cosine_BC[~diagonal], cosine_table(anchor, positive)[~diagonal])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weight_keeps_the_precision_of_the_embeddings(dtype: torch.dtype) -> None:
    anchor, positive, negative = torch.randn(3, 2, 2, dtype=dtype).unbind()
    views = Views.pair(anchor, positive, negative)
    weight_BC = scored(simcse, views, hard_negative_weight=0.1).table.log_weight_BC
    assert weight_BC is not None
    assert weight_BC.dtype == dtype
    assert torch.equal(weight_BC, torch.tensor([[0, 0, 0.1, 0], [0, 0, 0, 0.1]], dtype=dtype))
