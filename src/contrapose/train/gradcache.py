"""Large batches in small memory: forward without a graph, then again, chunk by chunk, with the gradient in hand.

The loss needs all embeddings of a batch at once, but their graphs need not live at once. With gradient caching (Gao et
al. 2021) the embeddings are computed without a graph, the loss gives their gradient, and each chunk is then computed
again with a graph and its share of the gradient sent through. The second pass must use the dropout masks of the first:
each chunk's randomness is seeded by its name, so the replay is exact to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from torch import Tensor

#: Computes the pooled vectors (n, D) of one chunk, given its number; the same number gives the same dropout masks.
EncodeChunk = Callable[[int], Tensor]


def encode_chunks(encode: EncodeChunk, chunks: Sequence[np.ndarray], *, keep_graph: bool) -> list[Tensor]:
    """The pooled vectors of every chunk, with their graphs or (gradient caching) without."""
    with torch.set_grad_enabled(keep_graph):
        return [encode(number) for number in range(len(chunks))]


def in_order(pooled: Sequence[Tensor], chunks: Sequence[np.ndarray]) -> Tensor:
    """Chunks of vectors back in the order of the texts, (N, D), without graph."""
    order = torch.from_numpy(np.concatenate(chunks)).to(pooled[0].device)
    vectors_ND = torch.cat([chunk.detach() for chunk in pooled])
    return torch.empty_like(vectors_ND).index_copy_(0, order, vectors_ND)


def send_gradient(
    encode: EncodeChunk,
    pooled: Sequence[Tensor],
    chunks: Sequence[np.ndarray],
    gradient_ND: Tensor,
    during_last: AbstractContextManager[object] | None = None,
) -> None:
    """Send the gradient of the vectors through the encoder; chunks without a graph are computed again first.

    during_last: entered around the last backward pass, which completes the gradients.
    """
    for number, (vectors, chunk) in enumerate(zip(pooled, chunks, strict=True)):
        gradient = gradient_ND[torch.from_numpy(chunk).to(gradient_ND.device)]
        replayed = vectors if vectors.requires_grad else encode(number)
        with during_last if during_last and number == len(chunks) - 1 else nullcontext():
            torch.autograd.backward(replayed, gradient)
