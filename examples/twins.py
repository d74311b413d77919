"""Twins in a plain torch loop: a third text with changed words, and what the model thought of it before training.

Run:  python examples/twins.py        A toy encoder over toy sentences; a second, no download.
"""

from copy import deepcopy

import torch
from torch import Tensor, nn

from contrapose.contract import Views
from contrapose.objectives.catalogue import recipe
from contrapose.seeds import seeded

WIDTH, STEPS = 64, 120
SENTENCES = [" ".join(str(number * factor % 61) for factor in (1, 7, 11, 13, 17)) for number in range(64)]


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.top = nn.EmbeddingBag(64, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.dropout = nn.Dropout(0.5)

    def forward(self, texts: list[str]) -> Tensor:
        words = [torch.tensor([int(word) for word in text.split()]) for text in texts]
        return self.top(self.dropout(torch.cat([self.words(ids[None]) for ids in words])))


def main() -> None:
    with seeded(0, "weights"):
        encoder = Encoder()
    before = deepcopy(encoder).eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=1e-2)
    made = recipe("twins", hyperparameters={"queue_size": 128, "twins_weight": 1.0})
    (twins,), objective = made.text_parts(["text"], max_words=32), made.build(width=WIDTH)
    ids = dict.fromkeys(("anchor", "positive"), torch.arange(1, 65))  # no row's own text is its negative

    losses = []
    for step in range(STEPS):
        texts = twins.texts(range(64), {"text": SENTENCES}, seed=0, step=step)
        with seeded(0, "dropout", step):
            views = {name: encoder(view) for name, view in texts.items()}
        innate = {f"{name}@innate": before(view) for name, view in texts.items()}
        batch = Views(by_name={**views, **innate}, text_ids=ids, step=step)
        loss = objective(batch)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        objective.observe(batch)  # the queue takes in the positives
        losses.append(loss.total.item())
        if step % 30 == 0 or step == STEPS - 1:
            margin, innate_margin = loss.stats["twins_margin"], loss.stats["innate_margin"]
            print(f"step {step:3}  loss {losses[-1]:.4f}  margin {margin:.3f}, innate {innate_margin:.3f}")
    assert losses[-1] < losses[0] / 2, "the loss did not fall"


if __name__ == "__main__":
    main()
