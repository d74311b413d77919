"""Imports of OpenVINO and NNCF without their telemetry: both tell their makers that they were imported.

Nothing is sent over a network here unless a person asks for it. Where the package that sends is not there, both go on
without it; so for the time of the import it is not there.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

_SENDER = "openvino_telemetry"


def import_quietly(name: str) -> Any:
    """The module of that name, imported without telemetry.

    >>> import_quietly("json").loads("1")
    1
    """
    missing = object()
    before: Any = sys.modules.get(_SENDER, missing)
    sys.modules[_SENDER] = None  # type: ignore[assignment]  # None makes an import of it fail, as if not installed
    try:
        return import_module(name)
    finally:
        if before is missing:
            del sys.modules[_SENDER]
        else:
            sys.modules[_SENDER] = before
