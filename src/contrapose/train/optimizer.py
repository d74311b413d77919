"""AdamW with decay on matrices only, linear warm-up and linear decay, and its state as named tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from contrapose.train.settings import TrainingSettings


def make_optimizer(parameters: Mapping[str, nn.Parameter], settings: TrainingSettings) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019), fused. Biases and norms (one-dimensional) are not decayed."""
    groups = [
        {"params": [p for p in parameters.values() if p.dim() > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters.values() if p.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=settings.learning_rate,
        betas=(0.9, 0.999),
        fused=True,
    )


def learning_rate(step: int, num_steps: int, settings: TrainingSettings) -> float:
    """The rate of step ``step`` (from 0): up linearly over the warm-up, then down linearly to 0 after the last step.

    >>> [round(learning_rate(step, 4, TrainingSettings(learning_rate=0.4)), 6) for step in range(4)]
    [0.4, 0.3, 0.2, 0.1]
    """
    if step < settings.warmup_steps:
        return settings.learning_rate * (step + 1) / settings.warmup_steps
    remaining = (num_steps - step) / max(1, num_steps - settings.warmup_steps)
    return settings.learning_rate * remaining


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def optimizer_tensors(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]
) -> dict[str, Tensor]:
    """All state of the optimizer, as ``<parameter>/<key>`` -> tensor."""
    return {
        f"{name}/{key}": value
        for name, parameter in parameters.items()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter], tensors: Mapping[str, Tensor]
) -> None:
    """Put :func:`optimizer_tensors` back. A name that no parameter has is a KeyError: it is another model's state."""
    optimizer.state.clear()
    for full_name, tensor in tensors.items():
        name, key = full_name.rsplit("/", 1)
        optimizer.state[parameters[name]][key] = tensor


def gradient_norm(parameters: Iterable[nn.Parameter]) -> Tensor:
    """The length of all gradients together, which may be infinite or NaN."""
    return torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])


def clip(parameters: Iterable[nn.Parameter], max_norm: float, norm: Tensor) -> None:
    """Scale the gradients, ``norm`` long together, down to ``max_norm``. Only for a finite norm."""
    torch.nn.utils.clip_grads_with_norm_(list(parameters), max_norm, norm)
