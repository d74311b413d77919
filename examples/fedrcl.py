"""FedRCL: the two views of a sentence become almost one vector in training; relaxation keeps some room between them.

Run:  python examples/fedrcl.py        A toy encoder of two layers over toy sentences; a second, no download.
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
            nn.Sequential(nn.Dropout(0.05), nn.Linear(WIDTH, WIDTH), nn.Tanh()) for _ in range(2)
        )

    def forward(self, sentences: Tensor) -> tuple[Tensor, Tensor]:
        below = self.first(self.words(sentences))
        return self.last(below), below


def train(weight: float) -> float:
    """The mean cosine of the two views of a sentence after training with this weight of the relaxation."""
    sentences = torch.randint(WORDS, (SENTENCES, 8), generator=torch.Generator().manual_seed(0))
    with seeded(0, "weights"):
        encoder = Encoder()
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=3e-3)
    objective = recipe("fedrcl", hyperparameters={"relaxation_weight": weight}).build(width=WIDTH)
    for step in range(STEPS):
        with seeded(0, "dropout", step):  # two calls draw two masks: two views of each sentence
            (anchor, anchor_below), (positive, positive_below) = encoder(sentences), encoder(sentences)
        below = {"anchor@-2": anchor_below, "positive@-2": positive_below}
        loss = objective(Views.pair(anchor, positive, step=step).with_views(**below))
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        if step % 30 == 0 or step == STEPS - 1:
            print(f"step {step:3}  loss {loss.terms['contrast'].item():.4f}")
    cosine = torch.nn.functional.cosine_similarity(anchor, positive).mean().item()
    terms = ", ".join(f"{name} {term.item():.4f}" for name, term in loss.terms.items())
    print(f"weight {weight}: cosine of the views {cosine:.3f}; of the loss {terms}")
    return cosine


def main() -> None:
    without, relaxed = train(0.0), train(1.0)
    assert relaxed < without - 0.01, "the relaxation left the views as close as they were"


if __name__ == "__main__":
    main()
