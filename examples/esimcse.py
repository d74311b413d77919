"""ESimCSE in a plain torch loop: positives with repeated words, and a slow copy whose past vectors are negatives.

Run:  python examples/esimcse.py        A toy encoder over toy sentences; a second, no download.
"""

from copy import deepcopy

import torch
from torch import Tensor, nn

from contrapose.contract import Views
from contrapose.objectives.catalogue import recipe
from contrapose.seeds import seeded

WIDTH, STEPS, MOMENTUM = 64, 120, 0.9
SENTENCES = [" ".join(str(number * factor % 61) for factor in (1, 7, 11, 13, 17)) for number in range(64)]


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.top = nn.EmbeddingBag(64, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.dropout = nn.Dropout(0.3)

    def forward(self, texts: list[str]) -> Tensor:
        words = [torch.tensor([int(word) for word in text.split()]) for text in texts]
        return self.top(self.dropout(torch.cat([self.words(ids[None]) for ids in words])))


def main() -> None:
    with seeded(0, "weights"):
        encoder = Encoder()
    slow = deepcopy(encoder).eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=1e-2)
    made = recipe("esimcse", hyperparameters={"momentum_queue_size": 160})
    (repetition,), objective = made.text_parts(["text"], max_words=32), made.build(width=WIDTH)

    losses = []  # below: a queued vector of a row's own text is no negative of it
    ids = dict.fromkeys(("anchor", "positive"), torch.arange(1, 65))
    for step in range(STEPS):
        texts = repetition.texts(range(64), {"text": SENTENCES}, seed=0, step=step)
        with seeded(0, "dropout", step):
            anchor, positive = encoder(texts["anchor"]), encoder(texts["positive"])
        slowly = {"anchor@momentum": slow(texts["anchor"])}
        loss = objective(views := Views.pair(anchor, positive, text_ids=ids, step=step).with_views(**slowly))
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        objective.observe(views)  # the queue takes in the slow copy's vectors
        for old, new in zip(slow.parameters(), encoder.parameters(), strict=True):
            old.data.lerp_(new.data, 1 - MOMENTUM)
        losses.append(loss.total.item())
        if step % 30 == 0 or step == STEPS - 1:
            print(f"step {step:3}  loss {losses[-1]:.4f}  columns {loss.outcome.logits_BC.shape[1]}")
    assert losses[-1] < losses[0] / 2, "the loss did not fall"


if __name__ == "__main__":
    main()
