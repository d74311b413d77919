"""Core-tuning: the loss is that of the loops, with labels and without, and what is mixed is what was drawn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from contrapose.contract import Views
from contrapose.errors import UsageError
from contrapose.maths.mixup import beta_shares, drawn_partner
from contrapose.objectives.catalogue import loss, recipe
from contrapose.objectives.core_tuning import core_tuning, focal_terms
from contrapose.objectives.in_batch import in_batch_table
from contrapose.objectives.objective import Objective
from tests.reference.hard_pairs import core_tuning as written_out

ROWS, WIDTH, SEED, STEP = 6, 4, 5, 3
POSITIVES, NEGATIVES = "hard-positive-mixup", "hard-negative-mixup"


def batch(labels: list[int] | None = None, texts: list[int] | None = None, seed: int = 0) -> Views:
    random = torch.Generator().manual_seed(seed)
    base = torch.randn(ROWS, WIDTH, generator=random, dtype=torch.float64) + 0.3
    anchor, positive = (
        base + 0.4 * torch.randn(ROWS, WIDTH, generator=random, dtype=torch.float64) for _ in range(2)
    )
    ids = {} if texts is None else {"anchor": torch.tensor(texts), "positive": torch.tensor(texts)}
    return Views.pair(
        anchor,
        positive,
        seed=SEED,
        step=STEP,
        text_ids=ids,
        labels=None if labels is None else torch.tensor(labels),
    )


def objective(**options: Any) -> Objective:
    return recipe("core-tuning", (), {"temperature": 0.3, **options}).build(width=WIDTH)


def expected(
    views: Views, anchor: Tensor, positive: Tensor, struck: Any = frozenset(), **options: Any
) -> Tensor:
    """The loops, with the shares and partners that the parts draw."""
    partners, has_any = drawn_partner(views.may_be_negative(), SEED, NEGATIVES, STEP, "partner")
    shape = options.pop("mixup_shape", 1.0)
    losses = written_out(
        anchor.tolist(),
        positive.tolist(),
        positive_shares=beta_shares(shape, ROWS, SEED, POSITIVES, STEP, least=0.5).tolist(),
        negative_shares=beta_shares(shape, ROWS, SEED, NEGATIVES, STEP, "share", least=0.8).tolist(),
        partners=[row if there else None for row, there in zip(partners.tolist(), has_any, strict=True)],
        temperature=0.3,
        labels=None if views.labels is None else views.labels.tolist(),
        struck=struck,
        **options,
    )
    return torch.tensor(losses, dtype=torch.float64)


CASES: dict[str, dict[str, Any]] = {
    "no labels": {},
    "classes of two": {"labels": [0, 1, 2, 0, 1, 2]},
    "one of a class alone": {"labels": [0, 0, 0, 0, 0, 1]},
    "one class": {"labels": [4] * ROWS},
    "repeats": {"texts": [7, 1, 2, 7, 4, 5]},
    "repeats in a class": {"labels": [0, 1, 1, 0, 0, 1], "texts": [7, 1, 2, 7, 4, 5]},
}


@pytest.mark.parametrize("case", list(CASES))
@pytest.mark.parametrize("class_average", ["positives", "columns"])
def test_equals_the_loops_in_loss_and_gradient(case: str, class_average: str) -> None:
    views = batch(**CASES[case])
    struck = frozenset({(0, 3), (3, 0)}) if "texts" in CASES[case] else frozenset()
    options = {"weight": 0.7, "over_columns": class_average == "columns", "mixup_shape": 0.6}
    made = objective(contrast_weight=0.7, class_average=class_average, mixup_shape=0.6)
    anchor, positive = (view.clone().requires_grad_() for view in (views.anchor, views.positive))
    ours = made(views.with_views(anchor=anchor, positive=positive)).outcome.loss_B
    torch.testing.assert_close(ours, expected(views, anchor, positive, struck, **options))
    gradients = torch.autograd.grad(ours.sum(), [anchor, positive])
    for number, gradient in enumerate(gradients):
        step = torch.zeros_like(anchor)
        step[1, 2] = 1e-5
        up, down = (
            expected(
                views,
                *(
                    view.detach() + sign * step * (place == number)
                    for place, view in enumerate((anchor, positive))
                ),
                struck,
                **options,
            ).sum()
            for sign in (1, -1)
        )
        assert gradient[1, 2].item() == pytest.approx(((up - down) / 2e-5).item(), rel=1e-4, abs=1e-8)


def test_without_its_parts_and_labels_it_is_infonce_weighed_by_what_is_not_sure() -> None:
    views = batch()
    table = in_batch_table(views)
    plain = loss("simcse", views.anchor, views.positive, temperature=0.3).outcome.loss_B
    ours = core_tuning(table, views, temperature=0.3).loss_B
    torch.testing.assert_close(ours, (1 - torch.exp(-plain)) * plain)
    assert (ours < plain).all()


def test_labels_that_all_differ_are_no_labels_but_for_the_weight() -> None:
    views = batch()
    named = replace(views, labels=torch.arange(ROWS))
    torch.testing.assert_close(objective()(named).total, 0.1 * objective()(views).total)
    same = objective(contrast_weight=2.0)
    assert torch.equal(same(named).total, same(views).total)


def test_a_pair_that_is_sure_has_neither_loss_nor_slope() -> None:
    log_share = torch.tensor([0.0, -1e-9, -1e-4, -2.0, -80.0], dtype=torch.float64, requires_grad=True)
    terms = focal_terms(log_share)
    assert terms.tolist() == pytest.approx([0.0, 1e-18, 1e-8, 1.7293294, 80.0], rel=1e-4)
    (slope,) = torch.autograd.grad(terms.sum(), log_share)
    assert slope[0] == 0
    assert slope.isfinite().all()


def test_the_weight_without_gradient_changes_the_slope_alone() -> None:
    views = batch()
    views.anchor.requires_grad_()
    whole, cut = (objective(detach_focal=detach)(views).total for detach in (False, True))
    assert torch.equal(whole, cut)
    slopes = [torch.autograd.grad(total, views.anchor)[0] for total in (whole, cut)]
    assert torch.dist(*slopes) > 1e-3


@pytest.mark.parametrize("shape", [0.1, 1.0, 10.0])
def test_the_positive_stays_the_larger_part_and_the_negative_the_smaller_part_of_the_anchor(
    shape: float,
) -> None:
    made = objective(mixup_shape=shape)
    for step in range(30):
        stats = made(replace(batch(), step=step)).stats
        assert 0.5 <= stats["hard_positive_share"] <= 1
        assert 0.8 - 1e-9 <= stats["hard_negative_share"] <= 1


def test_a_hard_negative_is_nearer_than_the_text_it_is_made_of() -> None:
    views = batch()
    table = objective()(views).outcome.table
    partner, _ = drawn_partner(views.may_be_negative(), SEED, NEGATIVES, STEP, "partner")
    mixed = table.cosine_BC[:, table.origins[NEGATIVES]].squeeze(1)
    plain = table.cosine_BC[:, table.origins["batch"]].gather(1, partner[:, None]).squeeze(1)
    assert (mixed >= plain).all()
    assert (mixed > plain).any()


def test_detached_mixtures_leave_the_loss_and_cut_the_gradient() -> None:
    views = batch()
    views.positive.requires_grad_()
    for switch in ("detach_hard_positive", "detach_hard_negative"):
        whole, cut = objective()(views).total, objective(**{switch: True})(views).total
        assert torch.equal(whole, cut)
        slopes = [torch.autograd.grad(total, views.positive)[0] for total in (whole, cut)]
        assert torch.dist(*slopes) > 1e-4, switch


def test_with_one_class_nobody_is_a_negative_and_no_hard_pair_is_made() -> None:
    views = batch(labels=[1] * ROWS)
    outcome = objective()(views).outcome
    assert not outcome.table.valid_BC[:, outcome.table.origins[NEGATIVES]].any()
    plain = core_tuning(in_batch_table(views), views, temperature=0.3)
    torch.testing.assert_close(outcome.loss_B, plain.loss_B)


def test_a_positive_that_two_parts_would_replace_is_refused() -> None:
    with pytest.raises(UsageError, match="Both replace the row's positive by a mixture"):
        recipe("core-tuning", ["mixed-positive"])
