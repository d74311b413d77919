"""A method of your own is one file: an equation, and a record that names it. Nothing else is edited.

Here: a hinge on the hardest negative,  loss_i = max(0, margin + max_j cos(a_i, p_j) - cos(a_i, p_i)),  j != i.
Every argument after the star is a hyperparameter with its default, range and help text. Use the file as it is:

    contrapose train notes.txt --method own_method.py --out runs/hinge
    python -m contrapose.testing own_method.py          the rules that every method keeps
docs/adding-a-method.md says how a package offers a method by its name. Run:  python examples/own_method.py
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field

from contrapose.contract import Method, Outcome, ScoreTable, Views
from contrapose.maths.reduce import to_logits
from contrapose.objectives.objective import Objective


def hardest_hinge(
    table: ScoreTable,
    views: Views,
    /,
    *,
    margin: Annotated[float, Field(ge=0, le=2, description="by how much the positive must win")] = 0.2,
) -> Outcome:
    # The table holds all cosines: queues and mixtures are further columns, what repeats the anchor is struck out.
    logits_BC = to_logits(table.cosine_BC, table, temperature=1.0)
    hardest_B = (
        logits_BC.masked_fill(~table.negative_BC, -9).max(1).values
    )  # none: below any cosine less margin
    own_B = table.cosine_BC.gather(1, table.positive_B[:, None]).squeeze(1)
    return Outcome(loss_B=(margin + hardest_B - own_B).relu(), logits_BC=logits_BC, table=table)


METHOD = Method(
    name="hardest-hinge",
    idea="The positive must beat the hardest negative by a margin.",
    paper="Faghri, Fleet, Kiros, Fidler 2018, VSE++: Improving Visual-Semantic Embeddings (BMVC)",
    reference="https://arxiv.org/abs/1707.05612",
    objective=hardest_hinge,
)

if __name__ == "__main__":
    random = torch.Generator().manual_seed(0)
    anchor, positive = (torch.randn(16, 8, generator=random).requires_grad_() for _ in range(2))
    optimizer = torch.optim.Adam([anchor, positive], lr=0.05)
    objective = Objective(METHOD.objective, {"margin": 0.2})
    for step in range(60):
        loss = objective(Views.pair(anchor, positive))
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        if step % 15 == 0 or step == 59:
            print(f"step {step:3}  loss {loss.total.item():.4f}")
