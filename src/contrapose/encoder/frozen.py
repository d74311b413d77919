"""Networks that are used and never changed."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class FrozenNetwork(nn.Module):
    """A network in evaluation mode, without gradient, in no optimizer and no checkpoint.

    It moves to a device with the module that holds it.

    >>> frozen = FrozenNetwork(nn.Linear(2, 2))
    >>> list(frozen.parameters()), frozen.state_dict(), frozen(torch.ones(1, 2)).requires_grad
    ([], OrderedDict(), False)
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        # In a tuple, so that torch does not count it among the modules that are trained and saved.
        self._held = (network.requires_grad_(False).eval(),)

    @property
    def network(self) -> nn.Module:
        return self._held[0]

    def forward(self, *inputs: Any, **named: Any) -> Any:
        with torch.no_grad():
            return self.network(*inputs, **named)

    def _apply(self, fn: Any, recurse: bool = True) -> FrozenNetwork:
        self.network._apply(fn)  # type: ignore[no-untyped-call]
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self
