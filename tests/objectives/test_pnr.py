"""PNR: both losses are those of the equation written as loops; an earlier model that is the model itself teaches
nothing new."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from contrapose.contract import PREVIOUS, Loss, Supplies, Views
from contrapose.errors import UsageError
from contrapose.objectives.catalogue import loss, recipe
from contrapose.objectives.objective import Objective
from contrapose.regularizers.previous_targets import PreviousTargets
from tests.reference.loops import simcse
from tests.reference.previous import first_loss, predicted, second_loss

ROWS, WIDTH = 5, 4
VIEWS = ("anchor", "positive")


def given(seed: int = 0, rows: int = ROWS) -> dict[str, Tensor]:
    """Vectors of both models that are near each other, fp64; the model has no head, so both names are one tensor."""
    random = torch.Generator().manual_seed(seed)
    base = torch.randn(rows, WIDTH, generator=random, dtype=torch.float64) + 0.5

    def near() -> Tensor:
        return base + 0.3 * torch.randn(rows, WIDTH, generator=random, dtype=torch.float64)

    return {name: near() for name in (*VIEWS, *(f"{view}@{PREVIOUS}" for view in VIEWS))}


def batch(vectors: dict[str, Tensor], texts: Tensor | None = None) -> Views:
    """The views of a model without a head."""
    pooled = {f"{view}@pooled": vectors[view] for view in VIEWS}
    views = Views.pair(vectors["anchor"], vectors["positive"]).with_views(**vectors, **pooled)
    return views if texts is None else replace(views, text_ids={"anchor": texts, "positive": texts})


def objective(parts: tuple[str, ...] = (), method: str = "pnr", **numbers: Any) -> Objective:
    made = recipe(method, parts, numbers).build(width=WIDTH)
    made.attach(Supplies(width=WIDTH, companion_widths={PREVIOUS: WIDTH}, seed=3))
    return made.to(torch.float64)


def numbers_of(vectors: dict[str, Tensor]) -> dict[str, list[list[float]]]:
    return {name: view.tolist() for name, view in vectors.items()}


def predictions(part: PreviousTargets, rows: list[list[float]]) -> list[list[float]]:
    first, norm, _relu, last = part.predictor
    layers = [(each.weight.tolist(), each.bias.tolist()) for each in (norm, last)]  # type: ignore[union-attr]
    return predicted(rows, first.weight.tolist(), *layers)  # type: ignore[union-attr, operator]


@pytest.mark.parametrize("both_directions", [True, False])
@pytest.mark.parametrize("in_denominator", [True, False])
@pytest.mark.parametrize("texts", [None, torch.tensor([1, 2, 1, 3, 4])])
@pytest.mark.parametrize("predictor_start", ["identity", "random"])
def test_equals_the_loops_in_loss_and_gradient(
    both_directions: bool, in_denominator: bool, texts: Tensor | None, predictor_start: str
) -> None:
    vectors = {name: view.requires_grad_() for name, view in given().items()}
    made = objective(
        temperature=0.2,
        target_temperature=0.3,
        target_weight=0.7,
        both_directions=both_directions,
        target_in_denominator=in_denominator,
        predictor_start=predictor_start,
    )
    struck = frozenset({(0, 2), (2, 0)}) if texts is not None else frozenset()

    def theirs(moved: dict[str, Tensor]) -> tuple[float, float]:
        rows = numbers_of(moved)
        z1, z2, f1, f2 = rows.values()
        first = first_loss(z1, z2, f2, temperature=0.2, struck=struck)
        if both_directions:
            other = first_loss(z2, z1, f1, temperature=0.2, struck=struck)
            first = [(one + two) / 2 for one, two in zip(first, other, strict=True)]
        part = made.parts["previous-targets"]
        assert isinstance(part, PreviousTargets)
        second = [
            second_loss(
                predictions(part, z),
                f,
                z,
                temperature=0.3,
                in_denominator=in_denominator,
                struck=struck,
            )
            for z, f in ((z1, f1), (z2, f2))
        ]
        return sum(first) / ROWS, 0.7 * (sum(second[0]) + sum(second[1])) / ROWS / 2

    ours: Loss = made(batch(vectors, texts))
    contrast, targets = theirs(vectors)
    assert ours.terms["contrast"].item() == pytest.approx(contrast, rel=1e-9)
    assert ours.terms["targets"].item() == pytest.approx(targets, rel=1e-9)
    gradients = torch.autograd.grad(
        ours.total, [vectors[view] for view in vectors], allow_unused=True, materialize_grads=True
    )
    for (name, view), gradient in zip(vectors.items(), gradients, strict=True):
        if PREVIOUS in name:
            assert (gradient == 0).all(), "no gradient enters the earlier model"
            continue
        step = torch.zeros_like(view)
        step[1, 2] = 1e-5
        up, down = (sum(theirs({**vectors, name: view.detach() + sign * step})) for sign in (1, -1))
        assert gradient[1, 2].item() == pytest.approx((up - down) / 2e-5, rel=1e-4, abs=1e-7)
        assert gradient.abs().sum() > 0


def test_an_earlier_model_that_is_the_model_counts_every_negative_twice() -> None:
    vectors = given()
    same = {**vectors, **{f"{view}@{PREVIOUS}": vectors[view] for view in VIEWS}}
    ours = objective(temperature=0.2, both_directions=False)(batch(same)).outcome.loss_B
    z1, z2 = vectors["anchor"].tolist(), vectors["positive"].tolist()
    twice = [
        [float(torch.nn.functional.cosine_similarity(vectors["anchor"][i], vectors["positive"][j], dim=0))
         for j in range(ROWS) if j != i]
        for i in range(ROWS)
    ]  # fmt: skip
    expected = simcse(z1, z2, temperature=0.2, extra=twice)
    torch.testing.assert_close(ours, torch.tensor(expected, dtype=torch.float64))


def test_both_directions_are_the_mean_over_exchanged_views() -> None:
    vectors = given()
    exchanged = dict(zip(vectors, (vectors[name] for name in ("positive", "anchor")), strict=False))
    exchanged |= {f"anchor@{PREVIOUS}": vectors[f"positive@{PREVIOUS}"]}
    exchanged |= {f"positive@{PREVIOUS}": vectors[f"anchor@{PREVIOUS}"]}
    one_way = objective(both_directions=False)
    first, other = (one_way(batch(each)).outcome.loss_B for each in (vectors, exchanged))
    torch.testing.assert_close(objective()(batch(vectors)).outcome.loss_B, (first + other) / 2)
    assert not torch.allclose(first, other)


def test_what_a_filter_strikes_out_and_weighs_holds_in_both_directions() -> None:
    """The teacher filter finds rows 0 and 1 alike: neither is a negative of the other, from either view."""
    teacher = torch.eye(ROWS, dtype=torch.float64)
    teacher[1] = teacher[0]
    views = batch(given()).with_views(**{f"{view}@teacher": teacher for view in VIEWS})
    made = recipe("pnr", ("teacher-filter",), {"temperature": 0.2}).build(width=WIDTH)
    made.attach(Supplies(width=WIDTH, companion_widths={PREVIOUS: WIDTH, "teacher": ROWS}))
    loss_B = made.to(torch.float64)(views).outcome.loss_B
    z1, z2, f1, f2 = numbers_of(given()).values()
    pair = frozenset({(0, 1), (1, 0)})
    expected = []
    for rows, columns, earlier in ((z1, z2, f2), (z2, z1, f1)):
        # The filter is one of the batch: the earlier model's vectors stay.
        whole = first_loss(rows, columns, earlier, temperature=0.2)
        both = first_loss(rows, columns, earlier, temperature=0.2, struck=pair)
        assert whole[2] == both[2]
        expected.append((whole, both))
    for row in (0, 1):
        low, high = (sum(direction[struck][row] for direction in expected) / 2 for struck in (1, 0))
        assert low < loss_B[row].item() < high
    assert loss_B[2].item() == pytest.approx(sum(whole[2] for whole, _ in expected) / 2)


def test_detached_negatives_leave_the_loss_and_a_row_alone_has_none() -> None:
    cut, whole = (objective(detach_current=detach)(batch(given())).total for detach in (True, False))
    assert torch.equal(cut, whole)
    alone = objective()(batch(given(rows=1)))
    assert alone.total.item() == 0
    same = objective(target_in_denominator=False)(batch(given(), torch.ones(ROWS, dtype=torch.int64)))
    assert same.total.item() == 0, "a batch of one text has no negative"


def test_the_predictor_is_drawn_from_the_seed_and_is_as_wide_as_it_is_asked_to_be() -> None:
    one, again = (objective().parts["previous-targets"] for _ in range(2))
    assert one.predictor[0].weight.shape == (2 * WIDTH, WIDTH)  # type: ignore[union-attr, index]
    for name, weight in one.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name])
    narrow = objective(predictor_width=7, predictor_start="random").parts["previous-targets"]
    assert narrow.predictor[3].weight.shape == (WIDTH, 7)  # type: ignore[union-attr, index]
    with pytest.raises(UsageError, match=r"predictor_width is 7, and .* needs 8, twice the width"):
        objective(predictor_width=7)


@pytest.mark.parametrize("hidden", [None, 2 * WIDTH + 3])
def test_the_predictor_begins_as_what_its_batch_norm_leaves_of_a_vector(hidden: int | None) -> None:
    vectors = given()["anchor"]
    part = objective(predictor_width=hidden).parts["previous-targets"]
    normal = torch.nn.functional.batch_norm(vectors, None, None, training=True)
    torch.testing.assert_close(part.predictor(vectors), normal)  # type: ignore[union-attr, operator]
    drawn = objective(predictor_start="random").parts["previous-targets"]
    assert not torch.allclose(drawn.predictor(vectors), normal)  # type: ignore[union-attr, operator]


def test_either_part_serves_another_method() -> None:
    views = batch(given())
    plain = loss("simcse", views.anchor, views.positive).outcome.loss_B
    more = objective(("pseudo-negatives",), method="simcse")(views).outcome.loss_B
    assert (more > plain).all(), "further negatives"
    term = objective(("previous-targets",), method="focal-infonce")(views).terms["targets"]
    torch.testing.assert_close(term, objective()(views).terms["targets"])


def test_an_earlier_model_of_another_width_is_named() -> None:
    vectors = {name: torch.eye(3) for name in VIEWS}
    beside = {f"{view}@pooled": torch.eye(3) for view in VIEWS}
    with pytest.raises(UsageError, match="needs the view 'anchor@previous'"):
        loss("pnr", **vectors, views=beside)
    wider = {f"{view}@{PREVIOUS}": torch.ones(3, 4) for view in VIEWS}
    with pytest.raises(UsageError, match="anchor@previous has 4 numbers a row, and anchor@pooled 3"):
        loss("pnr", **vectors, views={**beside, **wider})
    pooled = {f"{view}@pooled": torch.rand(3, 4) for view in VIEWS}
    assert loss("pnr", **vectors, views={**pooled, **wider}).total.isfinite(), "a head made 3 numbers of 4"
