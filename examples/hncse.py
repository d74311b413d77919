"""HNCSE, both halves: mixed positives and mixed negatives, every number given by name.

Run:  python examples/hncse.py        A toy encoder over toy sentences; a second, no download.
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
    # A further part goes between the two: recipe("hncse", ["queue"], {...}), and observe(views) after each step.
    objective = recipe("hncse", hyperparameters={"near_mode": "similarity", "k": 10}).build(width=WIDTH)

    losses = []
    for step in range(STEPS):
        with seeded(0, "dropout", step):  # the two calls draw two masks: that is the whole augmentation
            views = Views.pair(encoder(sentences), encoder(sentences), step=step)
        loss = objective(views)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        losses.append(loss.total.item())
        if step % 25 == 0 or step == STEPS - 1:
            columns = {name: int(value) for name, value in loss.stats.items() if name.startswith("columns_")}
            print(f"step {step:3}  loss {losses[-1]:.4f}  {columns}")

    assert losses[-1] < losses[0] / 2, "the loss did not fall"


if __name__ == "__main__":
    main()
