from __future__ import annotations

import math

import pytest
import torch

from contrapose.contract import Views
from contrapose.objectives.diagnostics import diagnostics
from contrapose.objectives.simcse import simcse
from tests.objectives.scored import scored
from tests.reference import loops


def measured(views: Views, temperature: float = 0.05) -> dict[str, float]:
    stats = diagnostics(views, scored(simcse, views, temperature=temperature))
    return {name: value.item() for name, value in stats.items()}


def test_closed_form_for_orthonormal_rows() -> None:
    same = torch.eye(4, dtype=torch.float64)
    stats = measured(Views.pair(same, same), temperature=1.0)
    own, other = math.e / (math.e + 3), 1 / (math.e + 3)
    assert stats == pytest.approx(
        {
            "positive_cosine": 1.0,
            "accuracy": 1.0,
            "entropy": -own * math.log(own) - 3 * other * math.log(other),
            "struck_out": 0.0,
            "columns_batch": 3.0,
            "hardest_negative_cosine": 0.0,
            "hardest_share": 1 / 3,
            "alignment": 0.0,
            "uniformity": -4.0,
            "mean_cosine": 0.0,
        }
    )


def test_equals_the_loops() -> None:
    random = torch.Generator().manual_seed(0)
    anchor, positive = torch.randn(2, 6, 3, generator=random, dtype=torch.float64).unbind()
    stats = measured(Views.pair(anchor, positive))
    rows, columns = anchor.tolist(), positive.tolist()
    pairs = [(i, j) for i in range(6) for j in range(6) if i != j]
    table = [[loops.cosine(a, b) for b in columns] for a in rows]
    others = [[table[i][j] for j in range(6) if j != i] for i in range(6)]
    cosines = [loops.cosine(rows[i], rows[j]) for i, j in pairs]
    assert stats["positive_cosine"] == pytest.approx(sum(table[i][i] for i in range(6)) / 6)
    assert stats["hardest_negative_cosine"] == pytest.approx(sum(map(max, others)) / 6)
    assert stats["accuracy"] == pytest.approx(sum(table[i][i] > max(others[i]) for i in range(6)) / 6)
    assert stats["alignment"] == pytest.approx(sum(2 - 2 * table[i][i] for i in range(6)) / 6)
    assert stats["mean_cosine"] == pytest.approx(sum(cosines) / 30)
    assert stats["uniformity"] == pytest.approx(math.log(sum(math.exp(-4 + 4 * c) for c in cosines) / 30))
    shares = [[math.exp((n - max(row)) / 0.05) for n in row] for row in others]
    assert stats["hardest_share"] == pytest.approx(sum(max(row) / sum(row) for row in shares) / 6)


def test_collapse_shows() -> None:
    same = torch.ones(5, 3)
    stats = measured(Views.pair(same, same))
    assert stats["mean_cosine"] == pytest.approx(1.0)
    assert stats["uniformity"] == pytest.approx(0.0, abs=1e-6)
    assert stats["entropy"] == pytest.approx(math.log(5), abs=1e-6)


def test_what_one_row_cannot_tell_is_not_a_number() -> None:
    stats = measured(Views.pair(torch.ones(1, 3), torch.ones(1, 3)))
    undefined = {name for name, value in stats.items() if math.isnan(value)}
    assert undefined == {"hardest_negative_cosine", "hardest_share", "uniformity", "mean_cosine"}


def test_struck_out_columns_are_counted_and_not_measured() -> None:
    same = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    texts = {name: torch.tensor([5, 5, 6]) for name in ("anchor", "positive")}
    stats = measured(Views.pair(same, same, text_ids=texts))
    assert stats["struck_out"] == pytest.approx(2 / 3)
    assert stats["columns_batch"] == pytest.approx(4 / 3)
    assert stats["hardest_negative_cosine"] == 0.0
    assert math.isnan(measured(Views.pair(same * float("nan"), same))["alignment"])
