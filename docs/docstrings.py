"""How the docstrings of this project look as Markdown: aligned lists of arguments become lists.

width       D of the vectors
max_length  tokens kept when encoding;
            training may cut shorter
"""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

#: A name, two blanks or a colon, and what it means.
_ENTRY = re.compile(r"^(\*{0,2}[a-z_][A-Za-z0-9_, ]*?)(?:  +|: )(\S.*)$")


class Docstrings(Extension):
    """Griffe calls it for every object that it has read."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = markdown(obj.docstring.value)


def markdown(docstring: str) -> str:
    """A docstring with lists of arguments as lists, and without Sphinx's roles.

    >>> print(markdown("See :class:`Run`.\\n\\nsteps  how many\\nseed   where draws\\n       come from"))
    See `Run`.
    <BLANKLINE>
    - `steps`: how many
    - `seed`: where draws come from
    """
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", docstring).replace("``", "`")
    return "\n\n".join(_listed(paragraph) for paragraph in text.split("\n\n"))


def _listed(paragraph: str) -> str:
    lines = paragraph.split("\n")
    entries = [_ENTRY.match(line) for line in lines]
    begun = [line for line, entry in zip(lines, entries, strict=True) if entry or line.startswith(" ")]
    if sum(entry is not None for entry in entries) < 2 or len(begun) < len(lines) or entries[0] is None:
        return paragraph
    listed: list[str] = []
    for line, entry in zip(lines, entries, strict=True):
        if entry:
            listed.append(f"- `{entry.group(1).strip()}`: {entry.group(2)}")
        else:
            listed[-1] += f" {line.strip()}"
    return "\n".join(listed)
