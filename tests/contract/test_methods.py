"""What every method, source and mixer in the catalogue promises. A new file is covered without an edit here."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor

from contrapose.objectives.catalogue import all_methods, all_parts, describe
from contrapose.objectives.contract import Views
from contrapose.objectives.objective import Objective
from tests.contract.cases import (
    CASES,
    COMBINED,
    METHODS,
    NO_GRADIENT,
    ROWS,
    SWITCHED,
    Case,
    batch,
    gradients,
    with_gradient,
)

every = pytest.mark.parametrize("case", CASES, ids=str)


def test_the_suite_covers_the_catalogue() -> None:
    assert {case.method for case in METHODS} == set(all_methods()) >= {"simcse", "focal-infonce", "hncse"}
    assert {part for case in COMBINED for part in case.parts} == set(all_parts())
    assert len(SWITCHED) >= 20
    assert len(COMBINED) >= 15


@pytest.mark.parametrize("case", METHODS, ids=str)
def test_record_of_the_paper_is_complete(case: Case) -> None:
    method = all_methods()[case.method]
    assert method.reference.startswith("https://")
    assert method.idea.endswith(".")
    assert any(year.isdigit() and len(year) == 4 for year in method.paper.replace(",", " ").split())
    described = next(item for item in describe() if item["name"] == case.method)
    undescribed = set(described["hyperparameters"]) - set(described["descriptions"])
    assert not undescribed, f"hyperparameters without a description: {undescribed}"


@every
def test_total_is_the_mean_of_rows_and_the_sum_of_terms(case: Case) -> None:
    loss = case.build()(batch())
    assert loss.total.shape == ()
    assert loss.outcome.loss_B.shape == (ROWS,)
    torch.testing.assert_close(loss.total, loss.outcome.loss_B.mean())
    torch.testing.assert_close(loss.total, torch.stack(list(loss.terms.values())).sum())
    assert loss.total > 0


@pytest.mark.parametrize("case", [case for case in CASES if not case.detaches], ids=str)
def test_gradient_is_the_slope_of_the_loss(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    objective = case.build()
    views = batch(rows=4, seed=3, dtype=torch.float64)
    hold_constants(case, objective, views, monkeypatch)

    def total(anchor: Tensor, positive: Tensor) -> Tensor:
        loss = objective(views.with_views(anchor=anchor, positive=positive), with_stats=False)
        assert loss.outcome.table.cosine_BC.dtype == loss.total.dtype == torch.float64
        return loss.total

    given = with_gradient(views)
    assert torch.autograd.gradcheck(total, (given.anchor, given.positive), eps=1e-7, atol=1e-5, rtol=1e-4)


def hold_constants(case: Case, objective: Objective, views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    """Coefficients that carry no gradient stay what they are at ``views`` while numbers are perturbed."""
    for part in case.all_parts:
        if part in NO_GRADIENT:
            mixers = [mixer for mixer in objective._mixers if hasattr(mixer, NO_GRADIENT[part])]
            assert len(mixers) == 1
            compute, kept = getattr(mixers[0], NO_GRADIENT[part]), []

            def first_result(*inputs: object, _compute=compute, _kept=kept) -> object:  # type: ignore[no-untyped-def]
                _kept.append(_compute(*inputs) if not _kept else _kept[0])
                return _kept[0]

            monkeypatch.setattr(mixers[0], NO_GRADIENT[part], first_result)
    objective(views, with_stats=False)


@pytest.mark.parametrize("case", [case for case in CASES if case.detaches], ids=str)
def test_detaching_changes_the_gradient_alone(case: Case) -> None:
    without = Case(case.method, case.parts)
    views = with_gradient(batch(dtype=torch.float64))
    cut, whole = case.build()(views), without.build()(views)
    assert torch.equal(cut.total, whole.total)
    differences = [
        torch.dist(a, b) for a, b in zip(gradients(cut, views), gradients(whole, views), strict=True)
    ]
    assert max(differences) > 1e-6


@every
def test_both_views_get_a_gradient(case: Case) -> None:
    views = with_gradient(batch())
    for gradient in gradients(case.build()(views), views):
        assert gradient.isfinite().all()
        assert (gradient.norm(dim=1) > 0).all()


@every
def test_one_row_alone_has_no_loss(case: Case) -> None:
    views = with_gradient(batch(rows=1))
    loss = case.build(memory=False)(views)
    assert loss.total.item() == 0.0
    assert all((gradient == 0).all() for gradient in gradients(loss, views))


@every
def test_one_row_with_memory_is_finite(case: Case) -> None:
    views = with_gradient(batch(rows=1))
    loss = case.build()(views)
    has_negative = bool(loss.outcome.table.negative_BC.any())
    assert has_negative == bool(loss.total > 0)
    assert loss.total.isfinite()
    assert all(gradient.isfinite().all() for gradient in gradients(loss, views))


def edges() -> dict[str, Views]:
    plain = batch()
    zero = plain.anchor.clone()
    zero[2] = 0.0
    same = plain.anchor[:1].expand(ROWS, -1).clone()
    opposite = plain.anchor * torch.tensor([1.0, -1.0] * (ROWS // 2))[:, None]
    return {
        "two rows": batch(rows=2),
        "identical rows": Views.pair(same, same.clone()),
        "zero anchor": plain.with_views(anchor=zero),
        "zero positive": plain.with_views(positive=zero),
        "all zero": Views.pair(torch.zeros(ROWS, 5), torch.zeros(ROWS, 5)),
        "huge": plain.with_views(anchor=plain.anchor * 1e15, positive=plain.positive * 1e15),
        "tiny": plain.with_views(anchor=plain.anchor * 1e-8, positive=plain.positive * 1e-8),
        "opposite rows": Views.pair(opposite, opposite.flip(0)),
    }


@every
def test_loss_and_gradient_are_finite_at_the_edges(case: Case) -> None:
    objective = case.build()
    for edge, plain in edges().items():
        views = with_gradient(plain)
        loss = objective(views)
        assert loss.total.isfinite(), edge
        assert all(gradient.isfinite().all() for gradient in gradients(loss, views)), edge
        undefined = {name for name, value in loss.stats.items() if not value.isfinite()}
        # With two rows there may be no pair of negatives to mix.
        assert undefined <= ({"mixture_difficulty", "mixture_diversity"} if edge == "two rows" else set()), (
            edge
        )


@every
def test_half_precision_is_computed_in_fp32(case: Case) -> None:
    rounded = batch(dtype=torch.bfloat16)
    views = with_gradient(rounded)
    loss = case.build()(views)
    same = case.build()(rounded.with_views(anchor=rounded.anchor.float(), positive=rounded.positive.float()))
    assert loss.total.dtype == loss.outcome.table.cosine_BC.dtype == torch.float32
    assert torch.equal(loss.total, same.total)
    assert all(g.dtype == torch.bfloat16 and g.isfinite().all() for g in gradients(loss, views))


@every
def test_a_number_that_is_none_is_never_hidden(case: Case) -> None:
    objective = case.build()
    poisons = [float("nan"), float("inf"), float("-inf")]
    for view, poison, rows in product(["anchor", "positive"], poisons, [1, ROWS]):
        views = batch(rows=rows)
        poisoned = views.by_name[view].clone()
        poisoned[rows // 2, 1] = poison
        loss = objective(views.with_views(**{view: poisoned}), with_stats=False)
        assert loss.total.isnan(), (view, poison, rows)


@every
def test_inputs_are_not_touched(case: Case) -> None:
    views = batch(first_text=1)
    tensors = [*views.by_name.values(), *views.text_ids.values()]
    before = [(tensor.clone(), tensor._version) for tensor in tensors]
    objective = case.build()
    objective(views)
    objective.observe(views)
    for tensor, (copy, version) in zip(tensors, before, strict=True):
        assert tensor._version == version
        assert torch.equal(tensor, copy)


@every
def test_length_of_embeddings_does_not_matter(case: Case) -> None:
    views = batch(dtype=torch.float64)
    scale = torch.linspace(0.1, 30.0, ROWS, dtype=torch.float64)[:, None]
    longer = views.with_views(anchor=views.anchor * scale.flip(0), positive=views.positive * scale)
    objective = case.build()
    torch.testing.assert_close(objective(longer).outcome.loss_B, objective(views).outcome.loss_B)


def is_random(case: Case) -> bool:
    """Whether another step gives the same views another loss."""
    objective = case.build()
    first, second = (objective(batch(step=step), with_stats=False) for step in (0, 1))
    return not torch.equal(first.total, second.total)


@every
def test_order_of_rows_does_not_matter(case: Case) -> None:
    if is_random(case):
        case = Case(case.method, case.parts, {**case.numbers, "pairs": "all"})
        assert not is_random(case)
    views = batch(dtype=torch.float64, first_text=1)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    shuffled = Views.pair(
        views.anchor[order],
        views.positive[order],
        text_ids={name: ids[order] for name, ids in views.text_ids.items()},
    )
    objective = case.build()
    torch.testing.assert_close(objective(shuffled).outcome.loss_B, objective(views).outcome.loss_B[order])


@every
def test_same_seed_and_step_give_the_same_bits(case: Case) -> None:
    torch.manual_seed(1)
    first = case.build()(batch(step=3))
    torch.manual_seed(2)
    state = torch.get_rng_state()
    again = case.build()(batch(step=3))
    assert torch.equal(first.outcome.loss_B, again.outcome.loss_B)
    assert torch.equal(state, torch.get_rng_state()), "the global random stream was used"


@every
def test_randomness_follows_seed_and_step(case: Case) -> None:
    objective = case.build()
    views = batch()
    other_seed = Views(by_name=views.by_name, seed=views.seed + 1, step=views.step)
    depends_on_seed = not torch.equal(objective(views).total, objective(other_seed).total)
    assert depends_on_seed == is_random(case)


def test_some_methods_are_random_and_some_are_not() -> None:
    assert {is_random(case) for case in METHODS} == {True, False}


@every
def test_statistics_are_detached_numbers(case: Case) -> None:
    loss = case.build()(with_gradient(batch()))
    assert {"positive_cosine", "accuracy", "entropy", "alignment", "columns_batch"} <= set(loss.stats)
    for name, value in loss.stats.items():
        assert not value.requires_grad, name
        assert value.shape == (), name
        assert value.isfinite(), name
