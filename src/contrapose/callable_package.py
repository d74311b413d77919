"""Packages that can be called: ``contrapose.train`` is a function for users, and importing a module must not hide it.

The import system binds a package's name on its parent whenever something inside it is imported, so a function of that
name would be gone after the first such import. The package itself is callable instead, and shows its function to
``help``, ``inspect.signature`` and editors.
"""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class CallablePackage(ModuleType):
    """A package that is called as the function of its own name; ``_HOME`` in it names the module that has it."""

    def _function(self) -> Any:
        return getattr(import_module(self.__dict__["_HOME"]), self.__name__.rpartition(".")[2])

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function()(*args, **kwargs)

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self._function())

    def __getattr__(self, name: str) -> Any:
        if name == self.__name__.rpartition(".")[2]:
            return self._function()
        raise AttributeError(f"module '{self.__name__}' has no attribute '{name}'")

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.__dict__.get("__all__", ())})


def make_callable(package: str, home: str) -> None:
    """Let the package ``package`` be called as the function of its name that stands in the module ``home``."""
    module = sys.modules[package]
    module.__dict__["_HOME"] = home
    module.__dict__["__all__"] = [package.rpartition(".")[2]]
    module.__class__ = CallablePackage
