"""The positive-aware filter: who is struck out, by a definition written as loops; the positive never is."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from contrapose.contract import Views
from contrapose.filters.positive_aware import PositiveAwareFilter
from contrapose.negatives.anchors import AnchorNegatives
from contrapose.objectives.in_batch import in_batch_table

ROWS, WIDTH = 7, 4


def views(seed: int = 0) -> Views:
    drawn = torch.randn(4, ROWS, WIDTH, generator=torch.Generator().manual_seed(seed)) + 0.7
    names = ("anchor", "positive", "anchor@teacher", "positive@teacher")
    return Views(by_name=dict(zip(names, drawn, strict=True)))


def cosine(one: list[float], other: list[float]) -> float:
    product = sum(x * y for x, y in zip(one, other, strict=True))
    return product / math.sqrt(sum(x * x for x in one)) / math.sqrt(sum(y * y for y in other))


def left(batch: Views, view: str, margin: float) -> list[list[bool]]:
    """(row, column): whether the column stays, by the definition."""
    anchors = batch.of("anchor", "teacher").tolist()
    positives = batch.of("positive", "teacher").tolist()
    columns = batch.of(view, "teacher").tolist()
    return [
        [
            i == j or cosine(anchors[i], columns[j]) <= cosine(anchors[i], positives[i]) - margin
            for j in range(ROWS)
        ]
        for i in range(ROWS)
    ]


@pytest.mark.parametrize("margin", [-0.2, 0.0, 0.05, 0.35])
def test_columns_near_the_positive_are_struck_out_and_no_others(margin: float) -> None:
    batch = views()
    table = PositiveAwareFilter(positive_margin=margin).filter(batch, in_batch_table(batch))
    assert table.valid_BC.tolist() == left(batch, "positive", margin)


def test_the_margin_decides_how_many() -> None:
    kept = [
        int(
            PositiveAwareFilter(positive_margin=margin)
            .filter(views(), in_batch_table(views()))
            .valid_BC.sum()
        )
        for margin in (-2.0, 0.0, 2.0)
    ]
    assert kept[0] == ROWS * ROWS
    assert kept[0] > kept[1] > kept[2] == ROWS


def test_other_anchors_are_judged_by_what_they_say_themselves() -> None:
    batch = views()
    table = in_batch_table(batch, list(AnchorNegatives().columns(batch)))
    kept = PositiveAwareFilter(positive_margin=0.0).filter(batch, table).valid_BC[:, table.origins["anchors"]]
    expected = left(batch, "anchor", 0.0)
    assert kept.tolist() == [[i != j and expected[i][j] for j in range(ROWS)] for i in range(ROWS)]


def test_what_is_struck_out_is_counted() -> None:
    part: Any = PositiveAwareFilter(positive_margin=2.0)
    part.filter(views(), in_batch_table(views()))
    assert part.statistics["filtered_by_positive"] == ROWS - 1
