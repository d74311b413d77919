"""name -> Method and name -> Part. Whoever adds a file with a ``METHOD`` to this package has added a method.

Files in ``objectives/`` declare ``METHOD`` or ``METHODS``; files in ``negatives/``, ``positives/``, ``filters/`` and
``regularizers/`` declare ``PART``, a class. They are discovered, not listed, and no equation imports a part. Other
packages can offer methods through the entry point group ``contrapose.methods``; one that cannot be used is left out,
with one warning. Wherever a method's name is taken, so is the path of a file that holds a ``METHOD``. The catalogue is
frozen once it has been read.
"""

from __future__ import annotations

import importlib
import inspect
import logging
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any, cast

from torch import Tensor

from contrapose import filters, negatives, positives, regularizers
from contrapose.config import validate
from contrapose.contract import Loss, Method, Part, Supplies, Views, key_of
from contrapose.contract.discovery import by_name, declared
from contrapose.errors import UsageError, nearest
from contrapose.objectives.configured import ConfiguredMethod
from contrapose.objectives.door import check_needs, check_vectors
from contrapose.objectives.exclusions import Record, excluded_by, refuse_exclusions
from contrapose.objectives.hyperparameters import check_equation
from contrapose.objectives.part_names import part_names, unknown_part
from contrapose.objectives.plugins import GROUP, is_file, method_of_file, method_of_package
from contrapose.objectives.protocol_of_run import all_protocols, combined, names_of_protocol, protocol_of_run
from contrapose.text.catalogue import AUTO, all_text_parts, text_parts_named

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
    methods = by_name(declared(importlib.import_module(__package__), "METHOD"), "methods")
    left_out: dict[str, str] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        try:
            method = _usable(entry, methods)
        except UsageError as error:
            left_out[entry.name] = str(error)
            logger.warning("the method '%s' is left out: %s", entry.name, error)
        else:
            methods[method.name] = method
    return MappingProxyType(dict(sorted(methods.items()))), MappingProxyType(left_out)


def _usable(entry: EntryPoint, known: Mapping[str, Method]) -> Method:
    """A package's method, tried: what fails here would fail in every command that lists methods."""
    method = method_of_package(entry)
    if method.name in known:
        raise UsageError(f"there is a method '{method.name}' already; its author must rename one")
    try:
        _made(method)
    except UsageError:
        raise
    except Exception as error:  # whatever a foreign record holds, it is not the other methods' fault
        raise UsageError(f"its record cannot be used ({type(error).__name__}: {error})") from None
    return method


@cache
def all_parts() -> Mapping[str, type[Part]]:
    """Every part that ``--with`` takes, by name."""
    packages = (negatives, positives, filters, regularizers)
    return MappingProxyType(
        by_name((part for package in packages for part in declared(package, "PART")), "parts")
    )


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


def recipe(
    method: str,
    parts: Sequence[str] = (),
    hyperparameters: Mapping[str, Any] | None = None,
    *,
    views: str = AUTO,
) -> ConfiguredMethod:
    """Look a method up, add parts and hyperparameters, and refuse what makes no sense, before anything is loaded.

    method: a name of the catalogue, or a file that holds a ``METHOD``; views: as ``--views``.

    Raises UsageError for an unknown method, part or hyperparameter, a part that the method already has, two that
    do not go together, a value out of range, or one that would be ignored.

    >>> recipe("focal-infonce", ["mixed-negatives"], {"k": 5}).hyperparameters.k
    5
    """
    record, file_sha256 = method_of_file(method) if is_file(method) else (method_named(method), None)
    known = [*all_parts(), *all_protocols()]
    for number, name in enumerate(parts):
        if name not in known:
            raise unknown_part(name, known, _catalogue()[0])
        if name in part_names(record.parts) or name in parts[:number]:
            raise UsageError(f"--with {name}: '{method}' already has this part; leave it out")
    return _made(record, parts, hyperparameters or {}, name=method, views=views, file_sha256=file_sha256)


def _made(
    record: Method,
    parts: Sequence[str] = (),
    hyperparameters: Mapping[str, Any] | None = None,
    *,
    name: str = "",
    views: str = AUTO,
    file_sha256: str | None = None,
) -> ConfiguredMethod:
    """A record with parts and hyperparameters, tried on a width of 1."""
    where = f"method '{name or record.name}'"
    if unknown := [part for part in record.parts if isinstance(part, str) and part not in all_parts()]:
        known = ", ".join(all_parts())
        raise UsageError(f"{where} has a part that is not there, '{unknown[0]}'. Known: {known}")
    protocol = protocol_of_run(record, [name for name in parts if name in all_protocols()])
    every = (*record.parts, *(name for name in parts if name in all_parts()))
    chosen = tuple(all_parts()[part] if isinstance(part, str) else part for part in every)
    try:
        check_equation(record.objective)
        texts = text_parts_named(views, record.text_parts)
        if silent := [part.name for part in texts if inspect.isabstract(part)]:
            raise UsageError(
                f"the text part '{silent[0]}' makes no texts: write texts(self, rows, columns, *, seed, step) in it"
            )
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None
    refuse_exclusions((record, *chosen, *texts, protocol), where)
    try:
        model = combined(record, [record.objective, *chosen, *texts, protocol], protocol)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None
    result = ConfiguredMethod(
        record, chosen, validate(model, hyperparameters or {}, where=where), views, file_sha256, protocol
    )
    try:
        result.build(width=1)
        result.try_texts_and_protocol()
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
    views: Mapping[str, Tensor] | None = None,
    seed: int = 0,
    tiled: bool = False,
    **hyperparameters: Any,
) -> Loss:
    """The loss of a method on plain tensors, (B, D) each; ``negatives`` (B, D), (B, K, D) or a list of (B, D).

    views: what the method needs beside, by name: ``{"anchor@-2": ..., "anchor@teacher": ...}``.
    tiled: computed in tiles, so that memory grows with B and not with its square; the same loss, to rounding.

    Raises UsageError for an unknown method, part or hyperparameter, for what is no batch of floating-point vectors, and
    for tiles of what needs all pairs of the batch at once.

    >>> import torch
    >>> loss("focal-infonce", torch.eye(3), torch.eye(3), temperature=1.0, margin=0.3).total
    tensor(0.5514)
    """
    check_vectors(anchor, positive, negatives)
    made = recipe(method, parts, hyperparameters)
    given = check_needs(method, made.needs, anchor, views or {})
    batch = Views.pair(anchor, positive, negatives, seed=seed).with_views(**given)
    made.refuse_ignored(batch.by_name)
    width = anchor.shape[1]
    objective = made.build(width)
    widths = {
        model.name: given[key_of(model.reads[0], model.name)].shape[1] for model in made.needs.companions
    }
    pooled = given.get(key_of("anchor", "pooled"), anchor)
    objective.attach(Supplies(width=width, pooled_width=pooled.shape[1], companion_widths=widths, seed=seed))
    return cast("Loss", objective.to(anchor.device)(batch, tiled=tiled))


def records_of(method: str) -> tuple[Record, ...]:
    """A method as it is, with what it is made of: whatever may exclude another or be excluded."""
    made = recipe(method)
    return (made.method, *made.parts, *text_parts_named(AUTO, made.method.text_parts), made.protocol_class)


def all_records() -> tuple[Record, ...]:
    """Everything in the catalogue that may exclude another or be excluded."""
    methods, parts, protocols = all_methods().values(), all_parts().values(), all_protocols().values()
    return (*methods, *parts, *all_text_parts().values(), *protocols)


def describe(*names: str) -> list[dict[str, Any]]:
    """Every method, or those named, as plain data: name, paper, parts, hyperparameters with their defaults."""
    described = []
    for name in names or all_methods():
        method, values = method_named(name), recipe(name).hyperparameters
        described.append(
            {
                "name": method.name,
                "idea": method.idea,
                "paper": method.paper,
                "reference": method.reference,
                "parts": [
                    method.objective.__name__.replace("_", "-"),
                    *part_names((*method.parts, *method.text_parts)),
                    *names_of_protocol(method),
                ],
                "hyperparameters": values.model_dump(),
                "descriptions": {
                    name: field.description
                    for name, field in type(values).model_fields.items()
                    if field.description
                },
                "departures": list(method.departures),
                "excludes": dict(excluded_by(records_of(name), all_records())),
            }
        )
    return described
