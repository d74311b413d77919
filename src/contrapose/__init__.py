"""The front door: a handful of names, lazily imported; `import contrapose` loads no torch.

>>> import contrapose
>>> sorted(contrapose.__all__)  # doctest: +NORMALIZE_WHITESPACE
['Adaptation', 'ContraposeError', 'Encoder', 'Run', '__version__',
 'adapt', 'evaluate', 'loss', 'methods', 'pretrain', 'train']
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contrapose.adapt.api import Adaptation, adapt
    from contrapose.encoder.encoder import Encoder
    from contrapose.errors import ContraposeError
    from contrapose.evaluate.suite import evaluate
    from contrapose.objectives.catalogue import describe as methods
    from contrapose.objectives.catalogue import loss
    from contrapose.pretrain.api import pretrain
    from contrapose.train.api import Run, train

    __version__: str

__all__ = [
    "Adaptation",
    "ContraposeError",
    "Encoder",
    "Run",
    "__version__",
    "adapt",
    "evaluate",
    "loss",
    "methods",
    "pretrain",
    "train",
]

#: public name -> module that has it, and what it is called there. ``adapt``, ``train``, ``pretrain`` and ``evaluate``
#: are packages that can be called: a function of that name would be hidden as soon as something imports the package.
_HOMES = {
    "Adaptation": ("contrapose.adapt.api", "Adaptation"),
    "adapt": ("contrapose.adapt", None),
    "ContraposeError": ("contrapose.errors", "ContraposeError"),
    "Encoder": ("contrapose.encoder.encoder", "Encoder"),
    "Run": ("contrapose.train.api", "Run"),
    "loss": ("contrapose.objectives.catalogue", "loss"),
    "methods": ("contrapose.objectives.catalogue", "describe"),
    "evaluate": ("contrapose.evaluate", None),
    "pretrain": ("contrapose.pretrain", None),
    "train": ("contrapose.train", None),
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name not in _HOMES:
        raise AttributeError(f"module 'contrapose' has no attribute '{name}'")
    from importlib import import_module

    module, attribute = _HOMES[name]
    home = import_module(module)
    value = home if attribute is None else getattr(home, attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("contrapose")
    except PackageNotFoundError:
        return "unknown"
