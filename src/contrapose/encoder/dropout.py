"""How much dropout a model has, whatever its architecture calls it; and a setting that replaces all of it."""

from __future__ import annotations

from typing import Any

from torch import nn

from contrapose.errors import UsageError

#: The names under which configurations of different architectures keep a dropout probability of the backbone.
DROPOUT_NAMES = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "hidden_dropout",
    "attention_dropout",
    "embedding_dropout",
    "mlp_dropout",
    "activation_dropout",
    "dropout",
    "dropout_rate",
    "embd_pdrop",
    "resid_pdrop",
    "attn_pdrop",
)


def set_dropout(config: Any, dropout: float | None, name: str) -> None:
    """Replace every dropout probability of a configuration; None leaves them. Raises UsageError where there is none."""
    if dropout is None:
        return
    if not 0.0 <= dropout < 1.0:
        raise UsageError(f"dropout must be at least 0 and below 1, got {dropout}")
    known = [key for key in DROPOUT_NAMES if isinstance(getattr(config, key, None), (int, float))]
    if not known:
        raise UsageError(f"'{name}' ({config.model_type}) has no dropout that could be set")
    for key in known:
        setattr(config, key, dropout)


def dropout_probability(module: nn.Module) -> float:
    """The largest dropout probability in a model: of its dropout layers, and of attention that applies its own."""
    largest = 0.0
    for part in module.modules():
        if isinstance(part, nn.modules.dropout._DropoutNd):
            largest = max(largest, float(part.p))
        for key in ("attention_dropout", "dropout", "dropout_prob"):
            value = getattr(part, key, None)
            if isinstance(value, float):
                largest = max(largest, value)
    return largest
