"""What parts remember: only accepted steps, and nothing is lost over a state_dict (a resumed run is the same run)."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import torch

from contrapose.contract import Part
from contrapose.objectives.catalogue import recipe
from contrapose.objectives.objective import Objective
from contrapose.testing.cases import Case
from contrapose.testing.rules import Rule, must

#: Rows that a queue holds here: so few that batches overflow it.
SIZE = 8
#: Batches seen before the state is saved: none, fewer than the queue holds, as many, more.
HISTORIES = ((), (1,), (4,), (6, 2), (6, 5), (6, 6, 6, 6), (20,), (3, 20))


def with_small_queues(case: Case) -> Case:
    """The case with every queue it has at ``SIZE``."""
    sizes = recipe(case.method, case.parts, case.numbers).hyperparameters.model_dump()
    used = {
        name: SIZE
        for name in sizes
        if name.endswith("queue_size")
        and (name in case.numbers or ("queue" in case.parts and name == "queue_size"))
    }
    return replace(case, numbers={**case.numbers, **used})


def remembers(case: Case) -> bool:
    """Whether an accepted step leaves anything in its buffers; weights learn, and remember nothing."""
    parts = with_small_queues(case).build(memory=False).parts.values()
    observing = [part for part in parts if "observe" in cast("Part", part).verbs()]
    return any(buffer.numel() > 1 for part in observing for buffer in part.buffers())


def filled(case: Case, *sizes: int) -> Objective:
    objective = with_small_queues(case).build(memory=False)
    for number, rows in enumerate(sizes):
        objective.observe(case.batch(rows=rows, seed=50 + number, first_text=1 + 100 * number))
    return objective


def same_state(one: Objective, other: Objective) -> bool:
    left, right = one.state_dict(), other.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def a_saved_state_gives_the_same_next_steps(case: Case) -> None:
    """state_dict holds everything the next step depends on, after any number of steps."""
    for sizes in HISTORIES:
        objective, resumed = filled(case, *sizes), filled(case)
        saved = {name: tensor.clone() for name, tensor in objective.state_dict().items()}
        resumed.load_state_dict(saved, strict=True)
        for step in range(3):
            views = case.batch(seed=step, step=step, first_text=900 + 10 * step)
            ours, theirs = (each(views, with_stats=False).outcome for each in (objective, resumed))
            must(torch.equal(ours.logits_BC, theirs.logits_BC), f"after {sizes} rows: other logits")
            must(torch.equal(ours.loss_B, theirs.loss_B), f"after {sizes} rows: another loss")
            objective.observe(views)
            resumed.observe(views)
        must(same_state(objective, resumed), f"after {sizes} rows: another state")


def what_is_remembered_is_used(case: Case) -> None:
    """Memory adds columns, or changes those there are, and never takes one away."""
    empty, full = filled(case)(case.batch()).outcome.table, filled(case, 6, 6)(case.batch()).outcome.table
    must(full.cosine_BC.shape[1] >= empty.cosine_BC.shape[1], "columns are gone")
    must(not torch.equal(full.cosine_BC, empty.cosine_BC), "what is remembered changes nothing")


def asking_for_a_loss_changes_no_state(case: Case) -> None:
    """Only observe, after an accepted step, changes what is remembered."""
    objective, untouched = case.build(), case.build()
    objective(case.batch())
    objective(case.batch(), with_stats=False)
    must(same_state(objective, untouched), "a loss that was only asked for changed the state")


def an_accepted_step_changes_the_state(case: Case) -> None:
    """observe remembers."""
    objective = filled(case, 6, 6)
    before = {name: tensor.clone() for name, tensor in objective.state_dict().items()}
    objective.observe(case.batch(first_text=1))
    changed = [
        name for name, tensor in objective.state_dict().items() if not torch.equal(tensor, before[name])
    ]
    must(changed, "an accepted step left no trace")


def what_is_remembered_has_no_graph(case: Case) -> None:
    """Memory holds numbers, not the graph of a step that is over."""
    objective = filled(case)
    views = case.batch()
    for name in ("anchor", "positive"):
        views.by_name[name].requires_grad_()
    objective.observe(views)
    objective(views).total.backward()
    objective.observe(views)
    tensors = list(objective.buffers())
    must(all(not tensor.requires_grad and tensor.grad_fn is None for tensor in tensors), "memory has a graph")


def all_state_moves_and_is_saved(case: Case) -> None:
    """Every buffer is persistent: what moves to a device with the objective is saved with it too."""
    objective = case.build()
    held = {name for name, _ in objective.named_buffers()} | {
        name for name, _ in objective.named_parameters()
    }
    must(set(objective.state_dict()) == held, f"not saved: {sorted(held - set(objective.state_dict()))}")


RULES = (
    Rule(a_saved_state_gives_the_same_next_steps, remembers),
    Rule(what_is_remembered_is_used, remembers, of_one_part=True),
    Rule(asking_for_a_loss_changes_no_state, of_one_part=True),
    Rule(an_accepted_step_changes_the_state, remembers, of_one_part=True),
    Rule(what_is_remembered_has_no_graph, remembers, of_one_part=True),
    Rule(all_state_moves_and_is_saved, of_one_part=True),
)
