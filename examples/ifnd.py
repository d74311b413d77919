"""IFND: sentences of one topic are found by clustering, and are no longer pushed apart as if they were strangers.

Run:  python examples/ifnd.py        A toy encoder over toy sentences of eight topics; a second, no download.
"""

from __future__ import annotations

import torch
from torch import nn

from contrapose.contract import Supplies, Views
from contrapose.objectives.catalogue import recipe
from contrapose.seeds import seeded

TOPICS, PER_TOPIC, WORDS, WIDTH, STEPS, RECLUSTER = 8, 8, 400, 32, 90, 30


def trained(method: str, sentences: torch.Tensor, **hyperparameters: object) -> tuple[float, float]:
    """The mean cosine of two sentences of one topic afterwards, and how many false negatives a row had at the end."""
    with seeded(0, "weights"):
        encoder = nn.Sequential(nn.EmbeddingBag(WORDS, WIDTH), nn.Dropout(0.2), nn.Linear(WIDTH, WIDTH))
    objective = recipe(method, hyperparameters=hyperparameters).build(width=WIDTH)
    objective.attach(Supplies(width=WIDTH, num_rows=len(sentences)))
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=3e-3)
    rows = torch.arange(len(sentences))
    for step in range(STEPS):
        if objective.refreshes_at(step):  # the whole corpus, as the encoder sees it now
            objective.refresh(step, rows, encoder.eval()(sentences).detach())
        encoder.train()
        with seeded(0, "dropout", step):
            anchor, positive = encoder(sentences), encoder(sentences)
        loss = objective(Views.pair(anchor, positive, row_ids=rows, step=step, num_steps=STEPS))
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        if method == "ifnd" and (step % 20 == 0 or step == STEPS - 1):
            print(f"step {step:2}  loss {loss.total.item():.4f}")
    unit = nn.functional.normalize(encoder.eval()(sentences), dim=1)
    topic = rows // PER_TOPIC
    same = (topic[:, None] == topic[None, :]) & (rows[:, None] != rows[None, :])
    return (unit @ unit.T)[same].mean().item(), loss.stats.get("false_negatives", torch.tensor(0.0)).item()


def main() -> None:
    random = torch.Generator().manual_seed(0)
    topics = torch.randint(WORDS, (TOPICS, 1, 6), generator=random).expand(-1, PER_TOPIC, -1)
    own = torch.randint(WORDS, (TOPICS, PER_TOPIC, 6), generator=random)
    sentences = torch.cat([topics, own], dim=2).flatten(0, 1)

    plain, _ = trained("simcse", sentences)
    options = {"num_clusters": TOPICS, "num_clusterings": 1, "recluster_every": RECLUSTER}
    ours, left_out = trained("ifnd", sentences, accepted_share=1.0, **options)
    print(f"cosine of two sentences of one topic: SimCSE {plain:.3f}, IFND {ours:.3f}")
    print(f"left out of the {len(sentences) - 1} negatives of a row at the end: {left_out:.1f}")
    assert left_out > 1
    assert ours > plain + 0.04, "sentences of one topic are pushed apart as strangers are"


if __name__ == "__main__":
    main()
