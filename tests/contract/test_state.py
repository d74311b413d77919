"""What sources remember: only accepted steps, and nothing is lost over a state_dict (a resumed run is the same run)."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from contrapose.objectives.catalogue import recipe
from contrapose.objectives.objective import Objective
from tests.contract.cases import CASES, WIDTH, Case, batch

SIZE = 8


def remembering(case: Case) -> Case | None:
    """The case with every queue it has at a size of 8; None where nothing is remembered."""
    sizes = recipe(case.method, case.parts, case.numbers).hyperparameters.model_dump()
    wanted = {name: SIZE for name in sizes if name.endswith("queue_size")}
    used = {
        name: size
        for name, size in wanted.items()
        if name in case.numbers or ("queue" in case.parts and name == "queue_size")
    }
    return replace(case, numbers={**case.numbers, **used}) if used else None


STATEFUL = [case for given in CASES if (case := remembering(given)) is not None]
every = pytest.mark.parametrize("case", STATEFUL, ids=str)


def filled(case: Case, *sizes: int) -> Objective:
    objective = case.build(memory=False)
    for number, rows in enumerate(sizes):
        objective.observe(batch(rows=rows, seed=50 + number, first_text=1 + 100 * number))
    return objective


def test_some_methods_remember() -> None:
    assert len(STATEFUL) >= 6


@every
@pytest.mark.parametrize(
    "sizes", [(), (1,), (4,), (6, 2), (6, 5), (6, 6, 6, 6), (20,), (3, 20)], ids=lambda sizes: f"rows{sizes}"
)
def test_state_dict_round_trip_gives_the_same_next_steps(case: Case, sizes: tuple[int, ...]) -> None:
    objective = filled(case, *sizes)
    saved = {name: tensor.clone() for name, tensor in objective.state_dict().items()}
    resumed = case.build(memory=False)
    resumed.load_state_dict(saved, strict=True)
    for step in range(3):
        views = batch(seed=step, step=step, first_text=900 + 10 * step)
        ours, theirs = (each(views, with_stats=False).outcome for each in (objective, resumed))
        assert torch.equal(ours.logits_BC, theirs.logits_BC)
        assert torch.equal(ours.loss_B, theirs.loss_B)
        objective.observe(views)
        resumed.observe(views)
    assert_same_state(objective, resumed)


def assert_same_state(one: Objective, other: Objective) -> None:
    left, right = one.state_dict(), other.state_dict()
    assert left.keys() == right.keys()
    assert all(torch.equal(left[name], right[name]) for name in left)


@every
def test_memory_adds_columns(case: Case) -> None:
    empty, full = filled(case), filled(case, 6, 6)
    assert full(batch()).outcome.logits_BC.shape[1] >= empty(batch()).outcome.logits_BC.shape[1]
    assert not torch.equal(full(batch()).total, empty(batch()).total)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_asking_for_a_loss_changes_no_state(case: Case) -> None:
    objective, untouched = case.build(), case.build()
    objective(batch())
    objective(batch(), with_stats=False)
    assert_same_state(objective, untouched)


@every
def test_an_accepted_step_changes_the_state(case: Case) -> None:
    objective = case.build()
    before = {name: tensor.clone() for name, tensor in objective.state_dict().items()}
    objective.observe(batch(first_text=1))
    assert any(not torch.equal(tensor, before[name]) for name, tensor in objective.state_dict().items())


@every
def test_what_is_remembered_has_no_graph(case: Case) -> None:
    objective = case.build(memory=False)
    views = batch()
    views.by_name["anchor"].requires_grad_()
    views.by_name["positive"].requires_grad_()
    objective.observe(views)
    objective(views).total.backward()
    objective.observe(views)
    assert all(not tensor.requires_grad and tensor.grad_fn is None for tensor in objective.buffers())


@every
def test_state_moves_and_saves_with_the_objective(case: Case) -> None:
    objective = case.build()
    assert set(objective.state_dict()) == {name for name, _ in objective.named_buffers()}
    vectors = [buffer for name, buffer in objective.named_buffers() if name.endswith("vectors_MD")]
    assert vectors
    assert all(buffer.shape == (SIZE, WIDTH) for buffer in vectors if len(buffer))
