"""How steps follow one another, by name. Plain steps are all that the methods of today need."""

from __future__ import annotations

from contrapose.contract import TrainingProtocol
from contrapose.errors import UsageError, nearest

PROTOCOLS: dict[str, type[TrainingProtocol]] = {"plain": TrainingProtocol}


def protocol_named(name: str) -> TrainingProtocol:
    """A new one. Raises UsageError for a name that nobody has.

    >>> protocol_named("plain").rows(0) is None
    True
    """
    if name not in PROTOCOLS:
        raise UsageError(
            f"unknown training protocol '{name}'{nearest(name, list(PROTOCOLS))} Known: {', '.join(PROTOCOLS)}"
        )
    return PROTOCOLS[name]()
