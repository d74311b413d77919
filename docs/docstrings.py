"""What mkdocstrings asks of each docstring that it has read: to be Markdown."""

from __future__ import annotations

from typing import Any

from griffe import Extension, Object
from prose import markdown


class Docstrings(Extension):
    """Griffe calls it for every object."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = markdown(obj.docstring.value)
