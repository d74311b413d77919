"""Dropout views of real batches, without any training: what the parts of a method see at the first step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrapose.seeds import seeded

if TYPE_CHECKING:
    from contrapose.contract import Views
    from contrapose.encoder.encoder import Encoder
    from studies.runs import Setup

#: Sentences that are encoded.
SENTENCES = 512


def batches_of_views(encoder: Encoder, setup: Setup, seed: int = 0) -> list[Views]:
    """Each whole batch of the first sentences encoded twice with dropout, through the head where there is one; fp32."""
    import torch

    from contrapose.contract import Views
    from contrapose.train.batches import text_hashes

    texts, size = setup.texts()[:SENTENCES], setup.batch_size
    batches = []
    for step in range(len(texts) // size):
        batch = texts[step * size : (step + 1) * size]
        token_ids = encoder.token_ids(batch, setup.max_length)
        vectors = []
        with encoder.in_mode(training=True), torch.no_grad():
            for view in (0, 1):
                with seeded(seed, "look", step, view, device=encoder.device):
                    pooled = encoder.pooled(token_ids)
                    vectors.append(pooled if encoder.head is None else encoder.head(pooled))
        by_name, text_ids = dict(zip(("anchor", "positive"), vectors, strict=True)), text_hashes(batch)
        batches.append(
            Views(by_name=by_name, text_ids=dict.fromkeys(by_name, text_ids), seed=seed, step=step)
        )
    return batches
