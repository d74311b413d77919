"""The loss and its gradient: what they are made of, that they belong together, and that they are finite."""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

from contrapose.contract import Views
from contrapose.objectives.objective import Objective
from contrapose.testing.cases import NO_GRADIENT, ROWS, Case, gradients, trained_views, with_gradient
from contrapose.testing.rules import Rule, contrasts_other_texts, must

#: With two rows there may be no pair of negatives to mix, so that nothing can be said of mixtures.
UNDEFINED_AT = {"two rows": {"mixture_difficulty", "mixture_diversity"}}


def detaches(case: Case) -> bool:
    """A switch named detach... is on: the gradient is not the slope of the loss, on purpose."""
    return case.detaches


def follows_its_slope(case: Case) -> bool:
    return not case.detaches


def total_is_the_mean_of_rows_and_the_sum_of_terms(case: Case) -> None:
    """The loss is the sum of its named terms; "contrast" is the mean of one loss per row. It may be negative."""
    loss = case.build()(case.batch())
    must(loss.total.shape == (), "total is no scalar")
    must(loss.outcome.loss_B.shape == (ROWS,), "loss_B has not one loss per row")
    must(loss.total.isfinite(), "total is not finite")
    torch.testing.assert_close(loss.terms["contrast"], loss.outcome.loss_B.mean())
    torch.testing.assert_close(loss.total, torch.stack(list(loss.terms.values())).sum())


def gradient_is_the_slope_of_the_loss(case: Case) -> None:
    """The gradient equals finite differences, in double precision throughout. A factor that is held constant is a
    switch whose name begins with detach."""
    objective = case.build().to(torch.float64)
    views = case.batch(rows=4, seed=3, dtype=torch.float64)
    hold_constants(case, objective, views)

    names = trained_views(views)

    def total(*vectors: Tensor) -> Tensor:
        loss = objective(views.with_views(**dict(zip(names, vectors, strict=True))), with_stats=False)
        must(loss.outcome.table.cosine_BC.dtype == loss.total.dtype == torch.float64, "rounded to fp32")
        total: Tensor = loss.total
        return total

    given = with_gradient(views)
    torch.autograd.gradcheck(
        total, [given.by_name[name] for name in names], eps=1e-7, atol=1e-5, rtol=1e-4, fast_mode=True
    )


def hold_constants(case: Case, objective: Objective, views: Views) -> None:
    """Coefficients that carry no gradient stay what they are at ``views`` while numbers are perturbed."""
    for part in case.all_parts:
        if part in NO_GRADIENT:
            holder = objective.parts[part]
            compute = getattr(holder, NO_GRADIENT[part])
            kept: list[object] = []

            def first_result(*inputs: object, _compute=compute, _kept=kept) -> object:  # type: ignore[no-untyped-def]
                _kept.append(_compute(*inputs) if not _kept else _kept[0])
                return _kept[0]

            setattr(holder, NO_GRADIENT[part], first_result)
    objective(views, with_stats=False)


def detaching_changes_the_gradient_alone(case: Case) -> None:
    """A switch named detach... leaves the loss as it is to the bit, and changes the gradient."""
    views = with_gradient(case.batch(dtype=torch.float64))
    cut, whole = case.build()(views), Case(case.method, case.parts).build()(views)
    must(torch.equal(cut.total, whole.total), "the loss changed")
    leaves = [views.by_name[name] for name in trained_views(views)]
    ours, theirs = (
        torch.autograd.grad(loss.total, leaves, allow_unused=True, materialize_grads=True)
        for loss in (cut, whole)
    )
    must(
        max(torch.dist(a, b) for a, b in zip(ours, theirs, strict=True)) > 1e-6, "the gradient did not change"
    )


def both_views_get_a_gradient(case: Case) -> None:
    """Anchors and positives both learn, and no gradient is infinite."""
    views = with_gradient(case.batch())
    for name, gradient in zip(("anchor", "positive"), gradients(case.build()(views), views), strict=True):
        must(gradient.isfinite().all(), f"a gradient of the {name} is not finite")
        must(gradient.norm() > 0, f"no {name} gets a gradient")


def one_row_alone_has_no_loss(case: Case) -> None:
    """A row without any negative has nothing to be told apart from: its contrast and that one's gradient are 0."""
    views = with_gradient(case.batch(rows=1))
    loss = case.build(memory=False)(views)
    contrast = loss.terms["contrast"]
    must(contrast.item() == 0.0, f"a row without negatives has the loss {contrast.item()}")
    both = torch.autograd.grad(contrast, [views.anchor, views.positive])
    must(all((gradient == 0).all() for gradient in both), "and it has a gradient")


def one_row_with_memory_is_finite(case: Case) -> None:
    """A last batch of one row, with negatives from a queue or without any."""
    views = with_gradient(case.batch(rows=1))
    loss = case.build()(views)
    must(loss.total.isfinite(), "the loss is not finite")
    must(loss.outcome.table.negative_BC.any() or loss.terms["contrast"] == 0, "a loss without a negative")
    must(all(gradient.isfinite().all() for gradient in gradients(loss, views)), "a gradient is not finite")


def edges(case: Case) -> dict[str, Views]:
    plain = case.batch()
    zero = plain.anchor.clone()
    zero[2] = 0.0
    same = plain.anchor[:1].expand(ROWS, -1).clone()
    opposite = plain.anchor * torch.tensor([1.0, -1.0] * (ROWS // 2))[:, None]
    return {
        "two rows": case.batch(rows=2),
        "identical rows": plain.with_views(anchor=same, positive=same.clone()),
        "zero anchor": plain.with_views(anchor=zero),
        "zero positive": plain.with_views(positive=zero),
        "all zero": plain.with_views(anchor=torch.zeros(ROWS, 5), positive=torch.zeros(ROWS, 5)),
        "huge": plain.with_views(anchor=plain.anchor * 1e15, positive=plain.positive * 1e15),
        "tiny": plain.with_views(anchor=plain.anchor * 1e-8, positive=plain.positive * 1e-8),
        "opposite rows": plain.with_views(anchor=opposite, positive=opposite.flip(0)),
    }


def loss_and_gradient_are_finite_at_the_edges(case: Case) -> None:
    """Two rows, equal rows, zero, huge, tiny and opposite vectors: loss, gradient and statistics are finite."""
    objective = case.build()
    for edge, plain in edges(case).items():
        views = with_gradient(plain)
        loss = objective(views)
        must(loss.total.isfinite(), f"{edge}: the loss is not finite")
        must(
            all(gradient.isfinite().all() for gradient in gradients(loss, views)),
            f"{edge}: a gradient is not",
        )
        undefined = {name for name, value in loss.stats.items() if not value.isfinite()}
        must(undefined <= UNDEFINED_AT.get(edge, set()), f"{edge}: {sorted(undefined)} are not finite")


def half_precision_is_computed_in_fp32(case: Case) -> None:
    """bfloat16 embeddings give the loss of the same numbers in fp32, and gradients of their own type."""
    rounded = case.batch(dtype=torch.bfloat16)
    views = with_gradient(rounded)
    loss = case.build()(views)
    same = case.build()(rounded.with_views(**{name: view.float() for name, view in rounded.by_name.items()}))
    must(loss.total.dtype == loss.outcome.table.cosine_BC.dtype == torch.float32, "not computed in fp32")
    must(torch.equal(loss.total, same.total), "rounded on the way")
    both = gradients(loss, views)
    must(
        all(g.dtype == torch.bfloat16 and g.isfinite().all() for g in both), "the gradients are not bfloat16"
    )


def a_number_that_is_none_is_never_hidden(case: Case) -> None:
    """NaN or infinity anywhere in an embedding makes the loss NaN, so that the step is skipped and counted."""
    objective = case.build()
    for view, poison, rows in product(["anchor", "positive"], ["nan", "inf", "-inf"], [1, ROWS]):
        views = case.batch(rows=rows)
        poisoned = views.by_name[view].clone()
        poisoned[rows // 2, 1] = float(poison)
        loss = objective(views.with_views(**{view: poisoned}), with_stats=False)
        must(loss.total.isnan(), f"{poison} in one {view} of {rows} gives a loss of {loss.total.item()}")


RULES = (
    Rule(total_is_the_mean_of_rows_and_the_sum_of_terms),
    Rule(gradient_is_the_slope_of_the_loss, follows_its_slope),
    Rule(detaching_changes_the_gradient_alone, detaches),
    Rule(both_views_get_a_gradient, of_one_part=True),
    Rule(one_row_alone_has_no_loss, contrasts_other_texts, of_one_part=True),
    Rule(one_row_with_memory_is_finite, of_one_part=True),
    Rule(loss_and_gradient_are_finite_at_the_edges, of_one_part=True),
    Rule(half_precision_is_computed_in_fp32, of_one_part=True),
    Rule(a_number_that_is_none_is_never_hidden, of_one_part=True),
)
