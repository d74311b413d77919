"""name -> TrainingProtocol, and which of them a run has: the method's own, or the one that ``--with`` adds.

Files in ``protocols/`` declare ``PROTOCOL``, a class. They are discovered, not listed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any

from contrapose import protocols
from contrapose.config import Frozen
from contrapose.contract import Method, TrainingProtocol
from contrapose.contract.discovery import by_name, declared
from contrapose.errors import UsageError
from contrapose.objectives.hyperparameters import combine, hyperparameters_of


@cache
def all_protocols() -> Mapping[str, type[TrainingProtocol]]:
    """Every training protocol by name, in alphabetical order."""
    return MappingProxyType(dict(sorted(by_name(declared(protocols, "PROTOCOL"), "protocols").items())))


def protocol_of(method: Method) -> type[TrainingProtocol]:
    """The class of a method's own protocol. Raises UsageError where its record names none."""
    chosen = method.protocol
    if isinstance(chosen, str) and chosen in all_protocols():
        return all_protocols()[chosen]
    if isinstance(chosen, type) and issubclass(chosen, TrainingProtocol):
        return chosen
    known = ", ".join(all_protocols()) or "none yet"
    raise UsageError(
        f"method '{method.name}' names the protocol {chosen!r}: give a class of TrainingProtocol, or a name of the "
        f"catalogue ({known})"
    )


def names_of_protocol(method: Method) -> list[str]:
    """The name of a method's protocol; empty where one step simply follows the other."""
    protocol = protocol_of(method)
    return [] if protocol is TrainingProtocol else [protocol.name]


def protocol_of_run(method: Method, added: Sequence[str]) -> type[TrainingProtocol]:
    """The protocol of a run from the method's own and the names that ``--with`` adds. Raises UsageError for two."""
    first, *others = (*names_of_protocol(method), *added, TrainingProtocol.name)
    second = next((name for name in others if name != TrainingProtocol.name), None)
    if second is None:
        return all_protocols()[first] if added else protocol_of(method)
    if first == second:
        raise UsageError(f"--with {second}: '{method.name}' already has this protocol; leave it out")
    raise UsageError(
        f"--with {second}: a run has one protocol, and here that is '{first}': both decide what happens to the weights "
        "between the steps, so choose one"
    )


def combined(
    method: Method, makers: Sequence[Callable[..., Any]], protocol: type[TrainingProtocol]
) -> type[Frozen]:
    """The hyperparameters of all that a run is made of; the protocol's defaults go before the method's, and those for
    parts that the run does not have are left out."""
    taken = {name for maker in makers for name in hyperparameters_of(maker).model_fields}
    of_protocol = {name: value for name, value in protocol.defaults.items() if name in taken}
    return combine(makers, {**method.defaults, **of_protocol})
