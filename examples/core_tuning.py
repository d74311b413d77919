"""Core-tuning: with labels, a classifier and a contrast of classes, both on pairs that mixing makes harder.

Run:  python examples/core_tuning.py        A toy encoder over toy sentences of five classes; seconds, no download.
"""

from __future__ import annotations

import torch
from torch import nn

from contrapose.contract import Supplies, Views
from contrapose.objectives.catalogue import recipe
from contrapose.regularizers.classifier import Classifier
from contrapose.seeds import seeded

CLASSES, TRAINED, HELD_OUT, WORDS, WIDTH, STEPS = 5, 100, 200, 300, 32, 80


def main() -> None:
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(TRAINED + HELD_OUT) % CLASSES
    telling = torch.randint(WORDS, (CLASSES, 6), generator=random)[labels]
    sentences = torch.cat([telling, torch.randint(WORDS, (len(labels), 18), generator=random)], dim=1)
    text, label = sentences[:TRAINED], labels[:TRAINED]

    with seeded(0, "weights"):
        encoder = nn.Sequential(nn.EmbeddingBag(WORDS, WIDTH), nn.Dropout(0.2), nn.Linear(WIDTH, WIDTH))
    objective = recipe("core-tuning", parts=["classifier"]).build(width=WIDTH)
    objective.attach(Supplies(width=WIDTH, num_classes=CLASSES))
    classifier = objective.parts["classifier"]
    assert isinstance(classifier, Classifier)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *objective.parameters()], lr=1e-2)
    losses = []
    for step in range(STEPS):
        with seeded(0, "dropout", step):
            anchor, positive = encoder(text), encoder(text)
        pooled = {"anchor@pooled": anchor, "positive@pooled": positive}
        loss = objective(Views.pair(anchor, positive, labels=label, step=step).with_views(**pooled))
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        losses.append(loss.total.item())
        if step % 20 == 0 or step == STEPS - 1:
            terms = ", ".join(f"{name} {term.item():.3f}" for name, term in loss.terms.items())
            print(f"step {step:2}  loss {losses[-1]:.3f}  of it {terms}")

    told = classifier.classify(encoder.eval()(sentences[TRAINED:]))
    accuracy = (told == labels[TRAINED:]).float().mean().item()
    print(f"right of {HELD_OUT} held-out sentences: {accuracy:.2f}; by chance {1 / CLASSES:.2f}")
    assert losses[-1] < losses[0] / 2, "the loss did not fall"
    assert accuracy > 0.6, "the classifier has not learnt the classes"


if __name__ == "__main__":
    main()
