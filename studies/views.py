"""Dropout views of real batches, without any training: what the parts of a method see at the first step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from contrapose.seeds import seeded, torch_generator

if TYPE_CHECKING:
    from contrapose.contract import Views
    from contrapose.encoder.encoder import Encoder

#: Sentences that are looked at.
LOOKED_AT = 512


def dropout_views(
    encoder: Encoder, texts: Sequence[str], *, batch_size: int, max_length: int, seed: int = 0
) -> Iterator[Views]:
    """Each batch of ``texts`` encoded twice with dropout, through the head where there is one; in fp32.

    What is left of the texts after the last whole batch is not used.
    """
    import torch

    from contrapose.contract import Views
    from contrapose.train.batches import text_numbers

    for step in range(len(texts) // batch_size):
        batch = list(texts[step * batch_size : (step + 1) * batch_size])
        token_ids = encoder.token_ids(batch, max_length)
        views = []
        with encoder.in_mode(training=True), torch.no_grad():
            for view in (0, 1):
                with seeded(seed, "look", step, view, device=encoder.device):
                    pooled = encoder.pooled(token_ids)
                    views.append(pooled if encoder.head is None else encoder.head(pooled))
        numbers = text_numbers(batch)
        yield Views(
            by_name={"anchor": views[0], "positive": views[1]},
            text_ids={"anchor": numbers, "positive": numbers},
            seed=seed,
            step=step,
        )


def forget(encoder: Encoder, seed: int = 0) -> Encoder:
    """The same architecture with random weights: matrices from N(0, 0.02), no biases, scales of 1. In place."""
    import torch

    generator = torch_generator(seed, "forget")
    with torch.no_grad():
        for name, parameter in encoder.backbone.named_parameters():
            if parameter.dim() > 1:
                parameter.copy_(0.02 * torch.randn(parameter.shape, generator=generator))
            else:
                parameter.fill_(0.0 if name.endswith("bias") else 1.0)
    return encoder
