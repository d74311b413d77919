"""A task is data and a metric."""

from __future__ import annotations

import sys
from os import PathLike, fspath
from types import ModuleType
from typing import Any


class _CallableRoom(ModuleType):
    """For users ``contrapose.evaluate`` is a function; importing the room of that name must not hide it."""

    def __call__(self, encoder: Any, *args: Any, **kwargs: Any) -> Any:
        """:func:`contrapose.evaluate.suite.evaluate`; here a model may also be given by its folder or name."""
        from contrapose.evaluate.suite import evaluate

        if isinstance(encoder, str | PathLike):
            from contrapose.encoder.encoder import Encoder

            encoder = Encoder.load(fspath(encoder))
        return evaluate(encoder, *args, **kwargs)


sys.modules[__name__].__class__ = _CallableRoom
