"""name -> Method and name -> Part. Whoever adds a file with a ``METHOD`` to this room has added a method.

Files in ``objectives/`` declare ``METHOD`` or ``METHODS``, files in ``negatives/`` and ``positives/`` declare
``PART``; they are found, not listed. Other packages can offer methods through the entry point group
``contrapose.methods``. The catalogue is frozen once it has been read.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType, ModuleType
from typing import Any, cast

from torch import Tensor

import contrapose.negatives
import contrapose.positives
from contrapose.config import Frozen, validate
from contrapose.errors import UsageError, nearest
from contrapose.objectives.contract import Loss, Method, NegativeSource, Part, PositiveMixer, Views
from contrapose.objectives.door import check_vectors
from contrapose.objectives.hyperparameters import combine, hyperparameters_of, values_for
from contrapose.objectives.objective import Objective


@cache
def all_methods() -> Mapping[str, Method]:
    """Every method by name, in alphabetical order.

    >>> "hncse-hnm" in all_methods()
    True
    """
    found: dict[str, Method] = {}
    here = importlib.import_module(__package__)
    offered = [entry.load() for entry in entry_points(group="contrapose.methods")]
    for method in (*_declared(here, "METHOD"), *offered):
        if method.name in found:
            raise UsageError(f"two methods are named '{method.name}'; rename one")
        found[method.name] = method
    return MappingProxyType(dict(sorted(found.items())))


@cache
def all_parts() -> Mapping[str, Part]:
    """Every part that ``--with`` takes, by name."""
    rooms = (contrapose.negatives, contrapose.positives)
    return MappingProxyType({part.name: part for room in rooms for part in _declared(room, "PART")})


def _declared(room: ModuleType, word: str) -> Iterator[Any]:
    for info in pkgutil.iter_modules(room.__path__):
        module = importlib.import_module(f"{room.__name__}.{info.name}")
        if hasattr(module, word):
            yield getattr(module, word)
        yield from getattr(module, f"{word}S", ())


@dataclass(frozen=True)
class Recipe:
    """A method with extra parts and numbers, checked, not yet built."""

    method: Method
    parts: tuple[Part, ...]
    hyperparameters: Frozen

    def build(self, width: int) -> Objective:
        """The objective for embeddings of ``width`` numbers."""
        values = self.hyperparameters.model_dump()
        sources: list[NegativeSource] = []
        mixers: list[PositiveMixer] = []
        for part in self.parts:
            mine = values_for(hyperparameters_of(part.build), values)
            if part.role == "negative source":
                sources.append(cast("NegativeSource", part.build(width=width, **mine)))
            else:
                mixers.append(cast("PositiveMixer", part.build(**mine)))
        equation = self.method.objective
        return Objective(equation, values_for(hyperparameters_of(equation), values), sources, mixers)


def recipe(
    method: str, parts: Sequence[str] = (), hyperparameters: Mapping[str, Any] | None = None
) -> Recipe:
    """Look a method up, add parts and numbers, and refuse what makes no sense, before anything is loaded.

    Raises UsageError for an unknown method, part or hyperparameter, a part that the method already has, a value out
    of range, or one that would be ignored.

    >>> recipe("focal-infonce", ["mixed-negatives"], {"k": 5}).hyperparameters.k
    5
    """
    known = all_methods()
    if method not in known:
        raise UsageError(f"unknown method '{method}'{nearest(method, list(known))} Known: {', '.join(known)}")
    record = known[method]
    for number, name in enumerate(parts):
        if name not in all_parts():
            hint = nearest(name, list(all_parts()))
            raise UsageError(f"--with: unknown part '{name}'{hint} Known: {', '.join(all_parts())}")
        if name in record.parts or name in parts[:number]:
            raise UsageError(f"--with {name}: '{method}' already has this part; leave it out")
    chosen = tuple(all_parts()[name] for name in (*record.parts, *parts))
    model = combine(
        [hyperparameters_of(record.objective), *(hyperparameters_of(part.build) for part in chosen)],
        record.defaults,
    )
    result = Recipe(record, chosen, validate(model, hyperparameters or {}, where=f"method '{method}'"))
    try:
        result.build(width=1)
    except ValueError as error:
        raise UsageError(f"method '{method}': {error}") from None
    return result


def loss(
    method: str,
    anchor: Tensor,
    positive: Tensor,
    negatives: Tensor | Sequence[Tensor] | None = None,
    *,
    parts: Sequence[str] = (),
    seed: int = 0,
    **hyperparameters: Any,
) -> Loss:
    """The loss of a method on plain tensors, (B, D) each; ``negatives`` (B, D), (B, K, D) or a list of (B, D).

    Raises UsageError for an unknown method, part or number, and for what is no batch of floating-point vectors.

    >>> import torch
    >>> loss("focal-infonce", torch.eye(3), torch.eye(3), temperature=1.0, margin=0.3).total
    tensor(0.5514)
    """
    check_vectors(anchor, positive, negatives)
    views = Views.pair(anchor, positive, negatives, seed=seed)
    objective = recipe(method, parts, hyperparameters).build(width=anchor.shape[1])
    return cast("Loss", objective.to(anchor.device)(views))


def describe() -> list[dict[str, Any]]:
    """Every method as plain data: name, paper, parts, hyperparameters with their defaults."""
    described = []
    for method in all_methods().values():
        numbers = recipe(method.name).hyperparameters
        described.append(
            {
                "name": method.name,
                "idea": method.idea,
                "paper": method.paper,
                "reference": method.reference,
                "parts": [method.objective.__name__.replace("_", "-"), *method.parts],
                "hyperparameters": numbers.model_dump(),
                "descriptions": {
                    name: field.description
                    for name, field in type(numbers).model_fields.items()
                    if field.description
                },
                "departures": list(method.departures),
            }
        )
    return described
