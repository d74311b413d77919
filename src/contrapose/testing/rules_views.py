"""What the loss may depend on: directions of vectors, the set of rows, seed and step; and nothing else."""

from __future__ import annotations

from dataclasses import replace

import torch

from contrapose.testing.cases import ROWS, Case, checked, is_random, with_gradient
from contrapose.testing.rules import Rule, must

#: What every loss reports.
STATISTICS = {"positive_cosine", "accuracy", "entropy", "alignment", "columns_batch"}


def mixes_directions(case: Case) -> bool:
    """Raw vectors are not mixed: there, length weighs on purpose."""
    return not case.numbers.get("raw_vectors")


def can_be_made_certain(case: Case) -> bool:
    """What is drawn can be replaced by all there is: otherwise rows that move are given other draws."""
    return not is_random(certain(case))


def certain(case: Case) -> Case:
    """The case with every pair in place of drawn ones, where there is such a choice."""
    if is_random(case) and "pairs" in type(checked(case).hyperparameters).model_fields:
        return Case(case.method, case.parts, {**case.numbers, "pairs": "all"})
    return case


def inputs_are_not_touched(case: Case) -> None:
    """No tensor of the batch is written to."""
    views = case.batch(first_text=1)
    tensors = [*views.by_name.values(), *views.text_ids.values()]
    before = [(tensor.clone(), tensor._version) for tensor in tensors]
    objective = case.build()
    objective(views)
    objective.observe(views)
    for tensor, (copy, version) in zip(tensors, before, strict=True):
        must(tensor._version == version and torch.equal(tensor, copy), "an input was changed in place")


def length_of_embeddings_does_not_matter(case: Case) -> None:
    """Vectors of any length give the loss of their directions."""
    views = case.batch(dtype=torch.float64)
    scale = torch.linspace(0.1, 30.0, ROWS, dtype=torch.float64)[:, None]
    longer = views.with_views(anchor=views.anchor * scale.flip(0), positive=views.positive * scale)
    objective = case.build()
    torch.testing.assert_close(objective(longer).outcome.loss_B, objective(views).outcome.loss_B)


def order_of_rows_does_not_matter(case: Case) -> None:
    """Rows in another order have the same losses in that order."""
    case = certain(case)
    views = case.batch(dtype=torch.float64, first_text=1)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    shuffled = replace(
        views,
        by_name={name: vectors[order] for name, vectors in views.by_name.items()},
        text_ids={name: ids[order] for name, ids in views.text_ids.items()},
        row_ids=None if views.row_ids is None else views.row_ids[order],
        labels=None if views.labels is None else views.labels[order],
        targets={name: _reordered(target, order) for name, target in views.targets.items()},
    )
    objective = case.build()
    torch.testing.assert_close(objective(shuffled).outcome.loss_B, objective(views).outcome.loss_B[order])


def _reordered(target: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    """Of every row and every text of the batch, block by block: rows and texts in the new order."""
    rows = len(order)
    blocks = target[order].view(rows, -1, rows)
    return blocks[:, :, order].reshape(rows, -1)


def same_seed_and_step_give_the_same_bits(case: Case) -> None:
    """The loss is a function of views, seed and step; torch's global random stream is not used."""
    state = torch.get_rng_state()
    try:
        torch.manual_seed(1)
        first = case.build()(case.batch(step=3))
        torch.manual_seed(2)
        before = torch.get_rng_state()
        again = case.build()(case.batch(step=3))
        must(torch.equal(first.outcome.loss_B, again.outcome.loss_B), "the loss follows the global seed")
        must(torch.equal(before, torch.get_rng_state()), "the global random stream was used")
    finally:
        torch.set_rng_state(state)


def randomness_follows_seed_and_step(case: Case) -> None:
    """What is drawn anew at every step is drawn anew for every seed, and the other way round."""
    objective = case.build()
    views = case.batch()
    ours, others = objective(views).terms, objective(replace(views, seed=views.seed + 1)).terms
    for name, term in ours.items():
        depends_on_seed = not torch.equal(term, others[name])
        must(depends_on_seed == is_random(case, name), f"'{name}' depends on one of seed and step alone")


def statistics_are_detached_numbers(case: Case) -> None:
    """Statistics are finite scalars without gradient."""
    loss = case.build()(with_gradient(case.batch()))
    must(set(loss.stats) >= STATISTICS, f"missing: {sorted(STATISTICS - set(loss.stats))}")
    for name, value in loss.stats.items():
        must(not value.requires_grad, f"'{name}' carries a gradient")
        must(value.shape == (), f"'{name}' is no scalar")
        must(value.isfinite(), f"'{name}' is not finite")


RULES = (
    Rule(inputs_are_not_touched, of_one_part=True),
    Rule(length_of_embeddings_does_not_matter, mixes_directions, of_one_part=True),
    Rule(order_of_rows_does_not_matter, can_be_made_certain),
    Rule(same_seed_and_step_give_the_same_bits, of_one_part=True),
    Rule(randomness_follows_seed_and_step, of_one_part=True),
    Rule(statistics_are_detached_numbers),
)
