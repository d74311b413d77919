"""HCL in a plain torch loop: the nearest negatives get more of the push than SimCSE gives them.

Run:  python examples/hcl.py        A toy encoder over toy sentences; a second, no download.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from contrapose.contract import Outcome, Views
from contrapose.objectives.catalogue import recipe
from contrapose.seeds import seeded

SENTENCES, WORDS, WIDTH, STEPS = 64, 200, 32, 100


def share_of_hardest(outcome: Outcome) -> float:
    """How much of a row's push away from its negatives goes to the nearest of them; the mean over rows."""
    (gradient_BC,) = torch.autograd.grad(outcome.loss_B.sum(), outcome.table.cosine_BC, retain_graph=True)
    pushes_BC: Tensor = gradient_BC * outcome.table.negative_BC
    return (pushes_BC.max(1).values / pushes_BC.sum(1)).nanmean().item()


def main() -> None:
    sentences = torch.randint(WORDS, (SENTENCES, 8), generator=torch.Generator().manual_seed(0))
    with seeded(0, "weights"):
        encoder = nn.Sequential(
            nn.EmbeddingBag(WORDS, WIDTH), nn.Dropout(0.1), nn.Linear(WIDTH, WIDTH), nn.Tanh()
        )
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=3e-3)
    hcl, simcse = (
        recipe(name, hyperparameters={"temperature": 0.1}).build(width=WIDTH) for name in ("hcl", "simcse")
    )

    losses = []
    for step in range(STEPS):
        with seeded(0, "dropout", step):
            views = Views.pair(encoder(sentences), encoder(sentences), step=step)
        loss = hcl(views)
        if step == 0:
            ours, theirs = (share_of_hardest(each(views).outcome) for each in (hcl, simcse))
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        losses.append(loss.total.item())
        if step % 25 == 0 or step == STEPS - 1:
            print(f"step {step:3}  loss {losses[-1]:.4f}")
    print(f"at the first step the nearest negative got {ours:.2f} of the push, and {theirs:.2f} with SimCSE")
    assert losses[-1] < losses[0] / 2, "the loss did not fall"
    assert ours > 1.5 * theirs, "the nearest negatives are pushed no more than with SimCSE"


if __name__ == "__main__":
    main()
