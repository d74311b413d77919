"""The training loop, which cannot lose work."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _CallableRoom(ModuleType):
    """For users ``contrapose.train`` is a function; importing the room of that name must not hide it."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from contrapose.train.api import train

        return train(*args, **kwargs)


sys.modules[__name__].__class__ = _CallableRoom
