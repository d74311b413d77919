"""DCL in a plain torch loop: where SimCSE has learned all it can from a batch, the decoupled loss still has a gradient.

Run:  python examples/dcl.py        A toy encoder over toy sentences; a second, no download.
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
            nn.EmbeddingBag(WORDS, WIDTH), nn.Dropout(0.1), nn.Linear(WIDTH, WIDTH), nn.Tanh()
        )
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=3e-3)
    dcl, simcse = (
        recipe(name, hyperparameters={"temperature": 0.25}).build(width=WIDTH) for name in ("dcl", "simcse")
    )

    losses = []
    for step in range(STEPS):
        with seeded(0, "dropout", step):
            views = Views.pair(encoder(sentences), encoder(sentences), step=step)
        loss = dcl(views)
        optimizer.zero_grad()
        loss.total.backward(retain_graph=True)
        optimizer.step()
        losses.append(loss.total.item())
        if step % 25 == 0 or step == STEPS - 1:
            ours, theirs = (_gradient(each(views).total, views) for each in (dcl, simcse))
            print(f"step {step:3}  loss {losses[-1]:.4f}  gradient {ours:.3f}, SimCSE's {theirs:.3f}")

    assert losses[-1] < losses[0] / 2, "the loss did not fall"
    assert ours > 1.3 * theirs, "the decoupled gradient faded as SimCSE's does"


def _gradient(loss: torch.Tensor, views: Views) -> float:
    (gradient,) = torch.autograd.grad(loss, views.positive, retain_graph=True)
    return gradient.norm().item()


if __name__ == "__main__":
    main()
