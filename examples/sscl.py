"""SSCL: SimCSE, whose last layer must also tell a sentence apart from what the layer below it says.

Run:  python examples/sscl.py        A toy encoder of two layers over toy sentences; a second, no download.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from contrapose.contract import Views
from contrapose.objectives.catalogue import recipe
from contrapose.seeds import seeded

SENTENCES, WORDS, WIDTH, STEPS = 64, 200, 32, 120


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.EmbeddingBag(WORDS, WIDTH)
        self.first, self.last = (
            nn.Sequential(nn.Dropout(0.3), nn.Linear(WIDTH, WIDTH), nn.Tanh()) for _ in range(2)
        )

    def forward(self, sentences: Tensor) -> tuple[Tensor, Tensor]:
        below = self.first(self.words(sentences))
        return self.last(below), below


def main() -> None:
    sentences = torch.randint(WORDS, (SENTENCES, 8), generator=torch.Generator().manual_seed(0))
    with seeded(0, "weights"):
        encoder = Encoder()
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=3e-3)
    objective = recipe("sscl", hyperparameters={"num_layers": 1}).build(width=WIDTH)

    losses = []
    for step in range(STEPS):
        with seeded(0, "dropout", step):  # two calls draw two masks: two views of each sentence
            (anchor, anchor_below), (positive, positive_below) = encoder(sentences), encoder(sentences)
        below = {"anchor@-2": anchor_below, "positive@-2": positive_below}
        loss = objective(Views.pair(anchor, positive, step=step).with_views(**below))
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        losses.append(loss.total.item())
        if step % 30 == 0 or step == STEPS - 1:
            cosine = torch.nn.functional.cosine_similarity(anchor, anchor_below).mean()
            print(f"step {step:3}  loss {losses[-1]:.4f}  cosine with the layer below {cosine:.3f}")

    assert losses[-1] < losses[0] / 2, "the loss did not fall"


if __name__ == "__main__":
    main()
