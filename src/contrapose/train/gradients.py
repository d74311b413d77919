"""The gradient of the word table: nearly all of it is zero, so only the rows that were looked up are computed.

A batch looks up some thousand of the 30,522 words of BERT, yet each backward pass would give a new dense gradient of
the whole table, 47 MB of zeros for MiniLM: on a CPU a fifth of the step went into asking the system for that memory.
Here one dense gradient is kept from step to step, emptied each time, and the rows that were looked up are added to it.
The optimizer sees what it always sees, up to the order of additions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


def word_table(backbone: Any) -> nn.Embedding | None:
    """The word embedding where its gradient is worth keeping: trained, and on a CPU. A GPU has memory at hand."""
    table = backbone.get_input_embeddings()
    if isinstance(table, nn.Embedding) and table.weight.requires_grad and table.weight.device.type == "cpu":
        return table
    return None


@contextmanager
def sparse_lookups(backbone: Any) -> Iterator[None]:
    """Backward passes in the block add the rows of the word table that were looked up to one dense gradient."""
    table = word_table(backbone)
    if table is None:
        yield
        return
    if table.weight.grad is None:
        table.weight.grad = torch.zeros_like(table.weight)
    before, table.sparse = table.sparse, True
    try:
        yield
    finally:
        table.sparse = before


def clear_gradients(modules: nn.Module, backbone: Any) -> None:
    """Forget all gradients; that of the word table of ``backbone`` is emptied and kept."""
    table = word_table(backbone)
    for parameter in modules.parameters():
        if table is not None and parameter is table.weight and parameter.grad is not None:
            parameter.grad.zero_()
        else:
            parameter.grad = None
