"""BMEmbed: an encoder learns to rank documents as a search by words ranks them.

Run:  python examples/bmembed.py        A toy encoder over toy documents; a second, no download.
On text:  contrapose train pairs.csv --columns title,text --method bmembed --out runs/bmembed
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from contrapose.contract import Views
from contrapose.objectives.catalogue import recipe
from contrapose.seeds import seeded
from contrapose.text.ranked_candidates import RankedCandidates

WORDS, DOCUMENTS, STEPS = 60, 96, 100


class Corpus:
    drawn = np.random.default_rng(0).integers(WORDS, size=(DOCUMENTS, 8))
    documents = tuple(" ".join(f"w{word}" for word in words) for words in drawn)
    queries = tuple(" ".join(document.split()[2:5]) for document in documents)

    def take(self, rows: np.ndarray) -> dict[str, list[str]]:
        return {"anchor": [self.queries[n] for n in rows], "positive": [self.documents[n] for n in rows]}


def main() -> None:
    corpus, rows = Corpus(), np.arange(DOCUMENTS)
    ranked = RankedCandidates(candidates=3)  # by words alone, as in the paper
    ranked.attach(corpus, rows, ranked.prepare(corpus, rows, lambda texts: torch.empty(len(texts), 0)))
    with seeded(0, "weights"):
        words = nn.Embedding(WORDS, 32)
    objective = recipe("bmembed", hyperparameters={"in_batch": True, "temperature": 0.2}).build(width=32)
    optimizer = torch.optim.AdamW(words.parameters(), lr=1e-2)
    losses = []
    for step in range(STEPS):
        batch = np.random.default_rng(step).choice(rows, 16, replace=False)
        texts = ranked.texts(batch, corpus.take(batch), seed=0, step=step)
        ids = [
            torch.tensor([[int(word[1:]) for word in text.split()] for text in view])
            for view in texts.values()
        ]
        anchor, positive, *negatives = (words(view).mean(1) for view in ids)
        scores = torch.from_numpy(ranked.targets(batch, seed=0, step=step)["teacher_scores"])
        loss = objective(Views.pair(anchor, positive, negatives, targets={"teacher_scores": scores}))
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        losses.append(loss.total.item())
        if step % 25 == 0 or step == STEPS - 1:
            print(f"step {step:3}  loss {losses[-1]:.4f}")

    assert losses[-1] < losses[0] / 2, "the loss did not fall"


if __name__ == "__main__":
    main()
