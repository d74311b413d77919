"""FedRCL's penalty: its value and slope where they are known, and its equation written as loops."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from contrapose.contract import Views
from contrapose.errors import UsageError
from contrapose.objectives.catalogue import all_parts, recipe
from contrapose.regularizers.relaxation import Relaxation, penalties
from contrapose.train.api import train
from tests.reference.relaxation import penalty
from tests.tiny import SENTENCES, tiny_bert

ROWS, WIDTH = 6, 4
PAIR = torch.tensor([[False, True], [True, False]])


def at(cosine: float, **options: Any) -> tuple[float, float]:
    """PEN of a view whose only other view has this cosine, and its slope."""
    pair = torch.tensor(cosine, dtype=torch.float64, requires_grad=True)
    table = torch.stack([torch.stack([pair * 0, pair]), torch.stack([pair.detach(), pair.detach() * 0])])
    value = penalties(table, PAIR, **{"threshold": 0.9, "temperature": 0.05, **options})[0]
    slope = torch.autograd.grad(value, pair)[0].item() if value.requires_grad else 0.0
    return value.item(), slope


@pytest.mark.parametrize("pair_select", ["all", "min"])
def test_two_equal_views_cost_log_2_with_a_slope_of_10(pair_select: str) -> None:
    value, slope = at(1.0, pair_select=pair_select)
    assert value == pytest.approx(math.log(2), abs=1e-15)
    assert slope == pytest.approx(10.0, abs=1e-12)


@pytest.mark.parametrize("cosine", [-1.0, 0.0, 0.69, 0.9])
def test_nothing_is_paid_up_to_the_threshold(cosine: float) -> None:
    assert at(cosine) == (0.0, 0.0)


def test_the_slope_is_the_logistic_curve_of_the_publication() -> None:
    """sigma((s - 1) / t) / t: 0.05 at 0.7, 2.4 at 0.9, 10 at 1 where t is 0.05."""
    slopes = [at(cosine, threshold=0.5)[1] for cosine in (0.7, 0.9, 1.0)]
    assert slopes == pytest.approx([0.04945, 2.3841, 10.0], rel=1e-3)


def batch(texts: list[int] | None = None, layers: int = 1, seed: int = 0) -> Views:
    """Views near each other, so that some pairs are above 0.9 and some are not; rows of one text are near too."""
    random = torch.Generator().manual_seed(seed)
    base = torch.randn(ROWS, WIDTH, generator=random, dtype=torch.float64)
    if texts:
        base = torch.stack([base[texts.index(text)] for text in texts])
    names = [
        "anchor",
        "positive",
        *(f"{view}@{-2 - n}" for n in range(layers) for view in ("anchor", "positive")),
    ]
    views = {
        name: (base + 0.45 * torch.randn(ROWS, WIDTH, generator=random, dtype=torch.float64)).requires_grad_()
        for name in names
    }
    ids = torch.tensor(texts) if texts else None
    made = Views.pair(views["anchor"], views["positive"]).with_views(**views)
    return made if ids is None else replace(made, text_ids={"anchor": ids, "positive": ids})


def by_loops(views: Views, layers: int, **options: Any) -> Tensor:
    texts = views.text_ids["anchor"].tolist() if views.text_ids else list(range(ROWS))
    layer_views = [("anchor", "positive")]
    layer_views += [(f"anchor@{-2 - n}", f"positive@{-2 - n}") for n in range(layers)]
    values = [
        penalty(
            [*views.by_name[anchor], *views.by_name[positive]],
            texts * 2,
            cosine=lambda u, v: (u / u.norm()) @ (v / v.norm()),
            exp=torch.exp,
            log=torch.log,
            **options,
        )
        for anchor, positive in layer_views
    ]
    return sum(values, start=torch.zeros((), dtype=torch.float64)) / len(values)


@pytest.mark.parametrize("texts", [None, [1, 2, 1, 3, 4, 1]], ids=["texts differ", "a text thrice"])
@pytest.mark.parametrize("pair_select", ["all", "min"])
@pytest.mark.parametrize("layers", [0, 2])
def test_equals_the_loops_in_value_and_gradient(
    texts: list[int] | None, pair_select: str, layers: int
) -> None:
    views = batch(texts, layers)
    part = Relaxation(
        relaxation_weight=0.3,
        relaxation_threshold=0.8,
        pair_select=pair_select,
        relaxation_layers=tuple(-2 - n for n in range(layers)),
    )
    ours = part.terms(views)["relaxation"]
    theirs = 0.3 * by_loops(
        views, layers, threshold=0.8, temperature=0.05, least_similar=pair_select == "min"
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-15)
    assert 0 < part.statistics["pairs_relaxed"] < 1
    leaves = list(views.by_name.values())[: 2 + 2 * layers]
    for mine, loop in zip(
        torch.autograd.grad(ours, leaves), torch.autograd.grad(theirs, leaves), strict=True
    ):
        assert loop.abs().sum() > 0
        torch.testing.assert_close(mine, loop, rtol=1e-9, atol=1e-13)


def test_it_pushes_views_apart_that_are_nearly_the_same() -> None:
    """A step against the gradient lowers their cosine: the opposite of what a contrast does."""
    random = torch.Generator().manual_seed(3)
    anchor = torch.randn(1, WIDTH, generator=random)
    positive = (anchor + 0.05 * torch.randn(1, WIDTH, generator=random)).requires_grad_()
    part = Relaxation(relaxation_layers=())
    before = torch.cosine_similarity(anchor, positive).item()
    (gradient,) = torch.autograd.grad(part.terms(Views.pair(anchor, positive))["relaxation"], positive)
    after = torch.cosine_similarity(anchor, positive.detach() - gradient).item()
    assert after < before


@pytest.mark.parametrize("pair_select", ["all", "min"])
def test_a_vector_that_is_no_number_is_not_hidden(pair_select: str) -> None:
    views = batch(layers=1)
    views.by_name["anchor@-2"].data[2, 1] = math.nan
    assert Relaxation(pair_select=pair_select).terms(views)["relaxation"].isnan()


def test_half_precision_is_computed_in_fp32() -> None:
    views = Views.pair(torch.randn(3, 4).bfloat16(), torch.randn(3, 4).bfloat16())
    assert Relaxation(relaxation_layers=()).terms(views)["relaxation"].dtype == torch.float32


def test_every_part_of_the_catalogue_leaves_it_its_layers() -> None:
    """Added to a method that reads other inner layers, all of them are supplied."""
    assert "relaxation" in all_parts()
    made = recipe("sscl", ["relaxation"], {"num_layers": 2, "relaxation_layers": [-4]})
    assert made.needs.layers == (-2, -3, -4)


@pytest.mark.parametrize("layers", [[-1], [0], [3], ["last"]])
def test_a_layer_that_is_no_inner_one_is_refused_by_name(layers: list[Any]) -> None:
    with pytest.raises(UsageError, match="relaxation_layers"):
        recipe("simcse", ["relaxation"], {"relaxation_layers": layers})


def test_a_model_with_fewer_layers_is_refused_before_any_step(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("".join(f"{sentence}\n" for sentence in SENTENCES))
    with pytest.raises(UsageError, match=r"asks for a layer 8 below the last, and .tiny. has 2 layers"):
        train(
            tmp_path / "lines.txt",
            model=tiny_bert(tmp_path / "tiny"),
            method="fedrcl",
            out=tmp_path / "run",
            steps=2,
            batch_size=4,
            relaxation_layers=[-9],
        )
    assert not (tmp_path / "run" / "checkpoints").exists()
