"""Dropout masks for a CPU, from a generator of their own: a third of the time that torch takes to draw them.

torch draws one number of 32 bits after another for each element, about an eighth of a training step. Here the bits come
from numpy's SFC64, 16 per element, and every call of :func:`torch.nn.functional.dropout` inside the block gets its mask
from there:

    y = x * m / (1 - q),   m_i = [u_i >= q * 2**16],   u_i uniform in 0 .. 2**16 - 1

The probability is rounded to a multiple of 2**-16 (0.1 becomes 0.10001). A GPU draws its own masks, fast already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from contrapose.seeds import derive

_LEVELS = 1 << 16


class SeededDropout(TorchFunctionMode):
    """Inside the block, dropout on CPU tensors is a pure function of (seed, path) and of the order of the calls.

    Dropout that is done elsewhere than by ``torch.nn.functional.dropout`` (a fused attention) still takes torch's
    generator: seed that as well.

    >>> def twice():
    ...     with SeededDropout(0, "dropout", 3):
    ...         return torch.nn.functional.dropout(torch.ones(2, 3), 0.5)
    >>> torch.equal(twice(), twice())
    True
    """

    def __init__(self, seed: int, *path: int | str) -> None:
        super().__init__()
        self._bits = np.random.Generator(np.random.SFC64(derive(seed, *path)))

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is torch.nn.functional.dropout:
            return self._dropout(*args, **kwargs)
        return func(*args, **kwargs)

    def _dropout(
        self, values: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Tensor:
        if not training or p == 0 or p >= 1 or values.device.type != "cpu" or inplace:
            return torch.nn.functional.dropout(values, p, training, inplace)
        return values * self.mask(tuple(values.shape), p, values.dtype)

    def mask(self, shape: tuple[int, ...], p: float, dtype: torch.dtype) -> Tensor:
        """The next mask: 0 with probability ``p``, else 1 / (1 - p)."""
        count = int(np.prod(shape, dtype=np.int64))
        words = self._bits.integers(0, 2**64 - 1, size=-(-count // 4), dtype=np.uint64, endpoint=True)
        # As signed numbers, which torch compares; the lowest of them stands for u = 0.
        levels = torch.from_numpy(words.view(np.int16)[:count]).view(shape)
        kept = levels >= min(round(p * _LEVELS), _LEVELS - 1) - _LEVELS // 2
        return kept.to(dtype).mul_(1 / (1 - p))
