"""KDMCSE: a frozen teacher says which negatives to spare, and by how large an angle to push the others away.

Run:  python examples/kdmcse.py        A toy encoder and a toy teacher over toy sentences; a second, no download.
"""

from __future__ import annotations

import torch
from torch import nn

from contrapose.contract import Supplies, Views
from contrapose.objectives.catalogue import recipe
from contrapose.seeds import seeded

SENTENCES, WORDS, WIDTH, TEACHER_WIDTH, STEPS = 64, 200, 32, 24, 100


def main() -> None:
    sentences = torch.randint(WORDS, (SENTENCES, 8), generator=torch.Generator().manual_seed(0))
    with seeded(0, "weights"):
        body = nn.EmbeddingBag(WORDS, WIDTH)
        head = nn.Sequential(nn.Dropout(0.3), nn.Linear(WIDTH, WIDTH), nn.Tanh())
        teacher = nn.EmbeddingBag(WORDS, TEACHER_WIDTH).requires_grad_(False)
    objective = recipe("kdmcse", hyperparameters={"distillation_weight": 0.1}).build(width=WIDTH)
    objective.attach(Supplies(width=WIDTH, pooled_width=WIDTH, companion_widths={"teacher": TEACHER_WIDTH}))
    # The objective has weights of its own: two heads, through which text and teacher meet.
    parameters = [*body.parameters(), *head.parameters(), *objective.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=3e-3)
    similar = teacher(sentences)

    losses = []
    for step in range(STEPS):
        pooled = body(sentences)
        with seeded(0, "dropout", step):  # two calls draw two masks: two views of each sentence
            views = Views.pair(head(pooled), head(pooled), step=step)
        beside = {"anchor@pooled": pooled, "positive@pooled": pooled}
        beside |= {"anchor@teacher": similar, "positive@teacher": similar}
        loss = objective(views.with_views(**beside))
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        losses.append(loss.total.item())
        if step % 25 == 0 or step == STEPS - 1:
            terms = ", ".join(f"{name} {term.item():.4f}" for name, term in loss.terms.items())
            print(f"step {step:3}  loss {losses[-1]:.4f}  of it {terms}")

    assert losses[-1] < losses[0] / 2, "the loss did not fall"


if __name__ == "__main__":
    main()
