"""contrapose.loss() on what is no batch of vectors: one sentence that names it, never an error from deep inside."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import contrapose
from contrapose.errors import UsageError

EYE = torch.eye(3)


@pytest.mark.parametrize("method", ["simcse", "focal-infonce", "hncse"])
@pytest.mark.parametrize(
    ("vectors", "words"),
    [
        (([[1.0, 0.0]], EYE), "anchor is a list.*torch.as_tensor"),
        ((EYE, EYE.numpy()), "positive is a ndarray"),
        ((EYE, None), "positive is None"),
        ((EYE.long(), EYE.long()), r"anchor holds int64.*anchor\.float"),
        ((EYE, EYE.bool()), "positive holds bool"),
        ((EYE[:0], EYE[:0]), r"anchor has shape \(0, 3\)"),
        ((EYE[:, :0], EYE[:, :0]), r"anchor has shape \(3, 0\)"),
        ((EYE[0], EYE[0]), r"anchor has shape \(3,\)"),
        ((EYE, EYE[:2]), r"positive has shape \(2, 3\), and anchor \(3, 3\)"),
        ((EYE, EYE, [EYE, [1.0]]), "negative 2 is a list"),
        ((EYE, EYE, "negatives"), "negatives is a str"),
        ((EYE, EYE, 3), "negatives is a int"),
        ((EYE, EYE, EYE.int()), "negatives holds int32"),
        ((EYE, EYE, torch.zeros(2, 4, 3)), r"expected \(3, K, 3\)"),
        ((EYE, EYE, torch.zeros(3, 4, 3).long()), "negatives holds int64"),
    ],
)
def test_what_is_no_batch_is_named(method: str, vectors: tuple[Any, ...], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        contrapose.loss(method, *vectors)


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_small_batches_have_a_loss(rows: int) -> None:
    for method in ("simcse", "focal-infonce", "hncse"):
        assert torch.isfinite(contrapose.loss(method, EYE[:rows], EYE[:rows]).total), method


def test_negatives_may_be_one_several_or_none() -> None:
    several = torch.stack([EYE, -EYE], dim=1)
    as_list = contrapose.loss("simcse", EYE, EYE, [EYE, -EYE]).total
    assert torch.equal(as_list, contrapose.loss("simcse", EYE, EYE, several).total)
    assert torch.isfinite(contrapose.loss("simcse", EYE, EYE, []).total)
