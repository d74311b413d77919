"""DiffCSE in a plain torch loop: a term that reads tokens gets them in `views.tokens`, and its networks by `attach`.

Run:  python examples/diffcse.py        A toy encoder and toy networks over toy sentences; a few seconds, no download.
On text:  contrapose train notes.txt --method diffcse --set generator=FOLDER --out runs/diffcse
"""

from __future__ import annotations

import torch
from torch import nn

from contrapose.contract import Supplies, Tokens, Views
from contrapose.objectives.catalogue import recipe
from contrapose.seeds import seeded
from contrapose.testing.toys import VOCABULARY, ToyDiscriminator, ToyLanguageModel

SENTENCES, WIDTH, STEPS = 64, 32, 100


def main() -> None:
    ids = torch.randint(4, VOCABULARY, (SENTENCES, 8), generator=torch.Generator().manual_seed(0))
    with seeded(0, "weights"):
        encoder = nn.Sequential(
            nn.EmbeddingBag(VOCABULARY, WIDTH), nn.Dropout(0.3), nn.Linear(WIDTH, WIDTH), nn.Tanh()
        )
        # The generator writes and is never trained; the discriminator is trained with the encoder.
        networks = {"generator": ToyLanguageModel(), "discriminator": ToyDiscriminator(WIDTH)}
    objective = recipe("diffcse", hyperparameters={"replaced_weight": 0.5}).build(width=WIDTH)
    objective.attach(Supplies(width=WIDTH, networks=networks))
    weights = [*encoder.parameters(), *objective.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=3e-3)
    words = torch.ones_like(ids, dtype=torch.bool)
    tokens = Tokens(
        ids_RT=ids, attention_RT=words, special_RT=~words, rows=slice(0, SENTENCES), num_tokens=ids.numel()
    )

    losses = []
    for step in range(STEPS):
        with seeded(0, "dropout", step):
            both = {"anchor": encoder(ids), "positive": encoder(ids)}
        loss = objective(Views(by_name=both, tokens=dict.fromkeys(both, tokens), step=step))
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        losses.append(loss.total.item())
        if step % 25 == 0 or step == STEPS - 1:
            told = loss.stats["replaced_told"]
            print(f"step {step:3}  loss {losses[-1]:.4f}  changed words told {told:.2f}")

    assert losses[-1] < losses[0] / 2, "the loss did not fall"


if __name__ == "__main__":
    main()
