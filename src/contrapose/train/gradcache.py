"""Large batches in small memory: forward without a graph, then again, chunk by chunk, with the gradient in hand.

The loss needs all embeddings of a batch at once, but their graphs need not live at once. With gradient caching (Gao et
al. 2021) the embeddings are computed without a graph, the loss gives their gradient, and each chunk is then computed
again with a graph and its share of the gradient sent through. The second pass must use the dropout masks of the first:
each chunk's randomness is seeded by its name, so the replay is exact to the bit.

What it costs: a step is a forward pass and a backward pass of twice its work, and a replay is one more forward pass, so
at equal shapes

    time with caching / time without = (4 n - k) / (3 n),   n chunks, of which k keep their graph and need no replay

which is at most 4/3. What it holds at once is the larger of k graphs and one graph, whatever n is, and the vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from torch import Tensor

#: Computes the pooled vectors (n, D) of one chunk, given its number; the same number gives the same dropout masks.
EncodeChunk = Callable[[int], Tensor]
#: Makes what a pass over several chunks stands in: under autocast the weights are turned to bf16 once for each.
Surroundings = Callable[[], AbstractContextManager[object]]


def encode_chunks(
    encode: EncodeChunk, num_chunks: int, *, kept: int, surroundings: Surroundings = nullcontext
) -> list[Tensor]:
    """The pooled vectors of every chunk: of the first ``kept`` with their graphs, of the others without."""
    with surroundings():
        pooled = [encode(number) for number in range(kept)]
    # Of its own: what autocast turned to bf16 without a graph would give the weights no gradient.
    with surroundings(), torch.no_grad():
        return [*pooled, *(encode(number) for number in range(kept, num_chunks))]


def in_order(pooled: Sequence[Tensor], chunks: Sequence[np.ndarray]) -> Tensor:
    """Chunks of vectors back in the order of the texts, (N, D), without graph."""
    order = torch.from_numpy(np.concatenate(chunks)).to(pooled[0].device)
    vectors_ND = torch.cat([chunk.detach() for chunk in pooled])
    return torch.empty_like(vectors_ND).index_copy_(0, order, vectors_ND)


def send_gradient(
    encode: EncodeChunk,
    kept: list[Tensor],
    chunks: Sequence[np.ndarray],
    gradient_ND: Tensor,
    surroundings: Surroundings = nullcontext,
    during_last: AbstractContextManager[object] | None = None,
) -> None:
    """Send the gradient of the vectors through the encoder; chunks without a graph are computed again first.

    kept: the vectors of the first chunks, with their graphs. Emptied: each graph goes once it has been used, so all are
    gone before any chunk is computed again, and gradients are added up in the order of a step that keeps all.
    during_last: entered around the last backward pass, which completes the gradients.
    """
    kept.reverse()
    with surroundings():
        for number, chunk in enumerate(chunks):
            vectors = kept.pop() if kept else encode(number)
            gradient = gradient_ND[torch.from_numpy(chunk).to(gradient_ND.device)]
            completes = during_last if during_last and number == len(chunks) - 1 else nullcontext()
            # Its formulas have their own types.
            with torch.autocast(gradient.device.type, enabled=False), completes:
                torch.autograd.backward(vectors, gradient)
            del vectors
