"""A model at rest beside the one that trains: the same weights, no dropout, whatever the original is doing.

Switching a model to evaluation mode and back is visible to every thread that uses it: another thread's training step
would lose its dropout, and an encoding would get it. So encoding goes through a copy of the *modules*. The tensors are
not copied; the copy costs about a millisecond for a hundred modules.
"""

from __future__ import annotations

import copy
from types import MethodType
from typing import Any, TypeVar

from torch import nn

#: The tables of tensors, which the copy shares with the original, so that it sees every weight that is put in.
SHARED = ("_parameters", "_buffers")

SomeModule = TypeVar("SomeModule", bound=nn.Module)


def at_rest(module: SomeModule) -> SomeModule:
    """A copy of ``module`` in evaluation mode that shares its tensors; what is done to its modes is not seen outside.

    >>> layer = nn.Dropout(0.5).train()
    >>> at_rest(layer).training, layer.training
    (False, True)
    """
    known: dict[int, nn.Module] = {}
    twin = _twin(module, known)
    for one in known.values():
        for name, value in one.__dict__.items():
            if isinstance(value, MethodType) and id(value.__self__) in known:
                one.__dict__[name] = MethodType(value.__func__, known[id(value.__self__)])
    return twin


def _twin(module: SomeModule, known: dict[int, nn.Module]) -> SomeModule:
    if (twin := known.get(id(module))) is not None:
        return twin  # type: ignore[return-value]
    twin = object.__new__(type(module))
    known[id(module)] = twin
    own: dict[str, Any] = {
        # Hooks, too, are put in by whoever asks for inner layers: each copy has its own tables of them.
        name: value.copy() if isinstance(value, dict) and name not in SHARED else value
        for name, value in module.__dict__.items()
    }
    own["training"] = False
    own["_modules"] = {
        name: part if part is None else _twin(part, known) for name, part in module._modules.items()
    }
    twin.__dict__.update(own)
    return twin


def with_own_configs(module: nn.Module) -> None:
    """Give a copy made by :func:`at_rest` configurations of its own, which it may change."""
    memo: dict[int, Any] = {}
    for part in module.modules():
        config = part.__dict__.get("config")
        if config is not None:
            part.__dict__["config"] = copy.deepcopy(config, memo)
