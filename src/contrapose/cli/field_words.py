"""What a field of a settings model takes: its kinds, and its range and default in words."""

from __future__ import annotations

import types
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin


def alternatives(annotation: Any) -> list[Any]:
    """What a field may be, besides None."""
    if get_origin(annotation) in (Union, types.UnionType):
        return [kind for kind in get_args(annotation) if kind is not type(None)]
    return [annotation]


def is_choice(kind: Any) -> bool:
    return get_origin(kind) is Literal


def plain(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def constraints(kind: Any) -> list[Any]:
    """Those of a kind that is one of several: pydantic keeps them in a Field of its own."""
    return [
        each for field in getattr(kind, "__metadata__", ()) for each in getattr(field, "metadata", [field])
    ]


def either(words: Sequence[str]) -> str:
    """
    >>> either(["cls", "avg", "max"])
    'cls, avg or max'
    """
    return " or ".join([*([", ".join(words[:-1])] if len(words) > 1 else []), *words[-1:]])


def range_in_words(metadata: Iterable[Any]) -> str:
    """The range that pydantic checks, in words.

    >>> from annotated_types import Ge, Gt, Le, Lt
    >>> [range_in_words(limits) for limits in ([Ge(2)], [Ge(0), Le(1)], [Gt(0), Lt(1)], [Ge(0), Lt(1)], [])]
    ['2 or more', '0 to 1', 'above 0, below 1', '0 or more, below 1', '']
    """
    bounds: dict[str, Any] = {}
    for constraint in metadata:
        for name in ("ge", "gt", "le", "lt"):
            if hasattr(constraint, name):
                bounds[name] = getattr(constraint, name)
    if "ge" in bounds and "le" in bounds:
        return f"{bounds['ge']:,} to {bounds['le']:,}"
    words = []
    if "ge" in bounds:
        words.append(f"{bounds['ge']:,} or more")
    if "gt" in bounds:
        words.append(f"above {bounds['gt']:,}")
    if "le" in bounds:
        words.append(f"{bounds['le']:,} at most")
    # The limit of the machine's integers says nothing to a person.
    if "lt" in bounds and bounds["lt"] < 2**31:
        words.append(f"below {bounds['lt']:,}")
    return ", ".join(words)


def default_in_words(value: Any) -> str:
    """
    >>> [default_in_words(value) for value in (100_000, 1e-5, "auto", None, True)]
    ['100,000', '1e-5', 'auto', '', 'yes']
    """
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:g}".replace("e-0", "e-") if isinstance(value, float) else str(value or "")
