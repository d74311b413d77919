"""MixCSE in a plain torch loop: a mixed negative stays near the anchor while random negatives go far away.

Run:  python examples/mixcse.py        A toy encoder over toy sentences; a second, no download.
"""

from __future__ import annotations

import torch
from torch import nn

from contrapose.contract import Views
from contrapose.objectives.catalogue import recipe
from contrapose.seeds import seeded

SENTENCES, WORDS, WIDTH, STEPS = 64, 200, 32, 100


def main() -> None:
    sentences = torch.randint(WORDS, (SENTENCES, 8), generator=torch.Generator().manual_seed(0))
    with seeded(0, "weights"):
        encoder = nn.Sequential(
            nn.EmbeddingBag(WORDS, WIDTH), nn.Dropout(0.3), nn.Linear(WIDTH, WIDTH), nn.Tanh()
        )
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=3e-3)
    objective = recipe("mixcse", hyperparameters={"temperature": 0.1}).build(width=WIDTH)

    losses = []
    for step in range(STEPS):
        with seeded(0, "dropout", step):
            views = Views.pair(encoder(sentences), encoder(sentences), step=step)
        loss = objective(views)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        losses.append(loss.total.item())
        table = loss.outcome.table
        mixed = table.cosine_BC[:, table.origins["mixtures"]].mean().item()
        others = table.cosine_BC[:, table.origins["batch"]][table.negative_BC[:, :SENTENCES]].mean().item()
        if step % 25 == 0 or step == STEPS - 1:
            print(
                f"step {step:3}  loss {losses[-1]:.4f}  cosine of mixtures {mixed:.2f}, of others {others:.2f}"
            )

    assert losses[-1] < losses[0] / 2, "the loss did not fall"
    assert mixed > others + 0.1, "the mixtures are as far away as random negatives"


if __name__ == "__main__":
    main()
