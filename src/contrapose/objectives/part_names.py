"""Names of parts, and what was meant by a name that is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from contrapose.contract import Method, Part, TextPart
from contrapose.errors import UsageError, nearest


def part_names(parts: Sequence[str | type[Part] | type[TextPart]]) -> list[str]:
    """Of a record's parts, which are names or classes."""
    return [part if isinstance(part, str) else part.name for part in parts]


def unknown_part(name: str, known: list[str], methods: Mapping[str, Method]) -> UsageError:
    """The error of a name that no part has: a method's, whose parts are told, or one with a slip in it.

    >>> print(unknown_part("queu", ["queue"], {}))
    --with: unknown part 'queu'. Did you mean 'queue'? Known: queue
    """
    if name in methods:
        made_of = " and ".join(part_names(methods[name].parts)) or "its loss alone"
        hint = f": it is a method, made of {made_of}."
    else:
        hint = nearest(name, known)
    return UsageError(f"--with: unknown part '{name}'{hint} Known: {', '.join(known)}")
