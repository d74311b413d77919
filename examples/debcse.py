"""DebCSE: positives and negatives from the corpus itself, drawn by how alike texts are in meaning and in letters.

Run:  python examples/debcse.py        A toy encoder over toy sentences of sixty topics, with ten common words.
On text:  contrapose train notes.txt --method debcse --out runs/debcse
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from contrapose.contract import Views
from contrapose.objectives.catalogue import recipe
from contrapose.seeds import seeded

WORDS = [f"{topic:02}-{n}" for topic in range(60) for n in range(6)] + [f"of-{n}" for n in range(10)]


def sentence(n: int) -> str:
    rng = np.random.default_rng(n)
    return " ".join([*rng.choice(WORDS[n % 60 * 6 :][:6], 4, replace=False), *rng.choice(WORDS[-10:], 3)])


class Corpus:
    texts = tuple(map(sentence, range(240)))

    def take(self, rows: np.ndarray) -> dict[str, list[str]]:
        return {"text": [self.texts[row] for row in rows]}


def ids(texts: list[str]) -> Tensor:
    return torch.tensor([[WORDS.index(word) for word in text.split()] for text in texts])


def main() -> None:
    corpus, rows = Corpus(), np.arange(240)
    with seeded(0, "weights"):
        encoder = nn.Sequential(nn.EmbeddingBag(len(WORDS), 64), nn.Dropout(0.1), nn.Linear(64, 64))
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=0.02)
    made = recipe("debcse", hyperparameters={"candidates": 20, "positive_quantile": 0.95})
    objective, (sampled,) = made.build(width=64), made.text_parts(["text"], max_words=8)
    vectors = encoder.eval()(ids(corpus.texts)).detach().numpy()
    sampled.attach(corpus, rows, sampled.refresh(corpus, rows, vectors))
    print(*sampled.facts(), sep="\n")
    for step in range(150):
        batch = np.random.default_rng(step).choice(rows, 16, replace=False)
        texts = sampled.texts(batch, corpus.take(batch), seed=0, step=step)
        with seeded(0, "dropout", step):
            loss = objective(Views(by_name={v: encoder.train()(ids(of)) for v, of in texts.items()})).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 50 == 0 or step == 149:
            print(f"step {step:3}  loss {loss.item():.4f}  topics {[text[0][:2] for text in texts.values()]}")
    assert sampled.statistics(rows, seed=0, step=0)["sampled_positives"] > 0.5, "few positives were sampled"


if __name__ == "__main__":
    main()
