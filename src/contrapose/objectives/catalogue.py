"""name -> Method and name -> Part. Whoever adds a file with a ``METHOD`` to this room has added a method.

Files in ``objectives/`` declare ``METHOD`` or ``METHODS``, files in ``negatives/`` and ``positives/`` declare
``PART``; they are found, not listed. Other packages can offer methods through the entry point group
``contrapose.methods``; one that cannot be used is left out, with one warning. Wherever a method's name is taken, so is
the path of a file that holds a ``METHOD``. The catalogue is frozen once it has been read.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
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
from contrapose.objectives.plugins import GROUP, is_file, method_of_file, method_of_package

logger = logging.getLogger(__name__)


def all_methods() -> Mapping[str, Method]:
    """Every method by name, in alphabetical order.

    >>> "hncse-hnm" in all_methods()
    True
    """
    return _catalogue()[0]


@cache
def _catalogue() -> tuple[Mapping[str, Method], Mapping[str, str]]:
    """Every method by name; and why each one that a package offers and that cannot be used is left out, by name."""
    found = _by_name(_declared(importlib.import_module(__package__), "METHOD"), "methods")
    left_out: dict[str, str] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        try:
            method = _usable(entry, found)
        except UsageError as error:
            left_out[entry.name] = str(error)
            logger.warning("the method '%s' is left out: %s", entry.name, error)
        else:
            found[method.name] = method
    return MappingProxyType(dict(sorted(found.items()))), MappingProxyType(left_out)


def _usable(entry: EntryPoint, found: Mapping[str, Method]) -> Method:
    """A package's method, tried: what fails here would fail in every command that lists methods."""
    method = method_of_package(entry)
    if method.name in found:
        raise UsageError(f"there is a method '{method.name}' already; its author must rename one")
    try:
        _made(method)
    except UsageError:
        raise
    except Exception as error:  # whatever a foreign record holds, it is not the other methods' fault
        raise UsageError(f"its record cannot be used ({type(error).__name__}: {error})") from None
    return method


@cache
def all_parts() -> Mapping[str, Part]:
    """Every part that ``--with`` takes, by name."""
    rooms = (contrapose.negatives, contrapose.positives)
    return MappingProxyType(_by_name((part for room in rooms for part in _declared(room, "PART")), "parts"))


def _by_name(records: Iterator[Any], kind: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for record in records:
        if record.name in found:
            raise UsageError(f"two {kind} are named '{record.name}'; rename one")
        found[record.name] = record
    return found


def method_named(name: str) -> Method:
    """A method of the catalogue, or that of a file. Raises UsageError; of one left out, with the reason."""
    if is_file(name):
        return method_of_file(name)[0]
    known, left_out = _catalogue()
    if name in known:  # whatever a package of that name holds
        return known[name]
    if name in left_out:
        raise UsageError(
            f"the method '{name}' is left out: {left_out[name]}. Repair that package, or remove it"
        )
    raise UsageError(
        f"unknown method '{name}'{nearest(name, list(known))} Known: {', '.join(known)}, or a FILE.py of your own"
    )


def _declared(room: ModuleType, word: str) -> Iterator[Any]:
    for info in pkgutil.iter_modules(room.__path__):
        module = importlib.import_module(f"{room.__name__}.{info.name}")
        if hasattr(module, word):
            yield getattr(module, word)
        yield from getattr(module, f"{word}S", ())


@dataclass(frozen=True)
class Recipe:
    """A method with extra parts and numbers, checked, not yet built.

    file_sha256: of the file the method was read from; None for a method of the catalogue.
    """

    method: Method
    parts: tuple[Part, ...]
    hyperparameters: Frozen
    file_sha256: str | None = None

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

    method: a name of the catalogue, or a file that holds a ``METHOD``.

    Raises UsageError for an unknown method, part or hyperparameter, a part that the method already has, a value out
    of range, or one that would be ignored.

    >>> recipe("focal-infonce", ["mixed-negatives"], {"k": 5}).hyperparameters.k
    5
    """
    record, file_sha256 = method_of_file(method) if is_file(method) else (method_named(method), None)
    for number, name in enumerate(parts):
        if name not in all_parts():
            hint = nearest(name, list(all_parts()))
            raise UsageError(f"--with: unknown part '{name}'{hint} Known: {', '.join(all_parts())}")
        if name in record.parts or name in parts[:number]:
            raise UsageError(f"--with {name}: '{method}' already has this part; leave it out")
    return _made(record, parts, hyperparameters or {}, name=method, file_sha256=file_sha256)


def _made(
    record: Method,
    parts: Sequence[str] = (),
    hyperparameters: Mapping[str, Any] | None = None,
    *,
    name: str = "",
    file_sha256: str | None = None,
) -> Recipe:
    """A record with parts and numbers, tried on a width of 1."""
    where = f"method '{name or record.name}'"
    if unknown := [part for part in record.parts if part not in all_parts()]:
        raise UsageError(
            f"{where} has a part that is not there, '{unknown[0]}'. Known: {', '.join(all_parts())}"
        )
    chosen = tuple(all_parts()[part] for part in (*record.parts, *parts))
    try:
        model = combine([record.objective, *(part.build for part in chosen)], record.defaults)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None
    result = Recipe(record, chosen, validate(model, hyperparameters or {}, where=where), file_sha256)
    try:
        result.build(width=1)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None
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


def describe(*names: str) -> list[dict[str, Any]]:
    """Every method, or those named, as plain data: name, paper, parts, hyperparameters with their defaults."""
    described = []
    for name in names or all_methods():
        method, numbers = method_named(name), recipe(name).hyperparameters
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
