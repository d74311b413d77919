"""Fields of settings and hyperparameters as a table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from contrapose.markdown_table import markdown_table


def fields_table(title: str, fields: Mapping[str, Any]) -> list[str]:
    """Every field of a model of pydantic in a line, ``title`` above their names; a sentence where there are none."""
    if not fields:
        return [f"No {title}s."]
    rows = [
        (f"`{name}`", kind(field), default_of(field), cell(field.description or ""))
        for name, field in fields.items()
    ]
    return markdown_table([title, "type", "default", "meaning"], rows)


def kind(field: Any) -> str:
    """Type and range of a field of pydantic, in words."""
    bounds = []
    for mark in field.metadata:
        for attribute, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<")):
            bound = getattr(mark, attribute, None)
            if bound is not None:
                bounds.append(f"{sign} {bound:,}" if isinstance(bound, int) else f"{sign} {bound:g}")
    return cell(", ".join([type_words(field.annotation), *bounds]))


def type_words(annotation: Any) -> str:
    """A type as a reader knows it.

    >>> type_words(int | None), type_words(Literal["a", "b"]), type_words(tuple[str, ...])
    ('int', '`a`, `b`', 'list of text')
    """
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in inner)
    if hasattr(annotation, "__metadata__"):
        return type_words(inner[0])
    if origin in (tuple, list):
        return f"list of {type_words(inner[0])}"
    if origin is dict:
        return "table"
    if origin is Union or type(annotation).__name__ == "UnionType":
        return ", ".join(type_words(part) for part in inner if part is not type(None))
    plain = {str: "text", float: "number", int: "int", bool: "true or false", Path: "path"}
    return plain.get(annotation, getattr(annotation, "__name__", str(annotation)))


def default_of(field: Any) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value == () or value == {}:
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def cell(text: str) -> str:
    """Text in a table: an angle would begin a tag."""
    return re.sub(r"<(?=[A-Za-z/!])", "&lt;", " ".join(str(text).split()))
