"""CARDS: a negative for each row from its nearest neighbours in the whole corpus, and positives in other letters.

Run:  python examples/cards.py        A toy encoder over toy sentences of twelve topics; a second, no download.
On text:  contrapose train notes.txt --method cards --model FacebookAI/roberta-base --out runs/cards
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from contrapose.contract import Views
from contrapose.objectives.catalogue import recipe
from contrapose.seeds import seeded

WORDS = [f"{topic}{number}" for topic in "abcdefghijkl" for number in range(8)]
CASED = {word: number for number, word in enumerate([*WORDS, *map(str.capitalize, WORDS)])}


class Corpus:
    texts = tuple(" ".join(np.random.default_rng(n).choice(WORDS[n % 12 * 8 :][:8], 6)) for n in range(96))

    def take(self, rows: np.ndarray) -> dict[str, list[str]]:
        return {"text": [self.texts[row] for row in rows]}


def ids(texts: list[str]) -> Tensor:
    return torch.tensor([[CASED[word] for word in text.split()] for text in texts])


def main() -> None:
    corpus, rows, losses = Corpus(), np.arange(96), []
    with seeded(0, "weights"):
        encoder = nn.Sequential(nn.EmbeddingBag(len(CASED), 64), nn.Dropout(0.1), nn.Linear(64, 64))
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=5e-3)
    made = recipe("cards", hyperparameters={"neighbours": 5, "switch_probability": 0.3})
    objective, (switch_case, retrieved) = made.build(width=64), made.text_parts(["text"], max_words=8)
    vectors = encoder.eval()(ids(corpus.texts)).detach().numpy()
    retrieved.attach(corpus, rows, retrieved.refresh(corpus, rows, vectors))

    for step in range(150):
        batch = np.random.default_rng(step).choice(rows, 16, replace=False)
        given, where = corpus.take(batch), {"seed": 0, "step": step}
        texts = switch_case.texts(batch, given, **where) | retrieved.texts(batch, given, **where)
        with seeded(0, "dropout", step):
            loss = objective(Views(by_name={v: encoder.train()(ids(of)) for v, of in texts.items()})).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses += [loss.item()]
        if step % 50 == 0 or step == 149:
            print(f"step {step:3}  loss {losses[-1]:.4f}  {texts['anchor'][0]} / {texts['negative_1'][0]}")
    topics = ([text[0] for text in texts[view]] for view in ("anchor", "negative_1"))
    assert np.mean(np.equal(*topics)) > 0.5, "few retrieved negatives are of their anchor's topic"
    assert np.mean(losses[-20:]) < np.mean(losses[:20]) / 2, "the loss did not fall"


if __name__ == "__main__":
    main()
