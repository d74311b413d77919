"""What is shown fits its terminal: lines end between words, and a table that is too wide becomes records.

A word that is longer than a line is left whole to the terminal, so that a path can be copied. Commands are continued
with a backslash, so that what is copied still runs. Where the output is no terminal, nothing is narrow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType

#: Columns of a table's frame: one at each side, three between two columns.
_EDGES, _BETWEEN = 2, 3
#: The words of a shell: quotes hold blanks together.
_SHELL_WORD = re.compile(r"""(?:[^\s'"\\]|\\.|'[^']*'|"[^"]*")+|\S+""")


def wrapped(text: str, width: int, hanging: str = "") -> list[str]:
    """``text`` in lines of at most ``width`` columns that end between words.

    hanging: what later lines begin with; without it, the blanks that the text begins with.

    >>> wrapped("  a path/that/is/long here", 12)
    ['  a', '  path/that/is/long', '  here']
    >>> wrapped("rows read    12", 15)
    ['rows read    12']
    """
    begun = text[: len(text) - len(text.lstrip())]
    return _joined(re.findall(r"\s*\S+", text.rstrip()), width, hanging or begun)


def wrapped_command(command: str, width: int) -> list[str]:
    r"""A command in lines that a shell takes as one; a comment behind it comes beneath.

    >>> print("\n".join(wrapped_command("  contrapose search m 'two words'    # then look", 26)))
      contrapose search m \
        'two words'
      # then look
    """
    from rich.cells import cell_len

    if cell_len(command) <= width:
        return [command]
    indent = command[: len(command) - len(command.lstrip())]
    words = list(_SHELL_WORD.finditer(command))
    # A mark inside quotes is a part of a longer word.
    mark = next((word.start() for word in words if word.group() == "#"), len(command))
    asked = [word.group() for word in words if word.start() < mark]
    lines = _joined([indent + asked[0], *(f" {word}" for word in asked[1:])], width - 2, indent + "  ")
    lines = [*(f"{line} \\" for line in lines[:-1]), lines[-1]]
    comment = command[mark:]
    return lines + (wrapped(indent + comment, width, f"{indent}# ") if comment else [])


def _joined(words: Sequence[str], width: int, hanging: str) -> list[str]:
    """Words, each with the blanks before it, in lines."""
    from rich.cells import cell_len

    lines: list[str] = []
    for word in words:
        if not lines:
            lines.append(word)
        elif cell_len(lines[-1]) + cell_len(word) <= width:
            lines[-1] += word
        else:
            lines.append(hanging + word.lstrip())
    return lines or [""]


@dataclass(frozen=True)
class FittedTable:
    """columns: name -> "text" (may be wrapped), "name" or "number" (never are)."""

    columns: Mapping[str, str]
    rows: Sequence[Sequence[str]]
    title: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        from rich.text import Text

        widest = options.max_width if console.is_terminal else None
        if self.title:
            for line in wrapped(self.title, widest or 10**6):
                yield Text(line, style="bold", no_wrap=True, overflow="ignore")
        widths = self.widths(options.max_width)
        if widest is not None and _total(widths) > widest:
            for line in self.records(widest):
                yield Text(line, no_wrap=True, overflow="ignore")
        else:
            yield from console.render(self._table(widths), options.update(width=_total(widths)))  # type: ignore[misc]

    def widths(self, most: int) -> list[int]:
        """Of each column: all that names and numbers need; texts share what is left, none narrower than its words."""
        from rich.cells import cell_len

        cells = [[name, *(row[column] for row in self.rows)] for column, name in enumerate(self.columns)]
        needed = [max(map(cell_len, column)) for column in cells]
        words = [
            max(cell_len(word) for cell in column for word in (cell.split() or [""])) for column in cells
        ]
        texts = [column for column, kind in enumerate(self.columns.values()) if kind == "text"]
        widths = [words[column] if column in texts else each for column, each in enumerate(needed)]
        left = max(0, most - _total(widths))
        texts.sort(key=lambda column: needed[column] - words[column])
        for number, column in enumerate(texts):
            more = min(needed[column] - words[column], left // (len(texts) - number))
            widths[column] += more
            left -= more
        return widths

    def records(self, width: int) -> list[str]:
        """Each row as lines of "column: cell", with an empty line behind it."""
        lines = []
        for row in self.rows:
            for name, cell in zip(self.columns, row, strict=True):
                if cell.strip():
                    lines += wrapped(f"{name.strip()}: {cell}" if name.strip() else cell, width, "  ")
            lines.append("")
        return lines

    def _table(self, widths: Sequence[int]) -> RenderableType:
        from rich import box
        from rich.table import Table

        made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for (name, kind), width in zip(self.columns.items(), widths, strict=True):
            made.add_column(
                name, justify="right" if kind == "number" else "left", no_wrap=kind != "text", width=width
            )
        for row in self.rows:
            made.add_row(*row)
        return made


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _BETWEEN * (len(widths) - 1) + _EDGES
