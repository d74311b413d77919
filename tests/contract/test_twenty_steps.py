"""Every method with every part, and every pair of parts: twenty steps with a falling loss and finite gradients.

What makes no sense together is refused and is no case. The encoder is a toy: a vector for each text, and dropout.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest
import torch
from torch import nn

from contrapose.contract import Loss, Views
from contrapose.objectives.catalogue import all_methods
from contrapose.objectives.objective import Objective
from contrapose.seeds import seeded
from contrapose.testing.cases import BASE, WIDTH, Case, batch, checked, combined
from contrapose.testing.toys import beside

ROWS, STEPS, RATE = 12, 20, 0.02
CASES = [
    Case(BASE),
    *(case for name in all_methods() for case in (Case(name), *combined(name)) if case != Case(BASE)),
]


class ToyEncoder(nn.Module):
    """A vector for each text, near one another as those of a pretrained encoder are, under dropout and a matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.texts = nn.Parameter(batch(ROWS, seed=5).anchor.clone())
        self.last = nn.Linear(WIDTH, WIDTH)

    def views(self, case: Case, step: int) -> Views:
        with seeded(0, "dropout", step):
            anchor, positive = (self.last(nn.functional.dropout(self.texts, 0.1)) for _ in range(2))
        given = case.batch(ROWS, first_text=1, step=step)
        plain = {name: vectors for name, vectors in given.by_name.items() if "@" not in name}
        views = replace(given, by_name={**plain, "anchor": anchor, "positive": positive})
        return beside(views, checked(case).needs)


def refresh_where_due(objective: Objective, encoder: ToyEncoder, step: int) -> None:
    if objective.refreshes_at(step):
        objective.refresh(step, torch.arange(ROWS), encoder.last(encoder.texts).detach())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_twenty_steps_lower_the_loss_with_finite_gradients(case: Case) -> None:
    """The loss of one batch falls: by the objective as it is after the steps, from the first weights to the last."""
    with seeded(0, "weights"):
        first, encoder = ToyEncoder(), ToyEncoder()
    encoder.load_state_dict(first.state_dict())
    objective = case.build(memory=False)
    trained = [*encoder.parameters(), *objective.parameters()]
    optimizer = torch.optim.AdamW(trained, lr=RATE)
    for step in range(STEPS):
        refresh_where_due(objective, encoder, step)
        views = encoder.views(case, step)
        loss = cast("Loss", objective(views))
        optimizer.zero_grad()
        loss.total.backward()
        assert loss.total.isfinite(), f"step {step}"
        given = [weight.grad for weight in trained if weight.grad is not None]
        assert all(gradient.isfinite().all() for gradient in given), f"step {step}"
        assert any(gradient.any() for gradient in given), f"no gradient at step {step}"
        optimizer.step()
        objective.observe(views)
    with torch.no_grad():
        before, after = (objective(each.views(case, STEPS)).total.item() for each in (first, encoder))
    assert after < before
