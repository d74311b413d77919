"""What a part may do, whichever method it is added to: change no state but in the two verbs made for it, spare the
positive, and say beforehand what it needs."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import cast

import torch
from torch import Tensor

from contrapose.contract import Part, Views
from contrapose.objectives.objective import Objective
from contrapose.testing.cases import WIDTH, Case, checked
from contrapose.testing.rules import Rule, must

#: Rows of the corpus that the parts are shown in ``refresh``.
CORPUS_ROWS = 12


def _parts(objective: Objective) -> list[Part]:
    return [cast("Part", part) for part in objective.parts.values()]


def has_filter(case: Case) -> bool:
    return any("filter" in part.verbs() for part in checked(case).parts)


def has_refresh(case: Case) -> bool:
    return any("refresh" in part.verbs() for part in checked(case).parts)


def has_parts(case: Case) -> bool:
    return bool(checked(case).parts)


def a_filter_never_strikes_out_or_weighs_the_positive(case: Case) -> None:
    """After all filters each row's positive still counts, with the weight it had: use table.without and .weighted."""
    objective = case.build()
    table = objective(case.batch(first_text=1), with_stats=False).outcome.table
    at_positive_B1 = table.positive_B[:, None]
    must(table.valid_BC.gather(1, at_positive_B1).all(), "a positive is struck out")
    if table.log_weight_BC is not None:
        must((table.log_weight_BC.gather(1, at_positive_B1) == 0).all(), "a positive has a weight")


def a_filter_judges_columns_and_leaves_their_cosines(case: Case) -> None:
    """A filter strikes out and weighs; it changes no cosine, no positive and no number of columns."""
    views = case.batch()
    table = case.build()(views, with_stats=False).outcome.table
    objective = case.build()
    for part in _parts(objective):
        judged = part.filter(views, table)
        must(torch.equal(judged.cosine_BC, table.cosine_BC), f"'{part.name}' changes cosines")
        must(torch.equal(judged.positive_B, table.positive_B), f"'{part.name}' moves the positive")
        must(judged.origins == table.origins, f"'{part.name}' changes where columns come from")


def what_a_part_needs_is_known_before_and_is_the_union(case: Case) -> None:
    """A method needs what its parts and its equation need, and says so before any model is loaded."""
    made = checked(case)
    objective = made.build(width=WIDTH)
    union = reduce(or_, (part.needs for part in _parts(objective)), made.method.needs)
    must(made.needs == union == objective.needs, f"{made.needs} in place of {union}")


def a_part_reads_only_what_it_needs(case: Case) -> None:
    """With what it needs and nothing beside, it gives the loss that it gives with more."""
    objective = case.build()
    exact = case.batch()
    more = exact.with_views(**{"anchor@-9": exact.anchor, "positive@nobody": exact.positive})
    must(
        torch.equal(objective(exact).total, objective(more).total),
        "a view that it does not need changes the loss",
    )


def refresh_changes_buffers_alone(case: Case) -> None:
    """What a part learns of the corpus lies in buffers, so that it is saved; its weights are the optimizer's."""
    objective = case.build()
    random = torch.Generator().manual_seed(2)
    vectors_ND = torch.randn(CORPUS_ROWS, WIDTH, generator=random)
    weights = [parameter.detach().clone() for parameter in objective.parameters()]
    for part in _parts(objective):
        plain = _plain_state(part)
        part.refresh(0, torch.arange(CORPUS_ROWS), vectors_ND)
        must(_plain_state(part) == plain, f"'{part.name}' keeps what it found outside its buffers")
    must(all(map(torch.equal, weights, objective.parameters())), "refresh changed a weight")
    buffers = [buffer for buffer in objective.buffers() if buffer.requires_grad or buffer.grad_fn is not None]
    must(not buffers, "a buffer has a graph")


def _plain_state(part: torch.nn.Module) -> dict[str, str]:
    """What a module holds beside parameters, buffers and submodules, as text: tensors by their numbers."""
    return {
        name: repr(value.tolist() if isinstance(value, Tensor) else value)
        for name, value in vars(part).items()
        if not name.startswith("_") and name not in ("statistics", "training")
    }


def a_loss_leaves_nothing_outside_the_state(case: Case) -> None:
    """A part keeps what it remembers in buffers: attributes are as before after a loss, and after an accepted step."""
    objective = case.build()
    before = _attributes(objective)
    views = case.batch(first_text=1)
    objective(views)
    objective.observe(views)
    changed = [name for name, state in _attributes(objective).items() if state != before[name]]
    must(not changed, f"{changed} keep something in attributes, which no checkpoint saves")


def _attributes(objective: Objective) -> dict[str, dict[str, str]]:
    return {name: _plain_state(part) for name, part in objective.parts.items()}


def terms_have_names_of_their_own_and_are_scalars(case: Case) -> None:
    """Every further term is a named scalar with a gradient into something that is trained."""
    objective = case.build()
    views = _leaves(case.batch())
    loss = objective(views)
    for name, term in loss.terms.items():
        must(term.shape == (), f"the term '{name}' is no scalar")
        must(term.requires_grad, f"the term '{name}' trains nothing")


def _leaves(views: Views) -> Views:
    return views.with_views(
        anchor=views.anchor.detach().clone().requires_grad_(),
        positive=views.positive.detach().clone().requires_grad_(),
    )


RULES = (
    Rule(a_filter_never_strikes_out_or_weighs_the_positive, has_filter),
    Rule(a_filter_judges_columns_and_leaves_their_cosines, has_filter, of_one_part=True),
    Rule(what_a_part_needs_is_known_before_and_is_the_union),
    Rule(a_part_reads_only_what_it_needs, has_parts, of_one_part=True),
    Rule(refresh_changes_buffers_alone, has_refresh, of_one_part=True),
    Rule(a_loss_leaves_nothing_outside_the_state, has_parts, of_one_part=True),
    Rule(terms_have_names_of_their_own_and_are_scalars, has_parts),
)
