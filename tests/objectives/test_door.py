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


WIDER = torch.ones(3, 4)
INNER = {f"{view}@-{layer}": EYE for view in ("anchor", "positive") for layer in (2, 3)}
TWINS = {"fraternal": EYE, **{f"{view}@innate": WIDER for view in ("anchor", "positive", "fraternal")}}


@pytest.mark.parametrize(
    ("method", "given", "words"),
    [
        ("sscl", {**INNER, "positive@-3": WIDER}, "positive@-3 has 4 numbers a row, and anchor 3"),
        ("twins", {**TWINS, "fraternal": WIDER}, "fraternal has 4 numbers a row, and anchor 3"),
        ("twins", {**TWINS, "positive@innate": EYE}, "positive@innate has 3 .*, and anchor@innate 4"),
        ("esimcse", {"anchor@momentum": WIDER}, "anchor@momentum has 4 numbers a row, and anchor 3"),
        ("sscl", {**INNER, "anchr@-2": EYE}, "would ignore the view 'anchr@-2'. Did you mean 'anchor@-2'?"),
        ("simcse", {"anchr@-2": EYE}, "would ignore the view 'anchr@-2'.*reads no further views"),
        ("simcse", {"positive": EYE}, "would ignore the view 'positive'.*arguments of their own"),
        ("simcse", {"negative_1": EYE}, "would ignore the view 'negative_1'"),
    ],
)
def test_views_that_do_not_fit_or_would_be_ignored_are_named(
    method: str, given: dict[str, torch.Tensor], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        contrapose.loss(method, EYE, EYE, views=given)


def test_views_that_fit_are_taken() -> None:
    for method, given in (("sscl", INNER), ("twins", TWINS), ("esimcse", {"anchor@momentum": EYE})):
        assert contrapose.loss(method, EYE, EYE, views=given).total.isfinite(), method


@pytest.mark.parametrize(
    ("method", "given", "words"),
    [
        (
            "ifnd",
            {"accepted_share": 1.0, "num_clusters": 1},
            "needs the corpus that its rows are from beside vectors",
        ),
        ("promptbert", {}, "needs texts inside a template beside vectors"),
        ("simcse-mlm", {}, "needs tokens and networks beside vectors"),
    ],
)
def test_what_vectors_cannot_hold_is_refused(method: str, given: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        contrapose.loss(method, EYE, EYE, **given)


def test_a_weight_for_given_negatives_is_refused_where_there_are_none() -> None:
    with pytest.raises(UsageError, match=r"hard_negative_weight=5 would be ignored.*give negatives"):
        contrapose.loss("simcse", EYE, EYE, hard_negative_weight=5)
    with pytest.raises(UsageError, match="hard_negative_weight=5 would be ignored"):
        contrapose.loss("twins", EYE, EYE, views=TWINS, hard_negative_weight=5)
    assert contrapose.loss("simcse", EYE, EYE, EYE.flip(0), hard_negative_weight=5).total.isfinite()
    assert contrapose.loss("simcse", EYE, EYE, hard_negative_weight=0).total.isfinite()
