"""A loss in tiles is the loss over the table: its value, its gradients and its statistics, or it says why not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

import contrapose
from contrapose.contract import Columns, Part, TiledOutcome, Views, needs_table
from contrapose.errors import UsageError
from contrapose.maths import tiled
from contrapose.objectives import tiled_contrast
from contrapose.objectives.catalogue import all_methods, all_parts
from contrapose.objectives.kdmcse import kdmcse
from contrapose.objectives.objective import Objective
from contrapose.objectives.simcse import simcse
from contrapose.testing.cases import Case, trained_views, with_gradient
from tests.largest import Largest

ROWS = 13
IN_TILES = {
    "cards", "dcl", "debcse", "debiased", "diffcse", "esimcse", "focal-infonce", "hcl", "promptbert", "simcse",
    "simcse-mlm", "sparse-cse", "sscl", "twins",
}  # fmt: skip
NUMBERS: dict[str, list[dict[str, Any]]] = {
    "simcse": [{"temperature": 0.001}, {"hard_negative_weight": 0.7}],
    "focal-infonce": [
        {"negative_map": "clamped", "positive_map": "signed"},
        {"detach_modulation": True},
        {"modulate_positive": False, "modulate_negative": False},
    ],
    "dcl": [{"positive_width": 0.5}],
    "debiased": [{"false_negative_share": 0.0}, {"temperature": 0.5, "false_negative_share": 0.1}],
    "hcl": [{"hardness": 0.0}, {"temperature": 0.5, "hardness": 3.0}],
    "sscl": [{"average_with_base": False}, {"scope": "own"}],
}
CASES = [Case(name, (), numbers) for name in sorted(IN_TILES) for numbers in ({}, *NUMBERS.get(name, []))]
CASES += [
    Case(name, parts)
    for name in ("simcse", "focal-infonce", "dcl", "hcl")
    for parts in (("queue",), ("anchor-negatives", "queue"), ("layer-negatives",), ("momentum-queue",))
]


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the rows nor the columns are a whole number of tiles."""
    monkeypatch.setattr(tiled, "TILE", (4, 5))


def views_of(case: Case, *, texts: bool, negatives: int) -> Views:
    """Rows of which some have one text, and some one anchor with another's positive."""
    views = case.batch(ROWS, dtype=torch.float64)
    random = torch.Generator().manual_seed(3)
    for number in range(1, negatives + 1):
        noise = torch.randn(views.anchor.shape, generator=random, dtype=torch.float64)
        views = views.with_views(**{f"negative_{number}": views.positive.roll(number, 0) + noise})
    if texts:
        first = torch.arange(ROWS) // 2 + 1000
        given = {f"negative_{number}": first.roll(number) for number in range(1, negatives + 1)}
        views = replace(views, text_ids={"anchor": first, "positive": first.roll(1), **given})
    return with_gradient(views)


def gradients(loss: Any, views: Views) -> list[torch.Tensor]:
    leaves = [views.by_name[name] for name in trained_views(views)]
    found = torch.autograd.grad(loss.total, leaves, allow_unused=True)
    return [
        torch.zeros_like(leaf) if each is None else each for leaf, each in zip(leaves, found, strict=True)
    ]


@pytest.mark.parametrize("given", ["plain", "texts", "texts and negatives"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_tiles_give_the_loss_the_gradients_and_the_statistics_of_the_table(case: Case, given: str) -> None:
    objective = case.build().double()
    views = views_of(case, texts="texts" in given, negatives=2 * ("negatives" in given))
    over_table, in_tiles = objective(views), objective(views, tiled=True)
    assert isinstance(in_tiles.outcome, TiledOutcome)
    torch.testing.assert_close(in_tiles.outcome.loss_B, over_table.outcome.loss_B, rtol=1e-9, atol=1e-9)
    assert in_tiles.terms.keys() == over_table.terms.keys()
    torch.testing.assert_close(in_tiles.total, over_table.total, rtol=1e-9, atol=1e-9)
    expected = gradients(over_table, views)
    assert any(gradient.abs().sum() > 0 for gradient in expected)
    torch.testing.assert_close(gradients(in_tiles, views), expected, rtol=1e-7, atol=1e-9)
    assert in_tiles.stats.keys() == over_table.stats.keys()
    for name, statistic in over_table.stats.items():
        near = {"rtol": 1e-5, "atol": 1e-6, "equal_nan": True, "check_dtype": False}
        torch.testing.assert_close(in_tiles.stats[name], statistic, **near, msg=name)


@pytest.mark.parametrize("name", all_methods())
def test_every_method_is_computed_in_tiles_or_says_why_not(name: str) -> None:
    objective, views = Case(name).build(), Case(name).batch(ROWS)
    if name in IN_TILES:
        assert isinstance(objective(views, tiled=True).outcome, TiledOutcome)
        return
    with pytest.raises(
        UsageError, match=r"^tiled: the (part|loss) '.*since .*Without tiles it can be computed"
    ):
        objective(views, tiled=True)
    monkeypatched = objective(views, tiled=None)
    assert not isinstance(monkeypatched.outcome, TiledOutcome)


@pytest.mark.parametrize("name", all_parts())
def test_a_part_that_makes_a_square_says_so(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every part that says nothing, a loss in tiles makes no tensor of all pairs."""
    monkeypatch.setattr(tiled_contrast, "ANCHORS_COMPARED", 4)
    monkeypatch.setattr(tiled, "TILE", (64, 128))
    case = Case("simcse", (name,))
    rows = 512  # so that a square is larger than the toys' token tables
    views = with_gradient(case.batch(rows))
    objective = case.build()
    if objective.why_not_in_tiles(views):
        return
    with Largest() as largest:
        objective(views, tiled=True).total.backward()
    assert views.anchor.grad is not None
    assert largest.numel < rows * rows


@pytest.mark.parametrize("adaptive", [True, False])
@pytest.mark.parametrize("negatives", [0, 1])
def test_an_angular_margin_by_a_teacher_is_computed_in_tiles(adaptive: bool, negatives: int) -> None:
    objective = Objective(kdmcse, {"temperature": 0.05, "angular_margin": 0.3, "adaptive": adaptive})
    views = views_of(Case("simcse"), texts=True, negatives=negatives)
    random = torch.Generator().manual_seed(9)
    teacher = torch.randn(2, ROWS, 8, generator=random, dtype=torch.float64)
    views = views.with_views(**{"anchor@teacher": teacher[0], "positive@teacher": teacher[0] + teacher[1]})
    over_table, in_tiles = objective(views), objective(views, tiled=True)
    torch.testing.assert_close(in_tiles.outcome.loss_B, over_table.outcome.loss_B)
    leaves = [views.anchor, views.positive]
    torch.testing.assert_close(*(torch.autograd.grad(each.total, leaves) for each in (in_tiles, over_table)))


def test_core_tuning_without_labels_is_computed_in_tiles() -> None:
    equation = all_methods()["core-tuning"].objective
    numbers = {"temperature": 0.05, "contrast_weight": 0.5, "class_average": "columns", "detach_focal": False}
    objective, views = Objective(equation, numbers), views_of(Case("simcse"), texts=True, negatives=1)
    over_table, in_tiles = objective(views), objective(views, tiled=True)
    torch.testing.assert_close(in_tiles.outcome.loss_B, over_table.outcome.loss_B)
    torch.testing.assert_close(gradients(in_tiles, views), gradients(over_table, views))
    with pytest.raises(UsageError, match="with labels every row of a class has a loss of its own"):
        objective(replace(views, labels=torch.zeros(ROWS, dtype=torch.int64)), tiled=True)


class Weighted(Part):
    """Columns of every kind that a part can give: of each row its own, known cosines, masks and weights."""

    name, idea = "weighted", "All kinds of columns."

    def columns(self, views: Views) -> Iterator[Columns]:
        random = torch.Generator().manual_seed(5)
        width = views.anchor.shape[1]
        shared, own = (
            torch.randn(*shape, width, generator=random, dtype=torch.float64) for shape in ((7,), (ROWS, 3))
        )
        weights = torch.linspace(-1, 1, 7)
        valid = torch.rand(ROWS, 7, generator=random) < 0.5
        yield Columns(origin="shared", vectors=shared, valid=valid, log_weight=weights)
        yield Columns(origin="own", vectors=own + views.anchor[:, None], log_weight=torch.tensor([0.5]))
        yield Columns(origin="known", cosines=torch.full((ROWS, 2), 0.3), valid=torch.tensor([[True, False]]))


@pytest.mark.parametrize("name", ["simcse", "focal-infonce", "dcl", "debiased", "hcl"])
def test_columns_of_parts_of_every_kind_are_in_the_sums(name: str) -> None:
    made = Case(name).build()
    objective = Objective(made.equation, made.hyperparameters, [Weighted()])
    views = views_of(Case(name), texts=True, negatives=1)
    over_table, in_tiles = objective(views), objective(views, tiled=True)
    torch.testing.assert_close(in_tiles.outcome.loss_B, over_table.outcome.loss_B)
    torch.testing.assert_close(gradients(in_tiles, views), gradients(over_table, views))
    torch.testing.assert_close(in_tiles.stats, over_table.stats, check_dtype=False, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rows", [1, ROWS])
@pytest.mark.parametrize("name", ["simcse", "focal-infonce", "dcl", "debiased", "hcl"])
def test_a_row_without_negatives_has_no_loss_and_no_gradient(name: str, rows: int) -> None:
    vectors = torch.randn(2, rows, 4, requires_grad=True)
    same = torch.full((rows,), 8)
    views = Views.pair(vectors[0], vectors[1], text_ids={"anchor": same, "positive": same})
    found = Case(name).build()(views, tiled=True)
    assert found.outcome.loss_B.abs().max() == 0
    (gradient,) = torch.autograd.grad(found.total, [vectors])
    assert gradient.abs().max() == 0
    assert found.stats["columns_batch"] == 0
    assert found.stats["hardest_share"].isnan()
    assert found.stats["entropy"].abs() < 1e-6


@pytest.mark.parametrize("name", ["simcse", "focal-infonce", "dcl", "debiased", "hcl"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lower_precisions_are_computed_in_fp32_as_over_the_table(name: str, dtype: torch.dtype) -> None:
    random = torch.Generator().manual_seed(0)
    anchor, positive = (torch.randn(ROWS, 8, generator=random).to(dtype).requires_grad_() for _ in range(2))
    over_table, in_tiles = (contrapose.loss(name, anchor, positive, tiled=tiled) for tiled in (False, True))
    assert in_tiles.total.dtype == torch.float32
    torch.testing.assert_close(in_tiles.total, over_table.total, rtol=1e-5, atol=1e-5)
    expected, found = (torch.autograd.grad(each.total, [anchor, positive]) for each in (over_table, in_tiles))
    near = {"rtol": 1e-2, "atol": 1e-3} if dtype == torch.bfloat16 else {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(found, expected, **near)


@pytest.mark.parametrize("name", ["simcse", "dcl", "hcl"])
def test_shares_of_the_rows_add_up_to_the_loss(name: str) -> None:
    case = Case(name, (), {"positive_width": 0.5} if name == "dcl" else {})
    objective, views = case.build().double(), views_of(case, texts=True, negatives=1)
    whole = objective(views, tiled=True)
    parts = [objective(views, tiled=True, rows=rows) for rows in (slice(0, 6), slice(6, ROWS))]
    assert whole.shares == frozenset()
    assert all(part.shares == {"contrast"} for part in parts)
    assert "accuracy" in parts[0].row_stats
    assert "uniformity" not in parts[0].row_stats
    torch.testing.assert_close(parts[0].total + parts[1].total, whole.total)
    added_up = [sum(each) for each in zip(*(gradients(part, views) for part in parts), strict=True)]
    torch.testing.assert_close(added_up, gradients(whole, views))


@pytest.mark.parametrize("name", ["simcse", "focal-infonce", "dcl", "hcl"])
def test_with_two_thousand_rows_nothing_as_large_as_the_square_is_made(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiled, "TILE", (512, 512))
    monkeypatch.setattr(tiled_contrast, "ANCHORS_COMPARED", 512)
    rows = 2048
    anchor, positive = torch.randn(2, rows, 8).requires_grad_().unbind()
    ids = torch.arange(rows)
    views = Views.pair(anchor, positive, text_ids={"anchor": ids, "positive": ids})
    objective = Case(name, ("anchor-negatives",)).build(memory=False)
    with Largest() as largest:
        objective(views, tiled=True).total.backward()
    assert 512 * 512 <= largest.numel < rows * rows / 4


def test_a_large_table_is_never_made_where_nothing_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    views = views_of(Case("simcse"), texts=True, negatives=1)
    plain, mixed = (Case(name).build().double() for name in ("simcse", "hncse"))
    assert not isinstance(plain(views, tiled=None).outcome, TiledOutcome)
    monkeypatch.setattr(tiled_contrast, "LARGE_TABLE", ROWS * 2 * ROWS * 8 - 1)
    assert isinstance(plain(views, tiled=None).outcome, TiledOutcome)
    assert not isinstance(plain(views).outcome, TiledOutcome)
    assert not isinstance(mixed(views, tiled=None).outcome, TiledOutcome)
    monkeypatch.setattr(tiled_contrast, "LARGE_TABLE", ROWS * 2 * ROWS * 8)
    assert not isinstance(plain(views, tiled=None).outcome, TiledOutcome)


@needs_table("it sorts them")
def sorted_loss(table: Any, views: Views, /) -> Any:
    """An equation that says why it needs its table."""


def silent_loss(table: Any, views: Views, /) -> Any:
    """An equation that says nothing of tiles."""


@pytest.mark.parametrize(
    ("objective", "told"),
    [
        (
            Objective(sorted_loss, {}),
            "tiled: the loss 'sorted_loss' needs its table, since it sorts them. Without",
        ),
        (
            Objective(silent_loss, {}),
            "the loss 'silent_loss' needs its table, since its equation does not say how",
        ),
        (
            Case("hncse-hnm").build(),
            "the part 'mixed-negatives' needs all pairs of the batch at once, since it looks",
        ),
        (
            Case("simcse", ("teacher-filter",)).build(),
            "the part 'teacher-filter' needs all pairs of the batch at once",
        ),
        (Case("fedrcl", (), {"relaxation_weight": 0}).build(), "since its term compares all pairs of views"),
    ],
)
def test_what_needs_all_pairs_is_refused_by_its_name(objective: Objective, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        objective(Views.pair(torch.eye(5), torch.eye(5)), tiled=True)


def test_the_hardest_of_a_row_are_picked_from_a_table() -> None:
    equation = all_methods()["fedrcl"].objective
    views = views_of(Case("simcse"), texts=True, negatives=1)
    numbers = {"temperature": 0.05, "hardest_negatives": 2}
    with pytest.raises(UsageError, match="hardest_negatives=2 picks among all columns of a row"):
        Objective(equation, numbers)(views, tiled=True)
    plain = Objective(equation, {**numbers, "hardest_negatives": None})
    torch.testing.assert_close(plain(views, tiled=True).total, plain(views).total)


def test_trained_log_weights_need_the_table() -> None:
    class Trained(Part):
        name, idea = "trained", "Weights that learn."

        def columns(self, views: Views) -> Iterator[Columns]:
            weight = torch.zeros(2, requires_grad=True)
            yield Columns(origin="trained", vectors=torch.eye(2), log_weight=weight)

    objective = Objective(simcse, {"temperature": 0.05, "hard_negative_weight": 0.0}, [Trained()])
    views = Views.pair(torch.eye(2), torch.eye(2))
    with pytest.raises(UsageError, match="'trained' need the table, since their log-weights are trained"):
        objective(views, tiled=True)
    assert objective(views, tiled=None).total.isfinite()


def test_two_blocks_of_one_origin_are_refused_in_tiles_too() -> None:
    class Twice(Part):
        name, idea = "twice", "One name for two."

        def columns(self, views: Views) -> Iterator[Columns]:
            for _ in range(2):
                yield Columns(origin="same", vectors=torch.eye(2))

    objective = Objective(simcse, {"temperature": 0.05, "hard_negative_weight": 0.0}, [Twice()])
    with pytest.raises(ValueError, match="two blocks of columns come from 'same'"):
        objective(Views.pair(torch.eye(2), torch.eye(2)), tiled=True)
