"""The debiased loss in a plain torch loop: sentences that share most of their words are pushed apart less.

Run:  python examples/debiased.py        A toy encoder over toy sentences in groups; a second, no download.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from contrapose.contract import Views
from contrapose.objectives.catalogue import recipe
from contrapose.seeds import seeded

GROUPS, EACH, WORDS, WIDTH, STEPS = 16, 4, 200, 32, 100


def train(method: str, sentences: Tensor, **hyperparameters: float) -> tuple[list[float], float]:
    """The losses, and the mean cosine of two sentences of one group at the end."""
    with seeded(0, "weights"):
        encoder = nn.Sequential(
            nn.EmbeddingBag(WORDS, WIDTH), nn.Dropout(0.3), nn.Linear(WIDTH, WIDTH), nn.Tanh()
        )
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=3e-3)
    objective = recipe(method, hyperparameters={"temperature": 0.2, **hyperparameters}).build(width=WIDTH)
    losses = []
    for step in range(STEPS):
        with seeded(0, "dropout", step):
            views = Views.pair(encoder(sentences), encoder(sentences), step=step)
        loss = objective(views)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        losses.append(loss.total.item())
    grouped = nn.functional.normalize(encoder.eval()(sentences), dim=1).view(GROUPS, EACH, WIDTH)
    return losses, (grouped @ grouped.transpose(1, 2)).mean().item()


def main() -> None:
    random = torch.Generator().manual_seed(0)
    topics = torch.randint(WORDS, (GROUPS, 1, 6), generator=random).expand(-1, EACH, -1)
    own = torch.randint(WORDS, (GROUPS, EACH, 2), generator=random)
    sentences = torch.cat([topics, own], dim=2).flatten(0, 1)
    _, plain = train("simcse", sentences)
    losses, debiased = train("debiased", sentences, false_negative_share=0.05)
    for step in range(0, STEPS, 25):
        print(f"step {step:3}  loss {losses[step]:.4f}")
    print(f"cosine within a group: {debiased:.3f}, and {plain:.3f} with SimCSE")
    assert losses[-1] < losses[0] / 2, "the loss did not fall"
    assert debiased > plain, "sentences of one group are as far apart as with SimCSE"


if __name__ == "__main__":
    main()
