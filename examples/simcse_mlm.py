"""SimCSE with masked language modelling, in a plain torch loop: the encoder itself must fill in hidden words.

Run:  python examples/simcse_mlm.py        Toy sentences of eight topics; a second, no download.
On text:  contrapose train notes.txt --model LANGUAGE_MODEL --method simcse-mlm --out runs/simcse-mlm
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from contrapose.contract import Supplies, Tokens, Views
from contrapose.objectives.catalogue import recipe
from contrapose.seeds import seeded

SENTENCES, TOPICS, WORDS, WIDTH, STEPS, MASK = 64, 8, 81, 32, 60, 80


class LanguageModel(nn.Module):
    """A hidden word is told from its neighbours: each state is the mean of the text, decoded by the word table."""

    def __init__(self) -> None:
        super().__init__()
        self.mask_token_id, self.vocabulary_size = MASK, WORDS
        self.words, self.dropout = nn.Embedding(WORDS, WIDTH), nn.Dropout(0.1)
        self.layer = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Tanh())

    def vectors(self, ids: Tensor) -> Tensor:
        return self.layer(self.dropout(self.words(ids)).mean(1))

    def forward(self, ids: Tensor, attention: Tensor, chosen: Tensor) -> Tensor:
        return self.vectors(ids)[:, None].expand(*ids.shape, WIDTH)[chosen] @ self.words.weight.T


def main() -> None:
    topics = torch.arange(SENTENCES)[:, None] % TOPICS  # each has ten words of its own
    ids = topics * 10 + torch.randint(10, (SENTENCES, 8), generator=torch.Generator().manual_seed(0))
    with seeded(0, "weights"):
        model = LanguageModel()
    objective = recipe("simcse-mlm", hyperparameters={"mlm_weight": 1.0}).build(width=WIDTH)
    objective.attach(Supplies(width=WIDTH, networks={"language_model": model}))  # the objective trains it
    optimizer = torch.optim.AdamW(objective.parameters(), lr=1e-2)
    tokens = Tokens(ids_RT=ids, attention_RT=ids >= 0, special_RT=ids < 0, rows=slice(64), num_tokens=512)
    losses = []
    for step in range(STEPS):
        with seeded(0, "dropout", step):
            both = {"anchor": model.vectors(ids), "positive": model.vectors(ids)}
        loss = objective(Views(by_name=both, tokens=dict.fromkeys(both, tokens), step=step))
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        losses.append(loss.total.item())
        if step % 15 == 0 or step == STEPS - 1:
            print(f"step {step:3}  loss {losses[-1]:.4f}  of it hidden words {loss.terms['mlm']:.3f}")
    assert losses[-1] < losses[0] / 2, "the words were not learnt"


if __name__ == "__main__":
    main()
