"""SparseCSE in a plain torch loop: half way, the weights that do least for the vectors become zero, and stay zero.

Run:  python examples/sparse_cse.py        A toy encoder over toy sentences; a second, no download.
On text:  contrapose train notes.txt --method sparse-cse --out runs/sparse      (any other method: --with masked)
"""

from __future__ import annotations

import torch
from torch import nn

from contrapose.contract import RunOutline, Views
from contrapose.objectives.catalogue import recipe
from contrapose.seeds import seeded

SENTENCES, WORDS, WIDTH, STEPS, SPARSITY = 64, 200, 32, 100, 0.2


def main() -> None:
    sentences = torch.randint(WORDS, (SENTENCES, 8), generator=torch.Generator().manual_seed(0))
    with seeded(0, "weights"):
        words, matrix = nn.EmbeddingBag(WORDS, WIDTH), nn.Linear(WIDTH, WIDTH)
    encoder = nn.Sequential(words, nn.Dropout(0.3), matrix, nn.Tanh())
    weights = {f"encoder.backbone.{name}": weight for name, weight in encoder.named_parameters()}
    optimizer = torch.optim.AdamW(weights.values(), lr=3e-3)
    made = recipe("sparse-cse", hyperparameters={"sparsity": SPARSITY, "score_sentences": 4 * SENTENCES})
    objective, protocol = made.build(width=WIDTH), made.protocol()
    tables = frozenset(name for name, weight in weights.items() if weight is words.weight)
    protocol.run = RunOutline(num_steps=STEPS, batch_size=SENTENCES, lookup_tables=tables)
    protocol.attach(weights, torch.arange(SENTENCES), seed=0)

    def views(step: int) -> Views:
        with seeded(0, "dropout", step):  # two calls draw two masks: two views of each sentence
            both = {"anchor": encoder(sentences), "positive": encoder(sentences)}
        return Views(by_name=both | {f"{name}@pooled": view for name, view in both.items()}, step=step)

    losses = []
    for step in range(STEPS):
        if protocol.inspects_at(step):

            def gradient_of(number, measure, step=step):
                gradients = torch.autograd.grad(measure(views(step + number)), list(weights.values()))
                return dict(zip(weights, gradients, strict=True))

            print(protocol.inspect(step, {name: w.detach() for name, w in weights.items()}, gradient_of))
        loss = objective(views(step))
        optimizer.zero_grad()
        loss.total.backward()
        protocol.after_backward(step, weights)
        optimizer.step()
        protocol.after(step, {name: weight.detach() for name, weight in weights.items()})
        losses.append(loss.total.item())
        if step % 25 == 0 or step == STEPS - 1:
            print(f"step {step:3}  loss {losses[-1]:.4f}  zero {(matrix.weight == 0).float().mean():.1%}")
    assert losses[-1] < losses[0] / 2, "the loss did not fall"
    assert (matrix.weight == 0).sum() == int(SPARSITY * WIDTH * WIDTH), "masked weights moved"


if __name__ == "__main__":
    main()
