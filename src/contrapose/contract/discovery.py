"""What the files of a package declare, found by looking: nobody keeps a list."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from contrapose.errors import UsageError


def declared(package: ModuleType, word: str) -> Iterator[Any]:
    """The ``word`` of every module of a package, and all of its ``wordS``."""
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        if hasattr(module, word):
            yield getattr(module, word)
        yield from getattr(module, f"{word}S", ())


def by_name(records: Iterator[Any], kind: str) -> dict[str, Any]:
    """Records by their name; UsageError for two of one name."""
    by_name: dict[str, Any] = {}
    for record in records:
        if record.name in by_name:
            raise UsageError(f"two {kind} are named '{record.name}'; rename one")
        by_name[record.name] = record
    return by_name
