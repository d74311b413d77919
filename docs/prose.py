"""Docstrings of this project as Markdown: lists of arguments become lists, and letters of mathematics stay letters."""

from __future__ import annotations

import re

#: A name, two blanks or a colon, and what it means.
_ENTRY = re.compile(r"^(\*{0,2}[a-z_][A-Za-z0-9_, ]*?)(?:  +|: )(\S.*)$")


def markdown(docstring: str) -> str:
    """A docstring with its lists of arguments as lists, without Sphinx's roles, and with no accidental emphasis.

    >>> print(markdown("See :class:`Run`.\\n\\nsteps  how many\\nseed   where draws\\n       come from"))
    See `Run`.
    <BLANKLINE>
    - `steps`: how many
    - `seed`: where draws come from
    >>> print(markdown("c'_ii is *small*, and ``c'_ii``\\n\\n    c'_ij"))
    c'\\_ii is *small*, and `c'_ii`
    <BLANKLINE>
        c'_ij
    """
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", docstring).replace("``", "`")
    return "\n\n".join(_paragraph(paragraph) for paragraph in text.split("\n\n"))


def _paragraph(paragraph: str) -> str:
    if paragraph.startswith(("    ", ">>>", "|", "- ", "#")):  # code, an example, or Markdown already
        return paragraph
    listed = _listed(paragraph.split("\n"))
    pieces = listed.split("`")  # every second piece is code
    pieces[::2] = [re.sub(r"(?<![\\\w])_(?=\S)", r"\\_", piece) for piece in pieces[::2]]
    return "`".join(pieces)


def _listed(lines: list[str]) -> str:
    """Lines that each begin with a name, or go on with one that did, as a list; others as they are."""
    entries = [_ENTRY.match(line) for line in lines]
    begun = [line for line, entry in zip(lines, entries, strict=True) if entry or line.startswith(" ")]
    if sum(entry is not None for entry in entries) < 2 or len(begun) < len(lines) or entries[0] is None:
        return "\n".join(lines)
    listed: list[str] = []
    for line, entry in zip(lines, entries, strict=True):
        if entry:
            listed.append(f"- `{entry.group(1).strip()}`: {entry.group(2)}")
        else:
            listed[-1] += f" {line.strip()}"
    return "\n".join(listed)
